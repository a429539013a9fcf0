"""Storyboard cards: a scene is derived from words, painted, and captioned. `storyboard` is the child process."""
