"""The `retake` command."""
