"""Repositories in PostgreSQL: timelines, commits and compilations, rendered pieces, and the jobs' rows."""
