"""What the generator does, one use case per file."""
