"""`python -m tests.cluster`: the manifests and the images, put to the programs that run such things.

Ends with a table; exit code 1 if a step failed. Where programs are missing on this machine, the step says which.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from shared.contracts.topics import Service
from tests.cluster import binaries, images, inspection, node, overlays
from tests.support.components import Missing

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    step: str
    result: str
    seconds: float


@dataclass
class Table:
    """What was tried, in order. `failed`: at least one step did not do what it should."""

    rows: list[Row] = field(default_factory=list)
    failed: bool = False

    def step(self, name: str, act: Callable[[], T], say: Callable[[T], str]) -> T | None:
        """Does one step and tells how it went; None if it failed or its programs are missing."""
        began = time.monotonic()
        done: T | None = None
        try:
            done = act()
            result = say(done)
        except Missing as e:
            result = f"skipped: {e}"
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as e:
            self.failed = True
            result = f"FAILED: {str(e).strip() or type(e).__name__}"
        self.rows.append(Row(name, result, time.monotonic() - began))
        print(f"[{time.strftime('%H:%M:%S')}] {name}: {result} ({self.rows[-1].seconds:.1f} s)", flush=True)
        return done

    def __str__(self) -> str:
        rows = [("step", "result", "seconds")]
        rows += [(row.step, row.result.splitlines()[0], f"{row.seconds:.1f}") for row in self.rows]
        step, result, seconds = (max(map(len, column)) for column in zip(*rows, strict=True))
        return "\n".join(f"{a:<{step}}  {b:<{result}}  {c:>{seconds}}" for a, b, c in rows)


def put_overlays(table: Table, folder: Path) -> None:
    """Every overlay to a real API server with the operators' definitions, and one pod that it must refuse."""
    with ExitStack() as stack:

        def start() -> node.Cluster:
            cluster = stack.enter_context(node.namespaces(images.pause_program(folder)))
            node.start_api_server(cluster)
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
        lambda made: f"{len(made)} built, at most {max(image.packed for image in made) / 1e6:.0f} MB packed",
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


PARTS: Final = {"overlays": put_overlays, "images": build_images}


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
    table = Table()
    for name, part in PARTS.items():
        if name in (given.parts or PARTS):
            with tempfile.TemporaryDirectory(prefix="retake-cluster.") as made:
                folder = Path(made)
                folder.chmod(0o755)  # PostgreSQL and the services are other users
                part(table, folder)
    print(f"\n{table}")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
