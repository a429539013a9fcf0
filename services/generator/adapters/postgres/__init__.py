"""The generator's tables."""
