"""Layers around every request: errors, authentication, rate and concurrency limits."""
