"""The network policies, enforced by kube-router's firewall: who reaches what, tried from inside of the pods.

Each place that must be closed to one is open to another, so that a place where nobody listens is noticed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Final

import yaml

from shared.contracts.topics import Service
from tests.cluster import binaries, images, system
from tests.cluster.control_plane import NODE, PORT
from tests.cluster.namespaces import ADDRESS, SERVICES, Cluster, Failed, need, until

PROGRAMS: Final = ("ipset", "iptables", "iptables-save", "iptables-restore")
METADATA: Final = "169.254.169.254"
"""Where clouds give credentials to whoever asks."""
PUBLIC: Final = "203.0.113.7"
"""Stands for a host of the Internet (TEST-NET-3 of RFC 5737)."""
OUTSIDERS: Final = {"edge": "retake.dev/edge", "monitoring": "retake.dev/monitoring", "stranger": ""}
"""Namespaces with a pod each, and the label by which the policies know them."""
_LISTEN: Final = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for place in sys.argv[1:]:
    host, _, port = place.partition(":")
    chosen.register(socket.create_server((host, int(port))), selectors.EVENT_READ)
while True:
    for key, _ in chosen.select():
        key.fileobj.accept()[0].close()
"""
_TRY: Final = """
import concurrent.futures, json, socket, sys
def reached(place):
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        return True
    except OSError:
        return False
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps(dict(zip(sys.argv[1:], pool.map(reached, sys.argv[1:])))))
"""
_LOG_IN: Final = """
import asyncio, os, sys, asyncpg
own = os.environ[sys.argv[1]]
async def main():
    try:
        await asyncpg.connect(own.replace("/retake_" + sys.argv[2] + "?", "/retake_" + sys.argv[3] + "?"), timeout=10)
    except asyncpg.InsufficientPrivilegeError:
        print("refused")
    else:
        print("open")
asyncio.run(main())
"""


@dataclass(frozen=True)
class Tried:
    """How many ways were open, as they must, and how many closed."""

    open: int
    closed: int

    def __str__(self) -> str:
        return f"{self.open} ways open and {self.closed} closed, as they must be; databases are closed to other roles"


def enforce(cluster: Cluster) -> bool:
    """Starts the firewall; returns whether it has rules. Raises Failed, Missing."""
    need(*PROGRAMS)
    cluster.spawn(
        *("firewall", str(binaries.kube_router()), "--run-firewall=true", "--run-router=false"),
        *("--run-service-proxy=false", "--enable-cni=false", f"--kubeconfig={cluster.folder}/admin.conf"),
        *(f"--hostname-override={NODE}", f"--service-cluster-ip-range={SERVICES}", "--iptables-sync-period=30s"),
        *("--health-port=0", "--metrics-port=0"),
    )
    until(lambda: "KUBE-ROUTER" in cluster.inside("iptables-save"), 60, lambda: cluster.log("firewall"))
    return True


def hold(cluster: Cluster) -> Tried:
    """Tries all ways. Raises Failed with those that are open or closed and must not be."""
    for host in (METADATA, PUBLIC):
        cluster.run("ip", "address", "replace", f"{host}/32", "dev", "node0")
    cluster.spawn("listener", sys.executable, "-c", _LISTEN, f"{METADATA}:80", f"{PUBLIC}:443")
    _outsiders(cluster)
    wanted = _wanted(cluster)
    places = sorted({place for ways in wanted.values() for place in ways})
    wrong: list[str] = []
    for (namespace, pod), ways in wanted.items():
        argv = ("exec", f"--namespace={namespace}", pod, "--", "python", "-c", _TRY, *ways)
        found = json.loads(cluster.kubectl(*argv))
        wrong += [
            f"{namespace}/{pod} {'reaches' if found[place] else 'does not reach'} {place}"
            for place, must in ways.items()
            if found[place] is not must
        ]
    for place in places:
        if {must for ways in wanted.values() for where, must in ways.items() if where == place} != {True, False}:
            wrong.append(f"{place} is not tried both ways")
    wrong += _open_databases(cluster)
    if wrong:
        raise Failed("; ".join(wrong))
    every = [must for ways in wanted.values() for must in ways.values()]
    return Tried(every.count(True), every.count(False))


def _wanted(cluster: Cluster) -> dict[tuple[str, str], dict[str, bool]]:
    """For each pod, by namespace and name: the places, and whether it must reach them."""
    at = {str(pod["metadata"]["labels"]["app.kubernetes.io/component"]): pod for pod in system.pods(cluster)}
    address = {component: str(pod["status"]["podIP"]) for component, pod in at.items()}
    database, broker, objects = f"{address['postgres']}:5432", f"{address['kafka']}:9092", f"{address['s3']}:7070"
    gateway, generator = f"{address['gateway']}:8000", f"{address['generator']}:8000"
    compiler, operations = f"{address['compiler']}:8000", f"{address['gateway']}:9100"
    api, metadata, public = f"{ADDRESS}:{PORT}", f"{METADATA}:80", f"{PUBLIC}:443"
    data = dict.fromkeys((database, broker, objects), True)
    inner = dict.fromkeys((gateway, generator, compiler, operations, api, metadata), False)
    found: dict[tuple[str, str], dict[str, bool]] = {}
    for service in Service:
        own = f"{address[service]}:8000"
        ways = data | {place: must for place, must in inner.items() if place.partition(":")[0] != own.partition(":")[0]}
        found[system.NAMESPACE, str(at[service]["metadata"]["name"])] = ways | {public: service is not Service.REVIEW}
    nothing = dict.fromkeys((*data, *inner), False) | {api: True, metadata: True}
    found["edge", "outsider"] = nothing | {gateway: True, generator: True}
    found["monitoring", "outsider"] = nothing | dict.fromkeys((gateway, generator, compiler, operations), True)
    found["stranger", "outsider"] = nothing
    return found


def _outsiders(cluster: Cluster) -> None:
    """A pod in each other namespace, of an image that is there."""
    resources: list[dict[str, object]] = []
    for namespace, label in OUTSIDERS.items():
        labels = {label: "true"} if label else {}
        resources += [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}},
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "outsider", "namespace": namespace},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "automountServiceAccountToken": False,
                    "containers": [
                        {"name": "outsider", "image": images.reference(Service.REVIEW), "command": ["sleep", "3600"]}
                    ],
                },
            },
        ]
    cluster.kubectl("apply", "--server-side", "--filename=-", given=yaml.safe_dump_all(resources))
    for namespace in OUTSIDERS:
        cluster.kubectl("wait", "pod/outsider", f"--namespace={namespace}", "--for=condition=Ready", "--timeout=60s")


def _open_databases(cluster: Cluster) -> list[str]:
    """Each service's login is refused at the databases of the others, which the network lets through."""
    wrong: list[str] = []
    for service in Service:
        (pod,) = system.pods(cluster, service)
        for other in Service:
            argv = ("python", "-c", _LOG_IN, f"{service.upper()}_DATABASE_URL", service, other)
            said = system.execute(cluster, str(pod["metadata"]["name"]), *argv).strip()
            if said != ("open" if other is service else "refused"):
                wrong.append(f"{service}'s login at the database of {other}: {said}")
    return wrong
