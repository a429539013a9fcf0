"""The routes, one module per resource. Each parses, calls one use case, and answers with a view."""
