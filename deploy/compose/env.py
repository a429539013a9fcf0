"""Writes `.env` for compose.yaml with random secrets: `python -m deploy.compose.env` (`make env`).

Adds what is missing and never changes what is there, so it is safe to run again after an upgrade.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

SECRET_BYTES: Final = 32  # a key of HMAC-SHA256 is as long as its output


def _secret() -> str:
    return secrets.token_hex(SECRET_BYTES)


def _cluster_id() -> str:
    """A Kafka cluster id: a UUID in URL-safe base64. Kafka's own tools refuse a leading dash, so do we."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        continue
    return made


VARIABLES: Final[dict[str, Callable[[], str]]] = {
    "KAFKA_CLUSTER_ID": _cluster_id,
    "POSTGRES_PASSWORD": _secret,
    "GRAFANA_PASSWORD": _secret,
    "GATEWAY_PASSWORD": _secret,
    "GENERATOR_PASSWORD": _secret,
    "REVIEW_PASSWORD": _secret,
    "COMPILER_PASSWORD": _secret,
    "S3_SECRET": _secret,
    "GATEWAY_JWT_SECRET": _secret,
    "GATEWAY_MEDIA_SECRET": _secret,
}


def complete(path: Path) -> list[str]:
    """Adds the missing variables to the file, which only its owner may read; returns their names."""
    text = path.read_text() if path.exists() else ""
    there = {line.partition("=")[0].strip() for line in text.splitlines() if "=" in line and not line.startswith("#")}
    missing = [name for name in VARIABLES if name not in there]
    if missing:
        added = "".join(f"{name}={VARIABLES[name]()}\n" for name in missing)
        kept = text if not text or text.endswith("\n") else f"{text}\n"
        temporary = path.with_name(f"{path.name}.new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(kept + added)
        temporary.replace(path)
    return missing


if __name__ == "__main__":
    added = complete(Path(sys.argv[1] if len(sys.argv) > 1 else ".env"))
    print(f"added to .env: {', '.join(added)}" if added else ".env is complete")
