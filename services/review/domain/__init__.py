"""The pure rules of a review: its states, and which decisions count."""
