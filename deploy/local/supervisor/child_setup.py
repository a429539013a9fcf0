"""What a new process of the supervisor does before its own work. Imports the standard library only.

`python -I -S child_setup.py '{json}' PROGRAM ARGS…` sets itself up and becomes PROGRAM: between fork and exec,
Python's `subprocess` can neither give up root nor ask the kernel for a parent-death signal safely, so a small process
of our own does. The fork server imports this module and calls `die_with_parent` in the processes that it forks.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

# Numbers of the Linux ABI: <linux/prctl.h>, <linux/capability.h>.
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


def main() -> None:
    setup = json.loads(sys.argv[1])
    program = sys.argv[2:]
    if setup["uid"] is not None:
        _become(setup["uid"], setup["gid"], traverse=setup["traverse"])
    # After the change of user: the kernel forgets this setting whenever credentials change.
    die_with_parent(setup["parent"], setup["parent_death_signal"])
    os.execv(program[0], program)


def die_with_parent(parent: int, number: int) -> None:
    """Ask the kernel to send us signal `number` when process `parent` ends. Linux only; elsewhere without effect."""
    libc = _libc()
    if libc is None:
        return
    libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def set_name(name: str) -> None:
    """The name that `top` shows, of at most 15 bytes. Linux only."""
    libc = _libc()
    if libc is not None:
        libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _become(uid: int, gid: int, *, traverse: bool) -> None:
    """Give up root. With `traverse`, keep the right to pass through directories that only root may enter (Linux)."""
    libc = _libc() if traverse else None
    if libc is not None:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if libc is not None:
        # Containers often withhold the second one; the first alone is nearly always enough.
        for capabilities in ((CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH), (CAP_DAC_OVERRIDE,), (CAP_DAC_READ_SEARCH,)):
            if _keep(libc, capabilities):
                break


def _keep(libc: Any, capabilities: tuple[int, ...]) -> bool:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bits = sum(1 << c for c in capabilities)
    data = (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0)  # effective, permitted, inheritable; then the high words
    if libc.capset(header, data) != 0:
        return False
    return all(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) == 0 for c in capabilities)


if __name__ == "__main__":
    main()
