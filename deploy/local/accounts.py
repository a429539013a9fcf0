"""PostgreSQL refuses to run as root; this finds whom to run it as, and whether that user gets to its files."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CANDIDATES: Final = ("postgres", "nobody")
"""Tried in this order. `nobody` exists everywhere; no account is ever created."""


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


def unprivileged(data: Path) -> Account | None:
    """The account for a cluster in `data`, None when we are not root: then it is our own.

    An existing cluster keeps its owner, as PostgreSQL insists on it.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise LookupError(f"none of the accounts {', '.join(CANDIDATES)} exists")


def open_to_everyone(path: Path) -> bool:
    """Whether any account may pass through all directories above `path`."""
    return all(p.stat().st_mode & stat.S_IXOTH for p in path.resolve().parents)


def executable_by_everyone(path: Path) -> bool:
    needed = stat.S_IROTH | stat.S_IXOTH
    return open_to_everyone(path) and path.stat().st_mode & needed == needed
