"""What a run is and what it may become; no input or output."""
