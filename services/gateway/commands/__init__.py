"""What the gateway does, one use case per file. Each runs in the caller's transaction, through a `Store`."""
