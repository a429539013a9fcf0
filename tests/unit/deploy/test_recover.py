"""`retake recover` and `python -m shared.recover`: whom they refuse, and what they say then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deploy.local.cli import recover
from deploy.local.supervisor.data_dir import DataDir
from shared import recover as shared_recover
from shared.contracts.topics import Service

T = "2026-11-29T10:00:00Z"


def told(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(recover)
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "300"})
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir.of(tmp_path)
    found.run.mkdir(parents=True)
    for service in Service:
        found.environment(service).write_text(json.dumps({f"{service.upper()}_KAFKA_EMBEDDED": "true"}))
    return found


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--since", "yesterday"], "'yesterday' is no moment like"),
        (["--since", "2026-11-29T10:00:00"], "has no offset: add Z"),
        (["--since", (datetime.now(UTC) + timedelta(hours=1)).isoformat()], "is in the future"),
        (["--since", T, "--service", "gateway"], "Recover that database from the archive to its last moment"),
        (["--since", T, "--service", "relay"], "'relay' is none of generator, review, compiler"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(data: DataDir, arguments: list[str], why: str) -> None:
    code, output = told(*arguments, "--data", str(data.root))
    assert (code, why in output) == (2, True), output


def test_a_system_that_keeps_no_topics_has_nothing_to_recover_from(data: DataDir) -> None:
    code, output = told("--since", T, "--data", str(data.root))
    assert code == 2
    assert "keeps its topics in memory" in output
    assert "Restore the whole data directory" in output


def test_a_directory_without_a_system_is_told(tmp_path: Path) -> None:
    code, output = told("--since", T, "--service", "review", "--data", str(tmp_path / "none"))
    assert (code, "No system has run on" in output) == (2, True)


def test_a_fault_of_a_service_is_told(data: DataDir) -> None:
    data.environment("review").write_text(json.dumps({"REVIEW_KAFKA_EMBEDDED": "false"}))
    code, output = told("--since", T, "--service", "review", "--data", str(data.root))
    assert (code, "review:" in output) == (2, True), output


def test_the_gateway_is_never_brought_forward(capsys: pytest.CaptureFixture[str]) -> None:
    assert shared_recover.main(["gateway", "--since", T]) == 2
    assert "cannot be brought forward" in capsys.readouterr().err


def test_a_service_recovers_by_its_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def execute(_: str, command: list[str]) -> None:
        started.append(command[1:])
        raise SystemExit(0)

    monkeypatch.setattr(shared_recover.os, "execv", execute)
    with pytest.raises(SystemExit):
        shared_recover.main(["compiler", "--since", T])
    assert started == [["-m", "services.compiler.main", "recover", "--since", "2026-11-29T10:00:00+00:00"]]
