"""The whole system on one machine: embedded PostgreSQL and broker, the four services, and their supervisor.

`retake up|down|status|logs|reset` (see `cli`) talk to one supervisor per data directory.
"""
