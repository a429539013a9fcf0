"""PgBouncer in transaction mode, from the tests' cache (.ci/pgbouncer builds it) or from the system if new enough."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.local.supervisor.preflight import free_port
from tests.support import kafka_logins
from tests.support.cache import cache_dir
from tests.support.components import COMPONENTS, Missing
from tests.support.waiting import eventually

NEEDED: Final = (1, 21)  # the first with prepared statements in transaction mode


@dataclass(frozen=True)
class Pooler:
    """In front of one server, with at most two of its sessions for each database."""

    port: int
    tls: Path

    def url(self, direct: str) -> str:
        """The same database through the pooler, without TLS."""
        return urlunsplit(urlsplit(direct)._replace(netloc=self._netloc(direct), query="sslmode=disable"))

    def tls_url(self, direct: str, authority: str) -> str:
        """With TLS, trusting the authority of that file."""
        query = f"sslmode=verify-full&sslrootcert={self.tls / authority}"
        return urlunsplit(urlsplit(direct)._replace(netloc=self._netloc(direct), query=query))

    def _netloc(self, direct: str) -> str:
        return f"{urlsplit(direct).netloc.rpartition('@')[0]}@127.0.0.1:{self.port}"


def binary() -> tuple[str, str]:
    """The program and its version. Raises Missing."""
    built = cache_dir() / "pgbouncer" / "pgbouncer"
    found = str(built) if built.exists() else shutil.which("pgbouncer")
    if not found:
        raise Missing("pgbouncer is not installed; .ci/pgbouncer builds it")
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10).stdout
    version = re.search(r"(\d+)\.(\d+)\.\d+", answer)
    if not version or (int(version[1]), int(version[2])) < NEEDED:
        raise Missing(f"{answer.splitlines()[:1]} has no prepared statements in transaction mode")
    return found, version[0]


@asynccontextmanager
async def pooler(admin_url: str) -> AsyncIterator[Pooler]:
    """Raises Missing."""
    program, version = binary()
    server = urlsplit(admin_url)
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # it gives up root, and reads its files after that
        kafka_logins.listener(directory)
        for file in directory.iterdir():
            file.chmod(0o644)
        found = Pooler(free_port(), directory)
        login = f"user={server.username} password='{server.password or ''}'"
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": found.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "max_prepared_statements": 200,
            "default_pool_size": 2,
            "max_client_conn": 200,
            "client_tls_sslmode": "allow",
            "client_tls_key_file": directory / "server.pem",
            "client_tls_cert_file": directory / "server.pem",
        } | ({"user": "nobody"} if os.getuid() == 0 else {})
        config = directory / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host={server.hostname} port={server.port} {login}\n[pgbouncer]\n"
            + "".join(f"{key} = {value}\n" for key, value in settings.items())
        )
        with (directory / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                program, str(config), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            await eventually(lambda: _answers(found.url(admin_url), process, directory / "log"), what="PgBouncer")
            COMPONENTS.has("pgbouncer", f"pgbouncer {version}")
            yield found
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answers(url: str, process: asyncio.subprocess.Process, log: Path) -> bool:
    if process.returncode is not None:
        raise Missing(f"pgbouncer ended: {log.read_text()[-300:]!r}")
    try:
        await (await asyncpg.connect(url, timeout=5)).close()
    except (OSError, asyncpg.PostgresError):
        return False
    return True
