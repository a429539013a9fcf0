"""Opening the web page: in the user's browser, or the address alone where there is none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from client.api import AsyncRetake
from client.browser import has_browser, open_page
from client.cli.studio import studio
from client.locate import GatewayAddress
from tests.support.waiting import eventually
from tests.unit.client.fake import URL, Gateway, ok

EPISODE = {"id": "01980000-0000-7000-8000-00000000000e", "project_id": "p1", "title": "Two lights", "segments": []}


def answer(request: httpx.Request) -> httpx.Response:
    match request.url.path.removeprefix("/api/v1").strip("/").split("/"):
        case ["projects"]:
            return ok({"data": [{"id": "p1", "name": "Harbour"}], "next_cursor": None})
        case ["projects", "p1", "episodes"]:
            return ok({"data": [EPISODE], "next_cursor": None})
        case ["episodes", _]:
            return ok(EPISODE)
        case _:
            return ok({})


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that writes down the address; the path of what it wrote."""
    seen, script = tmp_path / "seen", tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {seen}.part && mv {seen}.part {seen}\n')
    script.chmod(0o755)
    monkeypatch.setattr("webbrowser._tryorder", None)  # what is found once is kept
    monkeypatch.setenv("BROWSER", f"{script} %s")
    return seen


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    gateway = Gateway(then=answer)
    monkeypatch.setattr(AsyncRetake, "at", lambda _address: gateway.client())
    monkeypatch.setattr("client.cli.session.locate", lambda *_: GatewayAddress(URL))
    made = typer.Typer()
    made.command()(studio)
    return made


@pytest.mark.parametrize(
    ("arguments", "page"),
    [
        ([], "/"),
        (["--episode", "two"], f"/p/p1/e/{EPISODE['id']}"),
        (["Two lights"], f"/p/p1/e/{EPISODE['id']}"),
        (["--project", "harbour"], "/p/p1"),
    ],
)
def test_the_page_is_opened_at_the_episode(app: typer.Typer, browser: Path, arguments: list[str], page: str) -> None:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"url": URL + page, "opened": True})
    assert browser.read_text().strip() == URL + page


def test_without_a_browser_the_address_is_printed(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == URL + "/"
    assert "open the address above" in done.stdout


def test_where_a_browser_may_be_started() -> None:
    assert has_browser({}, "darwin")
    assert not has_browser({"PATH": os.environ["PATH"]}, "linux")
    assert all(has_browser({name: "x"}, "linux") for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


async def test_a_browser_that_does_not_return_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, script = tmp_path / "started", tmp_path / "slow"
    script.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 4\n")
    script.chmod(0o755)
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setattr("client.browser.LONGEST_S", 0.1)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    assert open_page(URL)
    await eventually(lambda: started.exists())
