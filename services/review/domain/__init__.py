"""Pure rules of a review: its states and who may decide."""
