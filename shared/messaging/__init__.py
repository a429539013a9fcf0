"""Events written with the state they tell of (outbox), applied once (inbox), never lost (dead letters)."""
