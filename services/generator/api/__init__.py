"""The routes of this service."""
