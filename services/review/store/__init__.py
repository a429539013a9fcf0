"""Reviews in PostgreSQL."""
