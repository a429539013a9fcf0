"""Generators of the contracts' documents: JSON Schemas, examples, AsyncAPI and the event reference."""
