"""compose.yaml and its `.env` without an engine: variables are made, settings exist, services are confined."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.compose.env import VARIABLES, complete
from docs.tools.settings_reference import settings_reference
from shared.contracts.topics import Service

ROOT: Final = Path(__file__).resolve().parents[3]
TEXT: Final = (ROOT / "compose.yaml").read_text()
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(TEXT)


def test_every_required_variable_is_made_and_every_made_one_is_required() -> None:
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == set(VARIABLES)


def test_the_file_is_private_and_what_it_has_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# ours\nS3_SECRET=kept\nGATEWAY_PUBLIC_URL=https://film.example")
    assert set(complete(path)) == set(VARIABLES) - {"S3_SECRET"}
    first = path.read_text()
    assert first.startswith("# ours\nS3_SECRET=kept\nGATEWAY_PUBLIC_URL=https://film.example\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert complete(path) == []
    assert path.read_text() == first
    values = dict(line.split("=", 1) for line in first.splitlines() if not line.startswith("#"))
    assert len(values["GATEWAY_JWT_SECRET"]) >= 32
    assert len(values["KAFKA_CLUSTER_ID"]) == 22
    assert len(set(values.values())) == len(values)


@pytest.mark.parametrize("service", Service)
def test_a_service_is_confined_and_its_variables_are_settings(service: Service) -> None:
    found = COMPOSE["services"][service]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert "health/ready" in found["healthcheck"]["test"][-1]
    prefix = f"{service.upper()}_"
    documented = set(re.findall(r"`((?:<SERVICE>|[A-Z]+)_[A-Z_0-9]+)`", settings_reference()))
    own = {n for n in found["environment"] if n.startswith(prefix)} - {f"{prefix}HOST"}
    assert {n for n in own if n not in documented and n.replace(prefix, "<SERVICE>_", 1) not in documented} == set()


def test_volumes_of_services_belong_to_their_user() -> None:
    wanted = {v.split(":")[1] for s in Service for v in COMPOSE["services"][s]["volumes"]}
    (made,) = re.findall(r"RUN mkdir (.*) && chown 10001:10001 (.*)", (ROOT / "Dockerfile").read_text())
    assert set(made[0].split()) == set(made[1].split()) == wanted


def test_names_in_compose_exist() -> None:
    services = COMPOSE["services"]
    volumes = {v.split(":")[0] for s in services.values() for v in s.get("volumes", [])}
    assert {v for v in volumes if not v.startswith(".")} == set(COMPOSE["volumes"])
    assert all((ROOT / v).exists() for v in volumes if v.startswith("."))
    assert {d for s in services.values() for d in s.get("depends_on", {})} <= set(services)


def test_the_databases_script_is_valid_shell() -> None:
    subprocess.run(["/bin/sh", "-n", str(ROOT / "deploy/compose/databases.sh")], check=True)


def test_prometheus_scrapes_every_service_where_its_metrics_are() -> None:
    folder = ROOT / "deploy/compose/observability"
    (job,) = yaml.safe_load((folder / "prometheus.yaml").read_text())["scrape_configs"]
    (group,) = job["static_configs"]
    operations = COMPOSE["services"]["gateway"]["environment"]["GATEWAY_OPERATIONS_PORT"]
    ports = {s.value: "8000" for s in Service} | {"gateway": operations}
    assert {tuple(target.split(":")) for target in group["targets"]} == set(ports.items())
    assert group["labels"]["namespace"], "the dashboards choose by it"
    (source,) = yaml.safe_load((folder / "grafana/sources.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"


def test_observability_is_not_started_unless_asked_for() -> None:
    assert {n for n, s in COMPOSE["services"].items() if "profiles" in s} == {"prometheus", "grafana"}
    assert {tuple(COMPOSE["services"][n]["profiles"]) for n in ("prometheus", "grafana")} == {("observability",)}
