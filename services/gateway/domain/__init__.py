"""The rules of the gateway, as pure functions and data: no I/O, and time and randomness only as parameters."""
