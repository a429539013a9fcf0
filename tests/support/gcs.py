"""An emulator of Google Cloud Storage: fake-gcs-server as a container or built with Go. It checks conditions and
checksums, but no access: whoever signs a URL, and until when it works, the tests compute from Google's specification.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.local.supervisor.preflight import free_port
from deploy.local.supervisor.processes import Command, spawn
from tests.support import containers
from tests.support.cache import built_with_go
from tests.support.components import COMPONENTS
from tests.support.waiting import answers_http

VERSION: Final = "v1.56.1"
MODULE: Final = "github.com/fsouza/fake-gcs-server"
ACCOUNT: Final = "retake@tests.iam.gserviceaccount.com"


@dataclass(frozen=True)
class GcsServer:
    """A running emulator, and the environment that a client needs to use it. `key_file`: of a service account."""

    endpoint: str
    key_file: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.endpoint, "GOOGLE_APPLICATION_CREDENTIALS": str(self.key_file)}

    @cached_property
    def public_key(self) -> rsa.RSAPublicKey:
        """Of the service account."""
        private = serialization.load_pem_private_key(
            json.loads(self.key_file.read_bytes())["private_key"].encode(), None
        )
        assert isinstance(private, rsa.RSAPrivateKey)
        return private.public_key()

    async def create_bucket(self, name: str) -> None:
        async with httpx.AsyncClient(base_url=self.endpoint) as client:
            (await client.post("/storage/v1/b?project=tests", json={"name": name})).raise_for_status()


def build() -> Path:
    """The emulator's binary, built once for each machine. Raises Missing."""
    return built_with_go(MODULE, VERSION)


@asynccontextmanager
async def gcs_server(directory: Path) -> AsyncIterator[GcsServer]:
    """A container or a local binary, whichever is available. Raises Missing if neither is."""
    key_file = service_account(directory)
    if containers.engine_responds():
        async with containers.fake_gcs_server(VERSION) as endpoint:
            await answers_http(f"{endpoint}/_internal/healthcheck", within=60)
            COMPONENTS.has("gcs", f"gcs (fake-gcs-server {VERSION}) (container)")
            yield GcsServer(endpoint, key_file)
        return
    binary = await asyncio.to_thread(build)
    host = f"127.0.0.1:{free_port()}"
    argv = [str(binary), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", host.split(":")[1]]
    argv += ["-external-url", f"http://{host}", "-public-host", host, "-log-level", "warn"]
    child = await spawn(Command(argv, env=dict(os.environ)), directory / "fake-gcs-server.log", directory)
    try:
        await answers_http(f"http://{host}/_internal/healthcheck", within=20)
        COMPONENTS.has("gcs", f"gcs (fake-gcs-server {VERSION})")
        yield GcsServer(f"http://{host}", key_file)
    finally:
        await child.stop(5)


def service_account(directory: Path) -> Path:
    """A file with the key of a service account, as Google's console makes them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    path = directory / "service-account.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "tests",
                "private_key_id": "1",
                "private_key": pem,
                "client_email": ACCOUNT,
                "token_uri": "http://127.0.0.1:9/token",
            }
        )
    )
    return path
