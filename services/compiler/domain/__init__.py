"""The rules of retention, and the values that commands, the store and rendering share."""
