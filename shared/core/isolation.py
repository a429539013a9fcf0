"""Programs that read untrusted files run without what they do not need, where the kernel lets us take it from them.

By a filter of system calls they have no network; where the kernel has no such filter, a network namespace of their own
takes it, which has not even a loopback interface. Root may create one; others need a user namespace around it, which
some containers and distributions forbid.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import Final

from shared.core.confinement import Files, InForce, command, supported

_TRIED_S: Final = 10.0


def isolated(files: Files | None = None) -> tuple[str, ...]:
    """What to write before a command line that reads untrusted files: it then has no network, no power over other
    processes, and no other files than `files` (None: the same as we), as far as the kernel enforces that.
    """
    in_force = enforced()
    prefix = () if in_force.seccomp else without_network()
    return (*prefix, *command(files, in_force)) if any(in_force) else prefix


@cache
def enforced() -> InForce:
    """What the kernel enforces, logged once. Blocks, once, for some milliseconds."""
    in_force = supported()
    if not (in_force.seccomp and in_force.landlock):
        _warn("isolation.incomplete", seccomp=in_force.seccomp, landlock=bool(in_force.landlock))
    return in_force


def in_force() -> dict[str, bool]:
    """By mechanism, whether this machine enforces it. Blocks, once, for some milliseconds."""
    found = enforced()
    return {
        "seccomp": found.seccomp,
        "landlock": bool(found.landlock),
        "network namespace": not found.seccomp and bool(without_network()),
    }


@cache
def without_network() -> tuple[str, ...]:
    """What to write before a command line; empty where it is not possible, which is logged once. Blocks, once, for some
    milliseconds."""
    user = () if os.geteuid() == 0 else ("--user", "--map-current-user")
    command = ("unshare", *user, "--net", "--")
    if shutil.which("unshare") is None:
        reason = "there is no program unshare (util-linux)"
    else:
        try:
            subprocess.run([*command, "true"], check=True, capture_output=True, timeout=_TRIED_S)
            return command
        except subprocess.CalledProcessError as error:
            reason = error.stderr.decode(errors="replace").strip()
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = str(error)
    _warn("isolation.network_shared", reason=reason)
    return ()


def _warn(event: str, **facts: object) -> None:
    import structlog  # each drawing and speaking process would else wait for what hardly one of them needs

    structlog.get_logger(__name__).warning(event, **facts)
