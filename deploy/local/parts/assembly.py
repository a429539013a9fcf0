"""Assembles the parts of one system, with their settings, from the options of `retake up`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from deploy.local.parts.base import Part
from deploy.local.parts.fork_server import ForkServerPart
from deploy.local.parts.postgres import EmbeddedPostgres, superuser_url
from deploy.local.parts.services import Forked, ServicePart, Settings, Spawned, Starter
from deploy.local.parts.stores import EmbeddedBrokerPart, PostgresPart
from deploy.local.supervisor import preflight, token_file
from deploy.local.supervisor.credentials import Secrets
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.options import Broker, Options

GATEWAY: Final = "gateway"
GENERATOR: Final = "generator"
SERVICES: Final = (GATEWAY, GENERATOR, "review", "compiler")
"""The same as in `shared.contracts`, whose models are slow to import; a test checks that the two are equal."""
KAFKA_LOGIN: Final = ("KAFKA_SECURITY_", "KAFKA_SASL_", "KAFKA_SSL_", "KAFKA_OAUTH_", "KAFKA_AWS_", "KAFKA_PREFIX",
                      "KAFKA_CLIENT_RACK")  # fmt: skip
"""Variables for an existing Kafka; every service gets them with its own name before."""


@dataclass(frozen=True)
class Assembly:
    """`external` has the addresses of the parts that are not ours to run, by name; `operations` is the URL at which the
    gateway has readiness and metrics, if that is not its own."""

    parts: Sequence[Part]
    external: Mapping[str, str] = field(default_factory=dict)
    operations: str | None = None


def assemble(options: Options, data: DataDir, secrets: Secrets, stack: ExitStack) -> Assembly:
    """The parts of the system. `stack` closes the services' sockets when the system ends."""
    gateway = stack.enter_context(preflight.listen(options.port))
    sockets = {s: gateway if s == GATEWAY else stack.enter_context(preflight.listen(0)) for s in SERVICES}
    stores, external = _stores(options, data, secrets)
    settings = _settings(options, data, secrets)
    launchers, starter_of = _starters(data)
    services = [ServicePart(s, data, settings, sockets[s], starter_of(s)) for s in SERVICES]
    return Assembly([*launchers, *stores, *services], external, services[0].operations)


def _starters(data: DataDir) -> tuple[list[Part], Callable[[str], Starter]]:
    """How services are started. Forking without exec is safe on Linux; macOS's system libraries do not allow it."""
    if sys.platform != "linux":
        return [], lambda service: Spawned(data, ("-m", "shared.web.server", service))
    server = ForkServerPart(data)
    return [server], lambda service: Forked(server, "shared.web.server:main")


def _stores(options: Options, data: DataDir, secrets: Secrets) -> tuple[list[Part], dict[str, str]]:
    parts: list[Part] = []
    external: dict[str, str] = {}
    if options.database:
        external["postgres"] = urlsplit(options.database).netloc.rpartition("@")[2]
    else:
        parts.append(PostgresPart(EmbeddedPostgres(data, secrets.superuser), data))
    if options.kafka:
        external["broker"] = options.kafka
    elif options.broker is Broker.APACHE:
        from deploy.local.parts.kafka.part import ApacheBrokerPart

        parts.append(ApacheBrokerPart(data))
    else:
        parts.append(EmbeddedBrokerPart(data))
    return parts, external


def _settings(options: Options, data: DataDir, secrets: Secrets) -> Settings:
    extra: dict[str, dict[str, str]] = {s: {} for s in SERVICES}
    extra[GATEWAY] |= {
        "GATEWAY_LOCAL_MODE": "true",
        "GATEWAY_JWT_SECRET": secrets.jwt,
        "GATEWAY_JWT_ISSUER": token_file.ISSUER,
        "GATEWAY_JWT_AUDIENCE": token_file.AUDIENCE,
        "GATEWAY_MEDIA_SECRET": secrets.media,
    }
    if options.kafka:
        for service in SERVICES:
            given = {name: value for name, value in os.environ.items() if name.startswith(KAFKA_LOGIN)}
            extra[service] |= {f"{service.upper()}_{name}": value for name, value in given.items()}
    if options.provider:
        for service in (GATEWAY, GENERATOR):
            extra[service][f"{service.upper()}_DEFAULT_PROVIDER"] = options.provider
    return Settings(
        admin_url=_admin_url(options, secrets),
        passwords=secrets.roles,
        objects_url=options.objects or data.objects.as_uri(),
        kafka_embedded=not options.kafka and options.broker is Broker.EMBEDDED,
        extra=extra,
    )


def _admin_url(options: Options, secrets: Secrets) -> Callable[[str], str]:
    """Maps PostgreSQL's address to the superuser's URL."""
    if options.database:
        url = options.database
        return lambda address: url
    return lambda address: superuser_url(address, secrets.superuser)
