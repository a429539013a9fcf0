"""PostgreSQL refuses to run as root: find an unprivileged account, and whether it can reach PostgreSQL's files."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from deploy.local.supervisor.processes import Account

CANDIDATES: Final = ("postgres", "nobody")
"""Tried in this order. `nobody` exists everywhere; no account is ever created."""

COPIES: Final = Path("/var/cache/retake")  # owned by root, readable by everyone


def unprivileged(data: Path) -> Account | None:
    """The account for a cluster in `data`; None if we are not root: then our own account is used.

    An existing cluster keeps its owner, as PostgreSQL requires. Raises LookupError if there is no such account.
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
    """Whether every account may pass through all directories above `path`."""
    return all(p.stat().st_mode & stat.S_IXOTH for p in path.resolve().parents)


def executable_by_everyone(path: Path) -> bool:
    """Whether every account can reach, read and execute `path`."""
    needed = stat.S_IROTH | stat.S_IXOTH
    return open_to_everyone(path) and path.stat().st_mode & needed == needed


def for_everyone(program: Path, *folders: Path) -> Path:
    """`program` where every account can execute it: in place, or in a copy of `folders` with the same layout.

    PostgreSQL checks that it may execute itself, and the kernel decides that by the account alone, regardless of the
    capabilities of the process: an installation in a private folder, such as root's home, would not start.
    """
    if executable_by_everyone(program):
        return program
    parent, file = Path(os.path.commonpath(folders)), program.stat()
    copied = COPIES / f"{program.name}-{file.st_size:x}-{file.st_mtime_ns:x}"
    if not copied.exists():
        COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=COPIES) as temporary:
            copy = Path(temporary) / "copy"
            for folder in folders:
                shutil.copytree(folder, copy / folder.relative_to(parent), symlinks=True)
            _grant_access(copy)
            with suppress(OSError):  # another process was faster
                copy.rename(copied)
    return copied / program.relative_to(parent)


def _grant_access(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
