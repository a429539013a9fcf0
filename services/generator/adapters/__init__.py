"""Ways out: PostgreSQL, media tools, providers, downloads."""
