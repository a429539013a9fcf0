"""The demo as `make demo` runs it: it ends with a verified film or an error, and leaves nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from client.cli.exit_codes import UsageError, WorkFailed
from client.cli.session import Session
from client.models import Compilation, Episode, Run
from deploy.local.demo import command, photographs
from deploy.local.demo.checks import Check, CheckResult
from deploy.local.demo.decode import Facts
from deploy.local.demo.story import Objection, Story
from deploy.local.demo.timeline import timeline
from tests.support.http_client import photograph
from tests.support.system import ROOT

DEMO = [sys.executable, "-m", "client", "demo"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "two photographs"
    folder.mkdir()
    for i in (1, 2):
        (folder / f"{i}.jpg").write_bytes(photograph(hue=90 * i))
    (folder / "notes.txt").write_text("Not a photograph.")
    return folder


def environ() -> dict[str, str]:
    """The environment of a user without any variables of Retake."""
    return {k: v for k, v in os.environ.items() if not k.startswith("RETAKE_")} | {"PYTHONPATH": str(ROOT)}


def runs_on(data: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "client", "status", "--json", "--data", str(data)],
        cwd=ROOT, env=environ(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return bool(json.loads(done.stdout)["running"])


def test_a_film_of_two_photographs(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [*DEMO, "--photos", str(photos), "--out", str(out), "--size", "320x180"], cwd=tmp_path, env=environ(),
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.endswith(f"\nfilm: {out / 'film.mp4'}\n")
    assert "\x1b" not in done.stdout
    assert "Suggested change" in done.stdout
    assert "notes.txt is no picture" in " ".join(done.stderr.split()), "what is left out is named"
    report = json.loads((out / "report.json").read_text())
    assert (report["frames"], report["duration"], report["resolution"]) == (228, 9.5, "320x180")
    assert all(c["ok"] for c in report["checks"])
    assert "Content Credentials" in [c["name"] for c in report["checks"]], "the film that people keep is the signed one"
    before, after = report["rejection"]["directions"]
    assert after.startswith(before)
    assert report["rejection"]["last_picture_differs_percent"] >= command.VISIBLE
    with Image.open(out / "contact-sheet.png") as sheet:
        assert sheet.width > 1400
    assert not runs_on(out / "data")


def test_ctrl_c_leaves_nothing_running(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*DEMO, "--photos", str(photos), "--out", str(out)], cwd=tmp_path, env=environ(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout
    output = ""
    while "Retake is running at" not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output + rest
    assert "film:" not in rest
    assert not runs_on(out / "data")
    assert not (out / "film.mp4").exists()


def test_of_a_size_that_is_not_asked_for_the_film_is_as_its_script_says(photos: Path) -> None:
    document, pictures, *_ = command._plan(photos)
    plan = timeline(document)
    assert (plan.width, plan.height, plan.frames, len(pictures)) == (1920, 1080, 228, 2)
    smaller = command._of_size(document, "640x360")
    assert (smaller.output.width, smaller.output.height) == (640, 360)  # type: ignore[union-attr]
    assert smaller.segments == document.segments


@pytest.mark.parametrize("size", ["640", "640x", "x360", "-640x360", "1x1", "99999x99999"])
def test_what_is_no_frame_size_is_told(photos: Path, size: str) -> None:
    with pytest.raises(UsageError, match="is not a frame size") as e:
        command._of_size(command._plan(photos)[0], size)
    assert e.value.recovery


def test_photographs_that_are_not_installed_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match="are not installed") as e:
        photographs.photographs()
    assert "PHOTOS=folder" in e.value.recovery


def test_every_photograph_has_its_credit() -> None:
    credits = photographs.credits()
    assert [line.partition(":")[0] for line in credits] == list(photographs.NAMES)


@pytest.mark.parametrize(("ok", "change"), [(False, 50.0), (True, 0.5)])
def test_a_wrong_film_fails_the_demo(tmp_path: Path, ok: bool, change: float) -> None:
    (tmp_path / "film.mp4").write_bytes(b"film")
    story = Story(Session(), None, Objection(1, "reason", "change"))  # type: ignore[arg-type]
    run = Run.model_validate({"id": "r", "kind": "video", "status": "complete", "versions": [{"id": "v"}]})
    story.record.rejected = story.record.regenerated = run
    facts = Facts(width=1920, height=1080, fps=24, frames=228, loudness_lufs=-16, true_peak_dbtp=-1)
    verdict = CheckResult(facts, (Check("frames", ok, "228", "229"),), {})
    film = Compilation.model_validate({"id": "c", "status": "completed"})
    episode = Episode(id="e", title="T")
    with pytest.raises(WorkFailed, match="The film failed these checks"):
        command._report(Session(), tmp_path, story, verdict, film, episode, change, 1.0)
    report = json.loads((tmp_path / "report.json").read_text())
    assert [c["ok"] for c in report["checks"]] == [ok]
