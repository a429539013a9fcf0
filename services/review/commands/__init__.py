"""What review does, one use case per file."""
