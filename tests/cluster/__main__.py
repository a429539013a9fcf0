"""`python -m tests.cluster`: the manifests and the images, put to the programs that run such things.

Ends with a table; exit code 1 if a step failed. Where programs are missing on this machine, the step says which.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from shared.contracts.topics import Service
from tests.cluster import (
    binaries,
    control_plane,
    film,
    images,
    inspection,
    node,
    overlays,
    policies,
    system,
)
from tests.cluster.namespaces import Cluster, namespaces
from tests.cluster.table import Table


def put_overlays(table: Table, folder: Path) -> None:
    """Every overlay to a real API server with the operators' definitions, and one pod that it must refuse."""
    with ExitStack() as stack:

        def start() -> Cluster:
            cluster = stack.enter_context(namespaces(images.pause_program(folder)))
            control_plane.start_api_server(cluster)
            return cluster

        cluster = table.step("API server", start, lambda _: f"Kubernetes {binaries.KUBERNETES} is ready")
        if cluster is None:
            return
        if table.step("definitions of the operators", partial(overlays.define, cluster), "{} kinds".format) is None:
            return
        for overlay in overlays.OVERLAYS:
            table.step(
                f"overlay {overlay.name}",
                partial(overlays.accepted, cluster, overlay),
                lambda counts: f"{counts[0]} resources, {counts[1]} pods accepted (strict, restricted)",
            )
        table.step(
            "a pod that may gain privileges",
            partial(overlays.refused, cluster, overlays.OVERLAYS[0]),
            lambda reason: f"refused: {reason}",
        )


def build_images(table: Table, folder: Path) -> None:
    """The four images by the project's Dockerfile, looked into, and each run locked down."""
    built = table.step(
        "images by the Dockerfile",
        lambda: list(images.services()),
        lambda made: f"{len(made)} built",
    )
    if built is None:
        return
    for service in Service:
        table.step(
            f"inside of {service}",
            partial(inspection.look, service),
            lambda parts: "its own code only; bill: " + ", ".join(f"{n} {kind}" for kind, n in sorted(parts.items())),
        )
    table.step(
        "each image, read-only, no capabilities",
        lambda: asyncio.run(inspection.lives(folder)),
        lambda after: "/health/live: " + ", ".join(f"{service} {seconds:.1f} s" for service, seconds in after.items()),
    )


def run_system(table: Table, folder: Path) -> None:
    """A node with the whole system on it, as the overlay `single-node` and the documentation have it: a film, and
    the network policies."""
    with ExitStack() as stack:

        def start() -> Cluster:
            cluster = stack.enter_context(namespaces(folder / "pause"))
            control_plane.start_api_server(cluster)
            node.start_node(cluster)
            return cluster

        built = table.step("images", partial(images.everything, folder), lambda made: f"{len(made)} built")
        if built is None:
            return
        cluster = table.step("a node", start, lambda _: "ready: containerd, kubelet, kube-proxy, CoreDNS")
        if cluster is None:
            return
        imported = table.step("images on the node", partial(system.import_images, cluster, built), "{} imported".format)
        if imported is None:
            return
        table.step("a pod", partial(node.runs_a_pod, cluster), lambda address: f"runs, as {address}, known by DNS")
        firewall = table.step("firewall", partial(policies.enforce, cluster), lambda _: "enforces network policies")
        if table.step("overlay single-node", partial(system.apply, cluster), "{} pods ready".format) is None:
            return

        def first_film() -> film.Film:
            with system.forwarded(cluster, *system.FORWARDS) as url:
                return film.make(cluster, url, system.token(cluster), folder / "film")

        table.step("a film", first_film, str)
        if firewall is not None:
            table.step("network policies", partial(policies.hold, cluster), str)


PARTS: Final = {"overlays": put_overlays, "images": build_images, "node": run_system}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)}; without: all of them")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if sys.platform != "linux" or os.geteuid() != 0:
        print("The cluster is made of Linux namespaces: run this as root on Linux.", file=sys.stderr)
        return 2
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is removed
    table = Table()
    for name, part in PARTS.items():
        if name in (given.parts or PARTS):
            with tempfile.TemporaryDirectory(prefix="retake-cluster-work.") as made:
                folder = Path(made)
                folder.chmod(0o755)  # PostgreSQL and the services are other users
                part(table, folder)
    print(f"\n{table}")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
