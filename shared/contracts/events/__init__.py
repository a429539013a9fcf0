"""The events, one module for each producing service."""
