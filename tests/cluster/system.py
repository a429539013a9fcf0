"""The whole system on the node: the overlay `single-node`, unchanged, as docs/operations/kubernetes.md has it."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import yaml

from shared.contracts.topics import Service
from tests.cluster import images, node, overlays
from tests.cluster.control_plane import NODE
from tests.cluster.images import ROOT
from tests.cluster.namespaces import Cluster, Failed, run, until

NAMESPACE: Final = "retake"
OVERLAY: Final = ROOT / "deploy" / "k8s" / "overlays" / "single-node"
SETS: Final = ("postgres", "kafka", "s3")
VOLUMES: Final = ("20Gi", "20Gi", "100Gi", "16Mi")
"""What the overlay claims: PostgreSQL, Kafka, the object store, the development certificate."""
FORWARDS: Final = {"gateway": (8000, 80), "s3": (7070, 7070)}
"""Ports on the loopback and of the Service: the addresses that the overlay gives to clients."""
READY_S: Final = 600
_LOG_LINES: Final = 8
_CONNECT: Final = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1)"


def import_images(cluster: Cluster, built: list[str]) -> int:
    """Gives each image the name by which the overlay asks for it; returns how many there are. Raises Failed if the
    overlay asks for one that is not there."""
    wanted = _wanted()
    if missing := set(wanted) - set(built):
        raise Failed(f"the overlay runs images that were not built: {', '.join(sorted(missing))}")
    names = {images.reference(name): others for name, others in wanted.items()}
    node.import_images(cluster, images.exported(built), names)
    return len(built)


def apply(cluster: Cluster) -> int:
    """Namespace, secrets, overlay, as the documentation has it; returns when everything is ready, with the number of
    pods. Raises Failed with what the pods that are not ready say."""
    _provide_storage(cluster)
    cluster.kubectl("create", "namespace", NAMESPACE)
    secrets = run([sys.executable, "-m", "deploy.k8s.secrets"])
    cluster.kubectl("create", "--filename=-", given=secrets)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", f"--kustomize={OVERLAY}")
    return ready(cluster)


def ready(cluster: Cluster) -> int:
    """Waits until every workload has rolled out; returns the number of pods. Raises Failed with what hinders them."""
    workloads = [*(f"statefulset/{name}" for name in SETS), *(f"deployment/{service}" for service in Service)]
    try:
        for workload in workloads:
            cluster.kubectl("rollout", "status", workload, f"--namespace={NAMESPACE}", f"--timeout={READY_S}s")
    except Failed as e:
        raise Failed(f"{e}\n{_hindered(cluster)}") from e
    return len(pods(cluster))


def pods(cluster: Cluster, component: str = "") -> list[dict[str, Any]]:
    """Those that are not being ended, of one component or all."""
    label = [f"--selector=app.kubernetes.io/component={component}"] if component else []
    found = cluster.get("pods", f"--namespace={NAMESPACE}", *label)["items"]
    return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]


def is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def execute(cluster: Cluster, pod: str, *argv: str, timeout_s: float = 60.0) -> str:
    """In the pod's first container. Raises Failed."""
    return cluster.kubectl("exec", f"--namespace={NAMESPACE}", pod, "--", *argv, timeout_s=timeout_s)


def token(cluster: Cluster) -> str:
    """The owner's, as the documentation makes it."""
    data = cluster.get("secret/gateway", f"--namespace={NAMESPACE}")["data"]
    secret = base64.b64decode(data["GATEWAY_JWT_SECRET"]).decode()
    return run([sys.executable, "-m", "deploy.k8s.owner_token"], given=secret).strip()


@contextmanager
def forwarded(cluster: Cluster, *services: str) -> Iterator[str]:
    """These services on the loopback of the cluster, as the documentation forwards them; gives the URL that the gateway
    then has. Raises Failed if they do not answer there."""
    log = cluster.folder / "log" / "forward.log"
    with log.open("ab") as out:
        running = [
            subprocess.Popen(
                cluster.kubectl_argv(
                    "port-forward", f"--namespace={NAMESPACE}", f"service/{name}", ":".join(map(str, FORWARDS[name]))
                ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            for name in services
        ]
    try:
        for name in services:
            listens = (sys.executable, "-c", _CONNECT, str(FORWARDS[name][0]))
            until(partial(_says_nothing, cluster, *listens), 30, log.read_text)
        yield f"http://localhost:{FORWARDS['gateway'][0]}"
    finally:
        for process in running:
            process.kill()
            process.wait()


def _says_nothing(cluster: Cluster, *argv: str) -> bool:
    return not cluster.run(*argv)


def _wanted() -> dict[str, list[str]]:
    """Names that the overlay gives to each image of this machine, as containerd writes them."""
    found: dict[str, list[str]] = {}
    for pod in (r["spec"]["template"]["spec"] for r in overlays.rendered(OVERLAY) if "template" in r.get("spec", {})):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            name = container["image"]
            own = name.rpartition("/")[2].partition(":")[0].removeprefix("retake-")
            whole = f"docker.io/{name}" if "/" in name else f"docker.io/library/{name}"
            if whole not in found.setdefault(own, []):
                found[own].append(whole)
    return found


def _provide_storage(cluster: Cluster) -> None:
    """A default storage class with a folder of the node for each claim, as a provisioner would have made."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    resources: list[dict[str, Any]] = [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "local", "annotations": default},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    ]
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
    for number, size in enumerate(VOLUMES):
        folder = cluster.folder / "volumes" / str(number)
        folder.mkdir(parents=True)
        resources.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"volume-{number}"},
                "spec": {
                    "capacity": {"storage": size},
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "local",
                    "local": {"path": str(folder)},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
                },
            }
        )
    cluster.kubectl("apply", "--server-side", "--filename=-", given=yaml.safe_dump_all(resources))


def _hindered(cluster: Cluster) -> str:
    said: list[str] = []
    for pod in pods(cluster):
        if is_ready(pod):
            continue
        name = pod["metadata"]["name"]
        of_it = f"--namespace={NAMESPACE}"
        said.append(f"{name}:")
        said += cluster.kubectl("describe", "pod", name, of_it).splitlines()[-_LOG_LINES:]
        try:
            said.append(cluster.kubectl("logs", name, of_it, "--all-containers", f"--tail={_LOG_LINES}"))
        except Failed as e:
            said.append(str(e))
    return "\n".join(said)
