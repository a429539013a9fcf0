"""`python -m shared.serve generator`: runs one service under uvicorn, the same way on a laptop and in a container."""

from __future__ import annotations

import os
import sys
from typing import Final

import uvicorn

from shared.contracts.topics import Service

GRACE_S: Final = 10  # open requests at SIGTERM; streams are ended by the gateway itself


def main(service: str) -> None:
    prefix = Service(service).value.upper()
    uvicorn.run(
        f"services.{service}.main:create_app",
        factory=True,
        host=os.environ.get(f"{prefix}_HOST", "127.0.0.1"),
        port=int(os.environ.get(f"{prefix}_PORT", "8000")),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in list(Service):
        sys.exit(f"usage: python -m shared.serve {'|'.join(Service)}")
    main(sys.argv[1])
