"""Ways in: topics, jobs and the sweep."""
