"""What everything stands on: clock, errors, ids, settings, processes."""
