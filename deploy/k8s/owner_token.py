"""Prints a bearer token of the owner, valid for a day, made with the secret on standard input:

    kubectl -n retake get secret gateway -o jsonpath='{.data.GATEWAY_JWT_SECRET}' | base64 -d \\
        | .venv/bin/python -m deploy.k8s.owner_token

For a first look, and for systems without an identity provider: whoever has the secret can be anybody.
"""

from __future__ import annotations

import sys
from typing import Final

from deploy.local.supervisor.token_file import mint
from shared.core.clock import SystemClock

MIN_SECRET_BYTES: Final = 32  # RFC 7518, section 3.2; the gateway takes no shorter one


def main() -> int:
    secret = sys.stdin.read().strip().partition(",")[0].strip()  # while it is being rotated, the first signs
    if len(secret.encode()) < MIN_SECRET_BYTES:
        print(
            f"Standard input has no secret of {MIN_SECRET_BYTES} bytes or more: give it GATEWAY_JWT_SECRET.",
            file=sys.stderr,
        )
        return 2
    print(mint(secret, SystemClock().now()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
