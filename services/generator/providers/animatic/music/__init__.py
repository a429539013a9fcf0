"""Scores from prompts: mood, composition, performance, mix. `score` is the child process; everything else is pure."""
