"""Programs that read untrusted files run without a network, where the kernel lets us take it from them.

A network namespace of their own has not even a loopback interface. Root may create one; others need a user namespace
around it, which some containers and distributions forbid.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import Final

import structlog

log = structlog.get_logger(__name__)

_TRIED_S: Final = 10.0


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
    log.warning("isolation.network_shared", reason=reason)
    return ()
