"""Where a cluster runs: network, mount and process namespaces of its own.

The first process of the namespaces is a child of this one: when it ends, or this process does, the kernel ends
everything in them, with all mounts, links and firewall rules. Nothing is linked to the machine's network: who talks to
the cluster enters it (`Cluster.enter`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.cluster import binaries
from tests.support.cache import exclusive
from tests.support.components import Missing

ADDRESS: Final = "10.10.0.1"
SERVICES: Final = "10.96.0.0/16"
PROGRAMS: Final = ("nsenter", "unshare", "setpriv", "ip", "mount", "sysctl")
PREFIX: Final = "retake-cluster."
_KUBECTL_S: Final = 900.0
_END_S: Final = 30.0
# Where daemons write whatever they are told; the cluster has its own of each.
_OWN_FOLDERS: Final = ("/run", "/var/lib", "/var/log")
_CONTROLLERS: Final = (
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "systemd",
    "unified",
)


class Failed(AssertionError):
    """A command of the cluster did not do what it should; the message has its last lines."""


@dataclass(frozen=True)
class Cluster:
    """`folder` has logs, keys and data; `pid` is the first process of the namespaces."""

    folder: Path
    pid: int

    def enter(self, *argv: str) -> list[str]:
        """That command on the cluster's network, with this machine's files and processes."""
        return ["nsenter", "--target", str(self.pid), "--net", "--", *argv]

    def run(self, *argv: str, given: str | None = None, timeout_s: float = 60.0) -> str:
        """On the cluster's network; returns its output. Raises Failed."""
        return run(self.enter(*argv), given, timeout_s)

    def kubectl_argv(self, *arguments: str) -> list[str]:
        """kubectl as the cluster's administrator, for a process of one's own."""
        kubectl = [str(binaries.kubernetes("kubectl")), f"--kubeconfig={self.folder}/admin.conf"]
        return self.enter(*kubectl, *arguments)

    def kubectl(self, *arguments: str, given: str | None = None, timeout_s: float = _KUBECTL_S) -> str:
        """Raises Failed with what kubectl said."""
        return run(self.kubectl_argv(*arguments), given, timeout_s)

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def inside(self, *argv: str, timeout_s: float = 300.0) -> str:
        """In all namespaces of the cluster, as its daemons are. Raises Failed."""
        return run(self._inside(argv), None, timeout_s)

    def spawn(self, name: str, *argv: str) -> None:
        """A daemon of the cluster; its output goes to a file in `folder`/log."""
        log = self.folder / "log" / f"{name}.log"
        with log.open("ab") as out:
            subprocess.Popen(
                self._inside(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=self.folder
            )

    def log(self, name: str, lines: int = 20) -> str:
        path = self.folder / "log" / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def _inside(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", "--", *argv]


@contextmanager
def namespaces(pause: Path) -> Iterator[Cluster]:
    """An empty cluster: namespaces with an address, and nothing in them. `pause` is the program that holds them.

    Raises Missing where a program is missing or namespaces may not be made.
    """
    need(*PROGRAMS)
    # Control groups have no namespace here: the kubelet of a second cluster would end the pods of the first.
    with exclusive("cluster"):
        _remove_leftovers()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        (folder / "log").mkdir()
        folder.chmod(0o755)  # pods have users of their own
        unshare = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
        holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *unshare, "--", str(pause)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            cluster = Cluster(folder, _child_of(holder))
            _prepare(cluster)
            yield cluster
        finally:
            _end(holder)
            _remove_leftovers()


def need(*programs: str) -> None:
    """Raises Missing with the first program that this machine has not."""
    for program in programs:
        if not shutil.which(program, path=_path()):
            raise Missing(f"{program} is not installed")


def until(done: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    """Waits for `done`, to which Failed is "not yet". Raises Failed with the last reason and what `why` says."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if done():
                return
            reason = "not yet"
        except Failed as e:
            reason = str(e)
        if time.monotonic() > deadline:
            raise Failed(f"{reason}\n{why()}")
        time.sleep(0.3)


def run(argv: Sequence[str], given: str | None = None, timeout_s: float = 60.0) -> str:
    """Its standard output. Raises Failed with its last lines."""
    stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
    try:
        done = subprocess.run(
            list(argv),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=os.environ | {"PATH": _path()},
            **stdin,
        )
    except subprocess.TimeoutExpired as e:
        raise Failed(f"{' '.join(argv[-4:])} took longer than {timeout_s:.0f} s") from e
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-12:]
        raise Failed("\n".join(last) or f"{' '.join(argv[-4:])}: exit code {done.returncode}")
    return str(done.stdout)


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _child_of(holder: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if holder.poll() is not None:
            said = holder.stderr.read().strip() if holder.stderr else ""
            raise Missing(f"namespaces cannot be made here ({said})")
        found = children.read_text().split()
        # `unshare` forks before it mounts /proc and becomes the program that holds the namespaces.
        if found and Path(f"/proc/{found[0]}/comm").read_text().strip() == "pause":
            return int(found[0])
        time.sleep(0.05)
    raise Missing("namespaces cannot be made here (no process in them after 10 s)")


def _prepare(cluster: Cluster) -> None:
    for folder in _OWN_FOLDERS:
        cluster.inside("mount", "-t", "tmpfs", "tmpfs", folder)
    for words in (
        "ip link set lo up",
        "ip link add node0 type veth peer name node1",
        f"ip addr add {ADDRESS}/24 dev node0",
        "ip link set node0 up",
        "ip link set node1 up",
        "ip route replace unreachable default",  # what is not in the cluster fails at once instead of in seconds
        f"ip route replace {SERVICES} dev node0 src {ADDRESS}",  # until kube-proxy rewrites them
        "sysctl -qw net.ipv4.ip_forward=1",
    ):
        cluster.run(*words.split())


def _end(holder: subprocess.Popen[str]) -> None:
    """Returns when nothing of the namespaces runs any more."""
    pids = _children(holder.pid)
    with suppress(ProcessLookupError):
        holder.send_signal(signal.SIGKILL)
    holder.wait()
    deadline = time.monotonic() + _END_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _remove_leftovers() -> None:
    """Folders and control groups of this cluster, and of one before whose process was killed. The caller has the lock:
    no other cluster runs."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)
    for controller in _CONTROLLERS:
        for name in ("kubepods", "k8s.io"):
            root = Path("/sys/fs/cgroup") / controller / name
            for path, _, _ in sorted(os.walk(root), reverse=True):
                with suppress(OSError):
                    os.rmdir(path)
