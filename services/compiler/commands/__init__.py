"""What the compiler does on request: compilations, films, pieces and timelines."""
