"""The repositories of review, in PostgreSQL."""
