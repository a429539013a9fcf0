"""A Kubernetes API server, in network, mount and process namespaces of its own.

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster import binaries
from tests.support.components import Missing

ADDRESS: Final = "10.10.0.1"
PORT: Final = 6443
SERVICES: Final = "10.96.0.0/16"
PROGRAMS: Final = ("etcd", "nsenter", "unshare", "setpriv", "ip", "openssl")
_ETCD: Final = "http://127.0.0.1:2379"
_KUBECTL_S: Final = 900.0


class Failed(AssertionError):
    """A command of the cluster did not do what it should; the message has its last lines."""


@dataclass
class Cluster:
    """`folder` has logs, keys and data; `pid` is the first process of the namespaces."""

    folder: Path
    pid: int
    _commands: dict[str, list[str]] = field(default_factory=dict)

    def enter(self, *argv: str) -> list[str]:
        """That command on the cluster's network, with this machine's files and processes."""
        return ["nsenter", "--target", str(self.pid), "--net", "--", *argv]

    def run(self, *argv: str, given: str | None = None, timeout_s: float = 60.0) -> str:
        """On the cluster's network; returns its output. Raises Failed."""
        return _run(self.enter(*argv), given, timeout_s)

    def kubectl(self, *arguments: str, given: str | None = None, timeout_s: float = _KUBECTL_S) -> str:
        """Raises Failed with what kubectl said."""
        kubectl = [str(binaries.kubernetes("kubectl")), f"--kubeconfig={self.folder}/admin.conf"]
        return _run(self.enter(*kubectl, *arguments), given, timeout_s)

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def spawn(self, name: str, *argv: str) -> None:
        """A daemon of the cluster; its output goes to a file in `folder`/log."""
        self._commands[name] = list(argv)
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
    for program in PROGRAMS:
        if not shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            raise Missing(f"{program} is not installed")
    folder = Path(tempfile.mkdtemp(prefix="retake-cluster."))
    (folder / "log").mkdir()
    holder = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL"),
            *("--mount-proc", "--", str(pause)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        cluster = Cluster(folder, _child_of(holder))
        _network(cluster)
        yield cluster
    finally:
        with suppress(ProcessLookupError):
            holder.send_signal(signal.SIGKILL)
        holder.wait()
        shutil.rmtree(folder, ignore_errors=True)


def start_api_server(cluster: Cluster) -> None:
    """etcd and the API server; returns when it is ready. Raises Failed, Missing."""
    server = binaries.kubernetes("kube-apiserver")
    _keys(cluster.folder)
    cluster.spawn(
        *(
            "etcd",
            "etcd",
            "--data-dir",
            f"{cluster.folder}/etcd",
            "--listen-client-urls",
            _ETCD,
            "--advertise-client-urls",
            _ETCD,
        ),
        *("--listen-peer-urls", "http://127.0.0.1:2380"),
    )
    pki = cluster.folder / "pki"
    options = {
        "etcd-servers": _ETCD,
        "secure-port": PORT,
        "bind-address": "0.0.0.0",
        "advertise-address": ADDRESS,
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
        "client-ca-file": pki / "ca.crt",
        "service-account-key-file": pki / "sa.key",
        "service-account-signing-key-file": pki / "sa.key",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-cluster-ip-range": SERVICES,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "kubelet-client-certificate": pki / "apiserver-kubelet.crt",
        "kubelet-client-key": pki / "apiserver-kubelet.key",
        "kubelet-preferred-address-types": "InternalIP",
        "event-ttl": "30m",
    }
    cluster.spawn("apiserver", str(server), *(f"--{name}={value}" for name, value in options.items()))
    _until(lambda: cluster.kubectl("get", "--raw=/readyz") == "ok", 120, lambda: cluster.log("apiserver"))


def _keys(folder: Path) -> None:
    pki = folder / "pki"
    pki.mkdir()

    def openssl(*arguments: str, given: str | None = None) -> None:
        _run(["openssl", *arguments], given, 60)

    new = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *new, "-keyout", f"{pki}/ca.key", "-out", f"{pki}/ca.crt", "-subj", "/CN=retake-test")
    openssl("genrsa", "-out", f"{pki}/sa.key", "2048")
    names = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1"
    subjects = {
        "apiserver": "/CN=kube-apiserver",
        "admin": "/O=system:masters/CN=admin",
        "apiserver-kubelet": "/O=system:masters/CN=apiserver-kubelet",
    }
    for name, subject in subjects.items():
        request = (f"{pki}/{name}.key", f"{pki}/{name}.csr")
        openssl("req", *new[:3], "-keyout", request[0], "-out", request[1], "-subj", subject)
        extensions = pki / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names},IP:{ADDRESS}\n" if name == "apiserver" else "")
        openssl(
            *("x509", "-req", "-in", request[1], "-CA", f"{pki}/ca.crt", "-CAkey", f"{pki}/ca.key", "-CAcreateserial"),
            *("-days", "2", "-out", f"{pki}/{name}.crt", "-extfile", str(extensions)),
        )
    for user in ("admin",):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": f"https://{ADDRESS}:{PORT}", "certificate-authority": f"{pki}/ca.crt"},
                }
            ],
            "users": [
                {
                    "name": "u",
                    "user": {"client-certificate": f"{pki}/{user}.crt", "client-key": f"{pki}/{user}.key"},
                }
            ],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (folder / f"{user}.conf").write_text(yaml.safe_dump(config))


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


def _network(cluster: Cluster) -> None:
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


def _until(done: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
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


def _run(argv: Sequence[str], given: str | None, timeout_s: float) -> str:
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
    try:
        done = subprocess.run(
            list(argv), capture_output=True, text=True, timeout=timeout_s, check=False, env=environment, **stdin
        )
    except subprocess.TimeoutExpired as e:
        raise Failed(f"{' '.join(argv[-4:])} took longer than {timeout_s:.0f} s") from e
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-12:]
        raise Failed("\n".join(last) or f"{' '.join(argv[-4:])}: exit code {done.returncode}")
    return str(done.stdout)
