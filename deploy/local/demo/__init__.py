"""`make demo`: four photographs become a film that somebody has reviewed, made by the whole system, and checked."""
