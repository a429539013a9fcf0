"""Requests and responses as OpenAPI documents them. Views make the responses; tests hold the two together."""
