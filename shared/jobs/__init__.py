"""Long work as rows in PostgreSQL, and work that recurs."""
