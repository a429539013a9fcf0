"""Cutting films: what they hold, where the picture changes, and the clips."""
