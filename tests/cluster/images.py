"""The images of this checkout, built without an engine: buildah on a base of Debian packages.

    python -m tests.cluster.images    build all of them and look inside

The base stands for `python:3.12-slim-bookworm`, which no package registry has; it also holds what only this machine
knows (its authorities and pip's settings). Third parties' images are replaced by ones of the same interface: Debian's
PostgreSQL, Kafka's jars from Maven, versitygw built by Go.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from deploy.local.parts.kafka.install import jars
from shared.contracts.topics import Service
from tests.cluster import binaries
from tests.support.cache import cache_dir, exclusive
from tests.support.components import Missing

ROOT: Final = Path(__file__).resolve().parents[2]
THIRD: Final = Path(__file__).with_name("third")
BASE: Final = "localhost/retake-test/base"
NAMES: Final = "localhost/retake-test"
USER: Final = "10001:10001"
_PACKAGES: Final = "python3,python3-venv,ca-certificates"
_POSTGRES: Final = "postgresql-15,postgresql-client-15"
_JAVA: Final = "openjdk-17-jre-headless"
# The folders of man stay: Java's package ends without them.
_UNWANTED: Final = tuple(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "locale"))
_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_BUILD_S: Final = 1500.0


def storage() -> Path:
    """Where buildah keeps images: outside of the machine's own."""
    found = cache_dir() / "cluster" / "images"
    found.mkdir(parents=True, exist_ok=True)
    return found


def reference(name: str) -> str:
    """The name of an image of this module, as manifests give it."""
    return f"{NAMES}/{name}:test"


def services() -> Iterator[str]:
    """The four images by the project's Dockerfile. Raises Missing without buildah or mmdebstrap, RuntimeError if a
    build fails."""
    _base("base", _PACKAGES)
    for service in Service:
        _buildah(
            *("bud", "--isolation", "chroot", "--layers", "--pull-never", "--quiet"),
            *("--build-arg", f"BASE={BASE}:latest", "--build-arg", f"SERVICE={service}"),
            *("--build-arg", f"REVISION={_revision()}", "--tag", reference(service), str(ROOT)),
        )
        yield str(service)


def third_parties() -> Iterator[str]:
    """PostgreSQL, Kafka and the S3 server, each with the programs and paths that the overlay calls. Raises Missing."""
    _base("base-postgres", _POSTGRES)
    _base("base-java", _JAVA)
    _base("base-bare", "ca-certificates")
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(THIRD, context, dirs_exist_ok=True)
        shutil.copytree(jars(), context / "libs")
        shutil.copy(binaries.versitygw(), context / "versitygw")
        for name in ("postgres", "kafka", "versitygw"):
            _buildah(
                *("bud", "--isolation", "chroot", "--layers", "--pull-never", "--quiet"),
                *("--file", str(context / f"{name}.Dockerfile"), "--tag", reference(name), str(context)),
            )
            yield name


def everything(folder: Path) -> list[str]:
    """All that the node runs; `folder` keeps the program `pause`. Raises as `services` does."""
    return [pause(folder), *third_parties(), *services()]


def exported(images: list[str]) -> Path:
    """An OCI layout that has them under their references. It is kept: only what has changed is written again."""
    layout = cache_dir() / "cluster" / "layout"
    there = {name: manifest["config"]["digest"] for name, manifest in _manifests(layout)}
    for name in map(reference, images):
        identity = json.loads(_buildah("inspect", "--type", "image", name))["FromImageID"]
        if there.get(name) != f"sha256:{identity}":
            _buildah("push", "--quiet", name, f"oci:{layout}:{name}")
    _forget_unused(layout)
    return layout


def pause_program(folder: Path) -> Path:
    """Compiles what holds the namespaces of a pod: a program that sleeps. Raises Missing without a C compiler."""
    if not shutil.which("gcc"):
        raise Missing("gcc is not installed")
    _run(["gcc", "-Os", "-static", "-o", str(folder / "pause"), str(THIRD / "pause.c")])
    return folder / "pause"


def pause(folder: Path) -> str:
    """That program as an image. Raises Missing."""
    pause_program(folder)
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n')
    _buildah("bud", "--isolation", "chroot", "--quiet", "--tag", reference("pause"), str(folder))
    return "pause"


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


def _manifests(layout: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Reference and manifest of each image in it; the manifest has its own digest, too."""
    if (index := layout / "index.json").exists():
        for entry in _named(json.loads(index.read_text())):
            manifest = json.loads(_blob(layout, entry["digest"]).read_text())
            yield entry["annotations"]["org.opencontainers.image.ref.name"], manifest | {"digest": entry["digest"]}


def _named(index: dict[str, Any]) -> list[dict[str, Any]]:
    """Its entries but those that lost their name to a later image."""
    return [entry for entry in index["manifests"] if "annotations" in entry]


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _forget_unused(layout: Path) -> None:
    """Images that another one has replaced, and layers that only they had."""
    path = layout / "index.json"
    index = json.loads(path.read_text())
    path.write_text(json.dumps(index | {"manifests": _named(index)}))
    used = {
        _blob(layout, part["digest"])
        for _, manifest in _manifests(layout)
        for part in (manifest, manifest["config"], *manifest["layers"])
    }
    for blob in (layout / "blobs" / "sha256").iterdir():
        if blob not in used:
            blob.unlink()


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
