"""The generator's tables: concrete repositories with their SQL."""
