"""The guides, run as they stand: every block of them, in order, against the running system."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.system import ROOT, System

GUIDE = ROOT / "docs" / "guide"


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of a guide whose info string is exactly this."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (GUIDE / name).read_text(), re.DOTALL | re.MULTILINE)


def environ(system: System) -> dict[str, str]:
    return {**os.environ, "GATEWAY": system.gateway, "TOKEN": system.token}


def run(command: list[str], script: str, system: System, folder: Path) -> str:
    done = subprocess.run(command, input=script, env=environ(system), cwd=folder, capture_output=True, text=True,
                          timeout=280, check=False)  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def story(system: System, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The story with curl: the folder that it ran in, and the lines that it printed."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    folder = tmp_path_factory.mktemp("story")
    script = "set -euo pipefail\n" + "\n".join(blocks("frontend.md", "bash"))
    return folder, run(["bash", "-s"], script, system, folder).splitlines()


def test_the_story_with_curl(story: tuple[Path, list[str]]) -> None:
    folder, told = story
    many = ["2", "/problems/invalid-state"]
    note = ["From 0.5 s to 0.8 s, in the bottom left of the picture: Too dark", "True"]
    *before, seconds, film = told
    assert before == ["waiting_review", "preview_ready", "accepted", "accepted", "complete", *many, *note]
    assert seconds == "None" or float(seconds) >= 0, "of a compilation like those before it, if there were any"
    assert film == "completed"
    assert (folder / "first.bin").stat().st_size == 1024
    assert b"ftyp" in (folder / "film.mp4").read_bytes()[:16]
    heard = re.findall(r"^event: (\S+)$", (folder / "events.txt").read_text(), re.MULTILINE)
    assert {"preview-ready", "rejected", "accepted", "complete", "film-updated"} <= set(heard)


def test_the_story_in_javascript(system: System, tmp_path: Path) -> None:
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed")
    [script] = blocks("frontend.md", "js")
    (tmp_path / "story.mjs").write_text(script)
    assert run([node, "story.mjs"], "", system, tmp_path).startswith("film 1 http")


def test_the_story_with_event_source(system: System) -> None:
    """In a browser, on the gateway's own origin: the stream of a ticket delivers, and delivers again after it broke."""
    browser_path = shutil.which("chromium")
    if not browser_path:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    [story], [source] = blocks("frontend.md", "js"), blocks("frontend.md", "js eventsource")
    helpers = story.partition("// Yields")[0]
    page_script = f"""async () => {{
      {helpers}
      const project = await call("POST", "/projects", {{ name: "EventSource" }});
      const episode = await call("POST", `/projects/${{project.id}}/episodes`, {{ title: "T", segments: [] }});
      const seen = [];
      const apply = (name, data) => seen.push([name, data.resource ?? data.status ?? ""]);
      {source}
      const until = async (count) => {{ while (seen.length < count) await new Promise((d) => setTimeout(d, 50)); }};
      const wrong = call("PATCH", `/projects/${{project.id}}/settings`, {{ style: "noir" }});
      await wrong.catch((e) => seen.push(["no", e.type]));
      await call("POST", `/episodes/${{episode.id}}/segments`, {{}});
      await until(2);
      await open();
      await call("POST", `/episodes/${{episode.id}}/segments`, {{}});
      await until(3);
      return seen;
    }}"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{system.gateway}/docs")
        seen = page.evaluate(page_script)
        browser.close()
    assert seen[0] == ["no", "/problems/precondition-required"]
    assert [name for name, _ in seen[1:3]] == ["changed", "changed"]


@pytest.mark.usefixtures("story")
def test_another_service_consumes_complete(system: System) -> None:
    """The example of the guide for services, from the first record on."""
    example = str(ROOT / "docs" / "examples" / "consume_complete.py")
    done = subprocess.run(
        [sys.executable, example, system.kafka, "--count", "2"], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 2
    for line in lines:
        found = system.api.get(f"/assets/{line['asset_id']}")
        assert found["project_id"] == line["project_id"]
