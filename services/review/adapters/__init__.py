"""Ways out: PostgreSQL."""
