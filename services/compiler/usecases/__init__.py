"""What the compiler does, one use case per file."""
