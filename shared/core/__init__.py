"""Clock, errors, ids, settings, back-off and child processes."""
