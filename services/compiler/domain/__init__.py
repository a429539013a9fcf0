"""What a film is, as pure functions: its plan, its sound, the names of its pieces, the states of its making."""
