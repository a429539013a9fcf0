"""Become another program, in the same process: `python -I -S launch.py '{json}' PROGRAM ARGS…`.

What Python's `subprocess` cannot do safely between fork and exec happens here instead, in a process of our own:
give up root, and ask the kernel to end us when our parent ends. Imports nothing of ours, so that it starts fast.
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
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


def main() -> None:
    order = json.loads(sys.argv[1])
    program = sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if order.get("uid") is not None:
        _become(order["uid"], order["gid"], libc if order.get("traverse") else None)
    if libc is not None:
        # After the change of user: the kernel forgets this setting whenever credentials change.
        libc.prctl(PR_SET_PDEATHSIG, order["parent_death_signal"], 0, 0, 0)
        if os.getppid() != order["parent"]:  # it died before we could ask
            os._exit(1)
    os.execv(program[0], program)


def _become(uid: int, gid: int, libc: Any) -> None:
    """Give up root. With `libc`, keep the right to pass through directories that only root may enter."""
    if libc is not None:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if libc is not None:
        # Containers often withhold the second one; the first alone is enough for nearly everything.
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
