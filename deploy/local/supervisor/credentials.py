"""The secrets of one data directory, generated once and kept in a file that only its owner can read."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.local.supervisor.files import write_private
from shared.core.errors import UserError


def _random() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Secrets:
    """`roles` has the password of each service's database role, `superuser` that of the embedded PostgreSQL."""

    superuser: str = field(default_factory=_random)
    jwt: str = field(default_factory=_random)
    media: str = field(default_factory=_random)
    roles: dict[str, str] = field(default_factory=dict)

    def with_roles(self, names: tuple[str, ...]) -> Secrets:
        return Secrets(self.superuser, self.jwt, self.media, {n: self.roles.get(n) or _random() for n in names})


def load_or_create(path: Path, roles: tuple[str, ...]) -> Secrets:
    """The stored secrets; missing ones are generated and stored. Raises UserError if the file is damaged."""
    try:
        stored = Secrets(**json.loads(path.read_text())) if path.exists() else Secrets()
    except (ValueError, TypeError) as e:
        raise UserError(
            "secrets_unreadable", f"{path} is damaged: {e}", "Restore it, or delete all data with `retake reset`."
        ) from e
    complete = stored.with_roles(roles)
    if not path.exists() or complete != stored:
        write_private(path, json.dumps(asdict(complete), indent=2) + "\n")
    return complete
