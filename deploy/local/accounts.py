"""PostgreSQL refuses to run as root; this finds whom to run it as, and whether that user gets to its files."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CANDIDATES: Final = ("postgres", "nobody")
"""Tried in this order. `nobody` exists everywhere; no account is ever created."""

COPIES: Final = Path("/var/cache/retake")  # root's, and open to everyone


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


def for_everyone(program: Path, *folders: Path) -> Path:
    """`program` where any account can execute it: there, or in a copy of `folders`, which keep their places.

    PostgreSQL asks whether it may execute itself, and the kernel answers by the account alone, whatever else was
    granted to the process: an installation below a private folder, as root's home is one, would not start.
    """
    if executable_by_everyone(program):
        return program
    above, made = Path(os.path.commonpath(folders)), program.stat()
    copied = COPIES / f"{program.name}-{made.st_size:x}-{made.st_mtime_ns:x}"
    if not copied.exists():
        COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=COPIES) as making:
            whole = Path(making) / "whole"
            for folder in folders:
                shutil.copytree(folder, whole / folder.relative_to(above), symlinks=True)
            _open(whole)
            with suppress(OSError):  # another was faster
                whole.rename(copied)
    return copied / program.relative_to(above)


def _open(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
