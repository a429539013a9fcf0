"""A score from a prompt: read its mood, compose, play, mix. `score` is the child process; everything else is pure."""
