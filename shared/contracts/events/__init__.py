"""The events, one module per producing service."""
