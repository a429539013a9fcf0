"""Pure rules of the gateway: no input, output, time or randomness that is not a parameter."""
