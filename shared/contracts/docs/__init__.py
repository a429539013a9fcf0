"""The generated documents of the contracts: JSON Schemas, examples, AsyncAPI, the event reference."""
