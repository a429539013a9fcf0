"""The parts of a local system: PostgreSQL, the broker, the services, and how each of them is started and checked."""
