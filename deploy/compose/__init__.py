"""Retake on one machine by Docker Compose: compose.yaml and what it needs."""
