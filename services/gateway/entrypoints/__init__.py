"""Ways in: HTTP, SSE, Kafka, jobs. Each parses and hands to one use case."""
