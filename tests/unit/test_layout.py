"""Rules of the layout that import-linter cannot check by itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.topics import Service

ROOT = Path(__file__).resolve().parents[2]
FILES = {"__init__.py", "main.py", "config.py", "wiring.py", "consumers.py", "jobs.py", "metrics.py"}
REQUIRED = FILES | {"domain", "commands", "store", "migrations"}
ROOMS: dict[Service, set[str]] = {
    Service.GATEWAY: {"retention.py", "projections", "queries", "api", "stream"},
    Service.GENERATOR: {"retention.py", "recovery.py", "api", "providers", "media"},
    Service.REVIEW: {"recovery.py"},
    Service.COMPILER: {"retention.py", "recovery.py", "planning", "rendering"},
}


def contracts() -> dict[str, dict[str, Any]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {c["name"]: c for c in project["tool"]["importlinter"]["contracts"]}


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if not p.name.startswith(".") and p.name != "__pycache__"}


@pytest.mark.parametrize("service", Service)
def test_every_service_has_the_rooms_and_no_others(service: Service) -> None:
    found = names(ROOT / "services" / service) - {"py.typed"}
    assert found == REQUIRED | ROOMS[service]


def test_there_are_no_other_services() -> None:
    assert names(ROOT / "services") - {"__init__.py", "py.typed"} == {s.value for s in Service}


def test_the_contracts_law_names_every_mechanism() -> None:
    law = contracts()["Contracts import no mechanism"]
    mechanisms = {
        f"shared.{p.stem}"
        for p in (ROOT / "shared").iterdir()
        if (p.suffix == ".py" and p.stem != "__init__") or (p / "__init__.py").exists()
    }
    assert set(law["forbidden_modules"]) == mechanisms - {"shared.contracts"}


def test_the_laws_cover_every_provider() -> None:
    folders = {p.parent.name for p in (ROOT / "services/generator/providers").glob("*/provider.py")}
    law = contracts()["Providers never import each other"]
    assert set(law["modules"]) == {f"services.generator.providers.{name}" for name in folders}


def test_the_laws_cover_every_service() -> None:
    services = {f"services.{s}" for s in Service}
    assert set(contracts()["Services never import each other"]["modules"]) == services
    inside = next(c for name, c in contracts().items() if name.startswith("Inside a service"))
    assert set(inside["containers"]) == services


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.lock")), ids=lambda p: p.name)
def test_locks_name_no_address_and_every_package_has_its_hashes(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    pinned = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert pinned
    assert all(line.rstrip().endswith("\\") for line in pinned)
