"""The SSE bridge: one log, many streams."""
