"""A real S3 server: versitygw as a container or built with Go; otherwise moto, which does not check signatures."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.supervisor.preflight import free_port
from deploy.local.supervisor.processes import Command, spawn
from tests.support import containers
from tests.support.cache import built_with_go
from tests.support.components import COMPONENTS, Missing
from tests.support.waiting import answers_http

VERSION: Final = "v1.8.0"
MODULE: Final = "github.com/versity/versitygw/cmd/versitygw"
ACCESS_KEY: Final = "retake-tests"
SECRET_KEY: Final = "not-a-secret"


@dataclass(frozen=True)
class S3Server:
    """The endpoint of a running server, and the environment that a client needs to use it."""

    endpoint: str
    checks_signatures: bool

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def build() -> Path:
    """The server's binary, built once for each machine. Raises Missing."""
    return built_with_go(MODULE, VERSION)


@asynccontextmanager
async def s3_server(directory: Path) -> AsyncIterator[S3Server]:
    """A container, a local binary, or moto, whichever is the first available. Raises Missing if none is."""
    if containers.engine_responds():
        async with containers.versitygw(VERSION, ACCESS_KEY, SECRET_KEY) as endpoint:
            await answers_http(f"{endpoint}/health", within=60)
            COMPONENTS.has("s3", f"s3 (versitygw {VERSION}) (container)")
            yield S3Server(endpoint, checks_signatures=True)
        return
    try:
        binary = await asyncio.to_thread(build)
    except Missing as e:
        COMPONENTS.notes["s3 signatures (versitygw)"] = str(e)
        with _moto() as server:
            yield server
    else:
        async with _versitygw(binary, directory) as server:
            COMPONENTS.has("s3", f"s3 (versitygw {VERSION})")
            yield server


@asynccontextmanager
async def _versitygw(binary: Path, directory: Path) -> AsyncIterator[S3Server]:
    data = directory / "data"
    data.mkdir(parents=True)
    port = free_port()
    keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    argv = [str(binary), "--port", f"127.0.0.1:{port}", "--health", "/health", "--keep-alive", "posix", str(data)]
    child = await spawn(Command(argv, env=os.environ | keys), directory / "versitygw.log", directory)
    try:
        await answers_http(f"http://127.0.0.1:{port}/health", within=20)
        yield S3Server(f"http://127.0.0.1:{port}", checks_signatures=True)
    finally:
        await child.stop(5)


@contextmanager
def _moto() -> Iterator[S3Server]:
    try:
        import moto
        from moto.server import ThreadedMotoServer
    except ImportError as e:
        raise Missing(f"neither versitygw nor moto is available: {e}") from e
    port = free_port()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        COMPONENTS.has("s3", f"s3 (moto {moto.__version__})")
        yield S3Server(f"http://127.0.0.1:{port}", checks_signatures=False)
    finally:
        server.stop()
