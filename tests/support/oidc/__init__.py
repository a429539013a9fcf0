"""A small OIDC issuer, run as a process of its own: `python -m tests.support.oidc --port 9000`."""
