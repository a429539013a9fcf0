"""Storyboard cards: read a scene from words, paint it, set the words into it. `storyboard` is the child process."""
