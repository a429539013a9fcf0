"""Commands: what events and jobs ask this service to do."""
