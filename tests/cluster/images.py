"""The images of this checkout, built without an engine: buildah on a base of Debian packages.

    python -m tests.cluster.images    build all of them and look inside

The base stands for `python:3.12-slim-bookworm`, which no package registry has; it also holds what only this machine
knows (its authorities and pip's settings).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared.contracts.topics import Service
from tests.support.cache import cache_dir, exclusive
from tests.support.components import Missing

ROOT: Final = Path(__file__).resolve().parents[2]
THIRD: Final = Path(__file__).with_name("third")
BASE: Final = "localhost/retake-test/base"
NAMES: Final = "localhost/retake-test"
USER: Final = "10001:10001"
_PACKAGES: Final = "python3,python3-venv,ca-certificates"
_UNWANTED: Final = tuple(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale"))
_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_BUILD_S: Final = 1500.0


@dataclass(frozen=True)
class Image:
    """`archive` is in the OCI layout, for `ctr images import`; `unpacked` is what its files take on a disk (bytes)."""

    name: str
    archive: Path
    unpacked: int

    @property
    def packed(self) -> int:
        return self.archive.stat().st_size


def storage() -> Path:
    """Where buildah keeps images: outside of the machine's own."""
    found = cache_dir() / "cluster" / "images"
    found.mkdir(parents=True, exist_ok=True)
    return found


def archives() -> Path:
    found = cache_dir() / "cluster" / "archives"
    found.mkdir(parents=True, exist_ok=True)
    return found


def reference(name: str) -> str:
    """The name of an image of this module, as manifests give it."""
    return f"{NAMES}/{name}:test"


def services() -> Iterator[Image]:
    """The four images by the project's Dockerfile. Raises Missing without buildah or mmdebstrap, RuntimeError if a
    build fails."""
    _base("base", _PACKAGES)
    for service in Service:
        _buildah(
            *("bud", "--isolation", "chroot", "--layers", "--pull-never", "--quiet"),
            *("--build-arg", f"BASE={BASE}:latest", "--build-arg", f"SERVICE={service}"),
            *("--build-arg", f"REVISION={_revision()}", "--tag", reference(service), str(ROOT)),
        )
        yield _saved(service)


def pause_program(folder: Path) -> Path:
    """Compiles what holds the namespaces of a pod: a program that sleeps. Raises Missing without a C compiler."""
    if not shutil.which("gcc"):
        raise Missing("gcc is not installed")
    _run(["gcc", "-Os", "-static", "-o", str(folder / "pause"), str(THIRD / "pause.c")])
    return folder / "pause"


def configuration(name: str) -> dict[str, Any]:
    """What the image says of itself: user, environment, labels, command."""
    found: dict[str, Any] = json.loads(_buildah("inspect", "--type", "image", reference(name)))["OCIv1"]["config"]
    return found


@contextmanager
def unpacked(name: str) -> Iterator[Path]:
    """The image's root folder, for reading; gone at the end."""
    container = _buildah("from", "--pull-never", reference(name)).strip()
    try:
        yield Path(_buildah("mount", container).strip())
    finally:
        _buildah("umount", container)
        _buildah("rm", container)


def _base(name: str, packages: str) -> None:
    with exclusive(f"cluster-{name}"):
        if _exists(f"{NAMES}/{name}:latest"):
            return
        for program in ("buildah", "mmdebstrap"):
            if not shutil.which(program):
                raise Missing(f"{program} is not installed")
        with tempfile.TemporaryDirectory(dir=storage()) as folder:
            tar = Path(folder) / "base.tar"
            _run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", *_UNWANTED, *_suite(tar)])
            container = _buildah("from", "scratch").strip()
            _buildah("add", "--quiet", container, str(tar), "/")
            if _AUTHORITIES.exists():
                _buildah("copy", "--quiet", container, str(_AUTHORITIES), str(_AUTHORITIES))
            known = {name: value for name, value in os.environ.items() if name in {"PIP_INDEX_URL", "PIP_CERT"}}
            if "PIP_CERT" in known:
                known["PIP_CERT"] = str(_AUTHORITIES)
            _buildah("config", *(f"--env={name}={value}" for name, value in known.items()), container)
            _buildah("commit", "--quiet", container, f"{NAMES}/{name}:latest")
            _buildah("rm", container)


def _suite(tar: Path) -> tuple[str, ...]:
    """Debian's release and packages as this machine has them: its own lists of sources, the distribution's only."""
    codename = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line).get(
        "VERSION_CODENAME", "bookworm"
    )
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    named = [str(sources)] if sources.exists() else ["/etc/apt/sources.list"]
    return (codename, str(tar), *named)


def _saved(name: str) -> Image:
    archive = archives() / f"{name}.tar"
    archive.unlink(missing_ok=True)
    _buildah("push", "--quiet", reference(name), f"oci-archive:{archive}:{reference(name)}")
    with unpacked(name) as root:
        used = _run(["du", "--summarize", "--block-size=1", str(root)])
    return Image(name, archive, int(used.split()[0]))


def _revision() -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _exists(name: str) -> bool:
    return subprocess.run([*_command(), "inspect", "--type", "image", name], capture_output=True).returncode == 0


def _command() -> list[str]:
    where = storage()
    return ["buildah", "--root", str(where / "root"), "--runroot", str(where / "run"), "--storage-driver", "overlay"]


def _buildah(*arguments: str) -> str:
    if not shutil.which("buildah"):
        raise Missing("buildah is not installed")
    return _run([*_command(), *arguments])


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_BUILD_S, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-8:]
        raise RuntimeError(f"{argv[0]} failed:\n" + "\n".join(last))
    return done.stdout
