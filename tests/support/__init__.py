"""What the tests stand on: real components, a clock that they move, events with sensible defaults."""
