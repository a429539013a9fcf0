"""The whole system as `retake up` starts it."""
