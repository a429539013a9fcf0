"""Ways in: topics, jobs, the expiry sweep."""
