"""Ways in: topics and the deadline sweep."""
