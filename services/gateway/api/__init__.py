"""The HTTP API: docs/api/openapi.json is generated from here."""
