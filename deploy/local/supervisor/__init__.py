"""The supervisor of one data directory: it launches the parts, restarts them when they end, and stops them."""
