"""The output and exit codes of the commands without a running system."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from deploy.local import cli
from deploy.local.commands import up
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.options import Broker, Options
from deploy.local.supervisor.preflight import prepare
from deploy.local.supervisor.process_id import ProcessId
from deploy.local.supervisor.report import JsonObject, Lines
from deploy.local.supervisor.state import PartStatus, State, Summary, SystemState, lock
from shared.core import isolation

SUMMARY = Summary("http://127.0.0.1:8080", "a.b.c", "127.0.0.1:9", "/data", "/data/token", 3.21)


def retake(*argv: object) -> Result:
    app = typer.Typer()
    for command in (cli.up, cli.down, cli.status, cli.logs, cli.reset):
        app.command(command.__name__)(command)
    return CliRunner().invoke(app, [str(a) for a in argv])


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    where = DataDir.of(tmp_path / "data")
    prepare(where)
    return where


def test_nothing_runs(tmp_path: Path) -> None:
    where = tmp_path / "data"
    assert retake("down", "--data", where).output == f"Retake is not running on {where}.\n"
    shown = retake("status", "--data", where)
    assert shown.output == f"Retake is not running on {where}.\n"
    assert shown.exit_code == 1
    found = retake("status", "--json", "--data", where)
    assert json.loads(found.output) == {
        "running": False, "ready": False, "gateway": None, "kafka": None, "data": str(where), "supervisor": None,
        "parts": {}, "isolation": isolation.in_force(),
    }  # fmt: skip
    assert retake("reset", "--data", where).output == f"{where} does not exist.\n"
    assert not where.exists()


def test_the_data_directory_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / ".retake") in retake("down").output
    monkeypatch.setenv("RETAKE_DATA", str(tmp_path / "else"))
    assert str(tmp_path / "else") in retake("down").output


def test_status_tells_each_part_as_it_is(data: DataDir) -> None:
    me = ProcessId.of(1)
    assert me
    parts = (
        PartStatus("postgres", State.READY, me, "127.0.0.1:5432"),
        PartStatus("broker", State.READY, ProcessId(1, "of another boot"), "127.0.0.1:9092"),
        PartStatus("gateway", State.READY, me, "http://127.0.0.1:1"),
        PartStatus("review", State.BACKING_OFF, detail="ended with exit code 1; restarting in 2 s"),
    )
    SystemState(me, "http://127.0.0.1:1", "127.0.0.1:9092", str(data.root), parts).write(data.state)
    with lock(data):
        found = json.loads(retake("status", "--json", "--data", data.root).output)
        shown = retake("status", "--data", data.root)
    assert (found["running"], found["ready"], found["supervisor"]) == (True, False, 1)
    assert {n: (p["state"], p["pid"]) for n, p in found["parts"].items()} == {
        "postgres": ("ready", 1),
        "broker": ("stopped", None),
        "gateway": ("not ready", 1),
        "review": ("backing off", None),
    }
    assert shown.exit_code == 1
    assert "restarting in 2 s" in shown.output
    assert "was killed" in retake("status", "--data", data.root).output


def test_status_asks_the_gateway_where_its_readiness_is(data: DataDir) -> None:
    me = ProcessId.of(1)
    assert me
    asked: list[bytes] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path.encode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server, lock(data):
        threading.Thread(target=server.handle_request, daemon=True).start()
        operations = f"http://127.0.0.1:{server.server_port}"
        parts = (PartStatus("gateway", State.READY, me, "http://127.0.0.1:1"),)
        SystemState(me, "http://127.0.0.1:1", None, str(data.root), parts, operations).write(data.state)
        found = json.loads(retake("status", "--json", "--data", data.root).output)
    assert (found["ready"], asked) == (True, [b"/health/ready"])


def test_logs(data: DataDir) -> None:
    data.log("review").write_text("".join(f"{i}\n" for i in range(500)))
    assert retake("logs", "review", "--data", data.root).output.split() == [str(i) for i in range(400, 500)]
    assert retake("logs", "review", "-n", "2", "--data", data.root).output == "498\n499\n"
    missing = retake("logs", "reviews", "--data", data.root)
    assert missing.exit_code == 2
    assert "Choose one of: review." in missing.output


def test_reset_asks_first(data: DataDir) -> None:
    assert retake("reset", "--data", data.root).exit_code == 1
    assert data.root.exists()
    assert retake("reset", "--yes", "--data", data.root).exit_code == 0
    assert not data.root.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--broker", "rabbit"], "Choose embedded or apache."),
        (["--port", "70000"], "less than or equal to 65535"),
        (["--objects", "ftp://x"], "Use file:///folder, s3://bucket/prefix or gs://bucket/prefix."),
    ],
)
def test_wrong_options_are_named(data: DataDir, arguments: list[str], words: str) -> None:
    refused = retake("up", "--data", data.root, *arguments)
    assert refused.exit_code == 2
    assert words in " ".join(refused.output.split())


def test_options_are_passed_on_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Options, bool, bool]] = []
    monkeypatch.setattr(up, "in_background", lambda *given, open_browser: seen.append((*given, open_browser)))
    retake("up", "--data", "d", "--port", 9000, "--detach", "--json", "--open", "--broker", "apache", "--kafka", "k:1",
           "--database", "postgresql://x", "--objects", "s3://b/p", "--provider", "animatic")  # fmt: skip
    assert seen == [(Options("d", 9000, Broker.APACHE, "k:1", "postgresql://x", "s3://b/p", "animatic"), True, True)]


def test_json_is_one_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = JsonObject()
    reporter.part(PartStatus("broker", State.READY, address="127.0.0.1:9", ready_s=0.12))
    reporter.ready(SUMMARY)
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "gateway": "http://127.0.0.1:8080", "token": "a.b.c", "kafka": "127.0.0.1:9", "data": "/data",
    }  # fmt: skip
    assert err.split() == ["broker", "ready", "0.1", "s", "127.0.0.1:9"]


def test_lines_for_a_person_end_with_the_address_and_the_token_file() -> None:
    said: list[str] = []
    Lines(said.append).ready(SUMMARY)
    assert said == ["Retake is ready after 3.2 s", "gateway    http://127.0.0.1:8080", "token      /data/token"]


def test_the_page_is_opened_when_the_system_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    opened: list[str] = []
    said: list[str] = []

    def opens(url: str) -> bool:
        opened.append(url)
        return True

    Lines(said.append, opens).ready(SUMMARY)
    assert (opened, len(said)) == (["http://127.0.0.1:8080"], 3)
    JsonObject(lambda _url: False).ready(SUMMARY)
    out, err = capsys.readouterr()
    assert json.loads(out)["gateway"] == "http://127.0.0.1:8080"
    assert err == "No browser could be started here; open http://127.0.0.1:8080 in one.\n"
