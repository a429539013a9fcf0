"""`python -m shared.web.server generator` runs one service under uvicorn, the same on a laptop and in a container."""

from __future__ import annotations

import importlib
import ipaddress
import os
import socket
import sys
from contextlib import suppress
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from shared.contracts.topics import Service
from shared.core.errors import RetakeError
from shared.core.settings import faults_of
from shared.web.starting import Starting
from shared.web.timeouts import TimeoutProtocol

STARTUP_FAILURE: Final = 3  # the exit code that `uvicorn.run` uses
GRACE_S: Final = "10"  # NAME_GRACE_S, for open requests at SIGTERM; the gateway ends its streams itself


def main(service: str) -> None:
    """Serves on NAME_HOST and NAME_PORT, or on the listening socket inherited as file descriptor NAME_LISTEN_FD.

    X-Forwarded-For and X-Forwarded-Proto count only from the proxies in FORWARDED_ALLOW_IPS: addresses and networks,
    separated by commas; none by default. At SIGTERM open requests get NAME_GRACE_S seconds. Exits with
    `STARTUP_FAILURE` and the reason if the service can never start with these settings.
    """
    prefix = Service(service).value.upper()
    proxies = trusted_proxies(os.environ.get("FORWARDED_ALLOW_IPS", ""))
    app = _app(service)
    config = uvicorn.Config(
        app,
        http=TimeoutProtocol,
        host=os.environ.get(f"{prefix}_HOST", "127.0.0.1"),
        port=int(os.environ.get(f"{prefix}_PORT", "8000")),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_seconds(f"{prefix}_GRACE_S"),
        timeout_keep_alive=75,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
    )
    starting: Starting[Any] = app.state.starting
    server = _Server(config, starting)
    inherited = os.environ.get(f"{prefix}_LISTEN_FD")
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has shut down
        server.run(sockets=[_inherited_socket(int(inherited))] if inherited else None)
    if not server.started or starting.failure:
        sys.exit(STARTUP_FAILURE)


class _Server(uvicorn.Server):
    """Ends when the service turns out to be unable to start."""

    def __init__(self, config: uvicorn.Config, starting: Starting[Any]) -> None:
        super().__init__(config)
        self._starting = starting

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._starting.failure is not None


def _app(service: str) -> FastAPI:
    """Exits with every fault of the settings."""
    try:
        app: FastAPI = importlib.import_module(f"services.{service}.main").create_app()
    except ValidationError as error:
        print(f"The settings of {service} are wrong: {faults_of(error, service)}. See settings.md.", file=sys.stderr)
    except RetakeError as error:
        print(f"{error} {error.recovery}".rstrip(), file=sys.stderr)
    else:
        return app
    sys.exit(STARTUP_FAILURE)


def _seconds(variable: str) -> int:
    text = os.environ.get(variable, GRACE_S)
    if not text.isascii() or not text.isdigit():
        sys.exit(f"{variable}: {text!r} is not a number of seconds. Write for example 60.")
    return int(text)


def trusted_proxies(text: str) -> list[str]:
    """The addresses and networks in a list separated by commas. Exits with the reason for anything else, also for `*`,
    with which every caller could choose its own address."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    for part in found:
        try:
            network = ipaddress.ip_network(part)
        except ValueError as e:
            sys.exit(f"FORWARDED_ALLOW_IPS: {e}. List the addresses or networks of your proxies, such as 10.0.0.0/8.")
        if network.prefixlen == 0:
            sys.exit(f"FORWARDED_ALLOW_IPS: {part} is every address. List the addresses or networks of your proxies.")
    return found


def _inherited_socket(descriptor: int) -> socket.socket:
    """The inherited socket, which this process's own children do not inherit."""
    listening = socket.socket(fileno=descriptor)
    listening.set_inheritable(False)
    return listening


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in list(Service):
        sys.exit(f"usage: python -m shared.web.server {'|'.join(Service)}")
    main(sys.argv[1])
