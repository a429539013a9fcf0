"""The `retake` command with a running system: its output, exit codes and files."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from client.cli.main import build
from client.script.document import Document
from deploy.local.demo.checks import check_film
from deploy.local.demo.timeline import timeline
from tests.support.http_client import photograph
from tests.support.system import ROOT, System

COMMAND = [sys.executable, "-m", "client"]
SCRIPT = """\
title: {title}
output: {{width: 320, height: 180, fps: 12}}
directions: {{music: calm piano}}
segments:
  - scene_info: {{location: First, description: Lights}}
    duration: {seconds}
    directions: {{video: slowly push in, narration: The first one.}}
    transition_after: {{style: dissolve, duration: 0.5}}
  - scene_info: {{location: Second, description: More lights}}
    duration: {seconds}
    directions: {{video: pan left}}
"""


class Cli:
    """Runs commands as a script would: without a terminal."""

    def __init__(self, system: System, folder: Path) -> None:
        self.folder = folder
        self.own: dict[str, str | None] = {"RETAKE_DATA": str(system.data), "RETAKE_URL": None, "RETAKE_TOKEN": None}
        given = {**os.environ, **self.own, "PYTHONPATH": str(ROOT)}
        self.environ = {name: value for name, value in given.items() if value is not None}

    def run(self, *arguments: str, code: int = 0) -> Result:
        """In this process: starting an interpreter takes longer than most commands."""
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(build(arguments), list(arguments), env=self.own)
        assert done.exit_code == code, f"{arguments}: {done.exit_code}\n{done.stdout}\n{done.stderr}"
        assert "\x1b" not in done.stdout + done.stderr
        return done

    def process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As a process of its own."""
        return subprocess.run(
            [*COMMAND, *arguments], cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=280,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The one object that it prints."""
        done = self.run(*arguments, "--json", code=code)
        [line] = done.stdout.splitlines()
        return json.loads(line)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.folder, env=self.environ, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


class Terminal:
    """A user at a terminal: sees the screen as text, and types."""

    def __init__(self, cli: Cli, *arguments: str) -> None:
        self.shown = ""
        pid, self._fd = pty.fork()
        if pid == 0:
            os.chdir(cli.folder)
            os.execve(sys.executable, [*COMMAND, *arguments], {**cli.environ, "TERM": "xterm", "COLUMNS": "100"})
        self._pid = pid

    def see(self, text: str, timeout_s: float = 150) -> None:
        """Wait until the text has been shown since the last time."""
        end = time.monotonic() + timeout_s
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} was not seen in:\n{self.shown}"
            if not self._read(0.5):
                assert text in self.shown, f"it ended without {text!r}:\n{self.shown}"
        self.shown = self.shown.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def ends(self, timeout_s: float = 150) -> int:
        end = time.monotonic() + timeout_s
        while self._read(0.2):
            assert time.monotonic() < end, self.shown
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self, wait_s: float) -> bool:
        """False at the end."""
        if not select.select([self._fd], [], [], wait_s)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace"))
        return bool(data)


@pytest.fixture
def cli(system: System, tmp_path: Path) -> Cli:
    for i in (1, 2):
        (tmp_path / f"photo{i}.jpg").write_bytes(photograph(hue=60 * i))
    (tmp_path / "film.yaml").write_text(SCRIPT.format(title="Two lights", seconds=1.5))
    return Cli(system, tmp_path)


@pytest.fixture(scope="module")
def episode(system: System, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a complete episode, for commands that read it."""
    folder = tmp_path_factory.mktemp("episode")
    (folder / "photo1.jpg").write_bytes(photograph(hue=100))
    (folder / "photo2.jpg").write_bytes(photograph(hue=200))
    (folder / "film.yaml").write_text(SCRIPT.format(title="For looking at", seconds=1))
    made = Cli(system, folder).json("film", "photo1.jpg", "photo2.jpg", "--script", "film.yaml", "--yes")
    return str(made["episode_id"])


def test_photographs_in_film_out(cli: Cli) -> None:
    arguments = ("film", "photo1.jpg", "photo2.jpg", "--script", "film.yaml", "-o", "my film.mp4", "--yes", "--json")
    done = cli.process(*arguments)
    assert done.returncode == 0, done.stderr
    assert "Segment 1 approved!" in done.stderr
    [line] = done.stdout.splitlines()
    made = json.loads(line)
    assert made["film"] == str(cli.folder / "my film.mp4")
    assert (made["segments_included"], made["duration"]) == (2, 2.5)
    plan = timeline(Document.model_validate({
        "title": "T", "output": {"width": 320, "height": 180, "fps": 12},
        "segments": [{"duration": 1.5, "transition_after": {"style": "dissolve", "duration": 0.5}}, {"duration": 1.5}],
    }))  # fmt: skip
    assert [c.name for c in check_film(Path(made["film"]), plan, {}).failed] == []
    assert sorted(p.name for p in cli.folder.iterdir()) == ["film.yaml", "my film.mp4", "photo1.jpg", "photo2.jpg"]


def test_a_person_reviews_at_the_terminal(cli: Cli) -> None:
    at = Terminal(
        cli, "film", "photo1.jpg", "photo2.jpg", "--script", "film.yaml", "--title", "Reviewed", "-o", "out.mp4"
    )
    at.see("Segment 1 of 2 · video · version 1")
    at.see("http://127.0.0.1")
    at.see("[a]ccept, [r]eject")
    at.type("x\n")
    at.see("Please answer with one of: a, r, o.")
    at.see("[a]ccept, [r]eject")
    at.type("r\n")
    at.see("Reason")
    at.type("too slow\n")
    at.see("Change to add")
    at.type("Pull back quickly\n")
    at.see("Segment 1's video rejected; regenerating it")
    at.see("version 2")
    at.see("Pull back quickly")
    at.see("[a]ccept")
    at.type("a\n")
    at.see("Rating 1-5")
    at.type("9\n")
    at.see("a number from 1 to 5")
    at.see("Rating 1-5")
    at.type("5\n")
    at.see("Segment 2 of 2")
    at.see("[a]ccept")
    at.type("a\n")
    at.see("Rating 1-5")
    at.type("\n")
    at.see("out.mp4: 2.5 s")
    assert at.ends() == 0
    assert (cli.folder / "out.mp4").stat().st_size > 10_000
    [shown, *_] = cli.json("versions", "1", "--episode", "Reviewed")["versions"]
    assert shown["directions"] == "slowly push in\nPull back quickly"
    assert shown["committed"]


def test_ctrl_c_at_a_question_stops_the_batch_and_says_how_to_go_on(cli: Cli, system: System) -> None:
    at = Terminal(cli, "film", "photo1.jpg", "photo2.jpg", "--script", "film.yaml", "--title", "Interrupted")
    at.see("[a]ccept, [r]eject")
    at.type("\x03")
    at.see("Continue with: retake film --episode")
    episode_id = at.shown.split()[0] if at.shown.split() else ""
    assert at.ends() == 130
    found = cli.json("episode", "show", "Interrupted")
    assert found["id"].startswith(episode_id)
    [batch] = system.api.get(f"/episodes/{found['id']}/batches")["data"]
    assert batch["status"] == "cancelled"
    assert not (cli.folder / "film.mp4").exists()
    made = cli.json("film", "--episode", found["id"], "--yes")
    assert made["segments_included"] == 2


def test_ctrl_c_cancels_a_run(cli: Cli, episode: str) -> None:
    size = ("--set", "duration=60", "--set", "resolution=2160p")  # it takes minutes
    process = cli.start("regenerate", "1", "--episode", episode, "--directions", "pan left", *size)
    assert process.stdout
    assert process.stderr
    seen = ""
    while "Regenerating" not in seen:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        seen += line
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in told
    [newest] = cli.json("runs", "list", "--episode", episode, "-n", "1")["runs"]
    deadline = time.monotonic() + 15
    while (found := cli.json("runs", "show", newest["id"]))["status"] != "cancelled":
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_a_version_is_made_reviewed_and_refused(cli: Cli, episode: str) -> None:
    run = cli.json("regenerate", "2", "--episode", episode, "--directions", "tilt up", "--set", "seed=7")
    assert (run["status"], run["versions"][0]["directions"], run["versions"][0]["seed"]) == (
        "preview_ready",
        "tilt up",
        7,
    )
    busy = cli.json("review", run["id"], "--reject", "--reason", "no", "--no-again")
    assert (busy["verdict"], busy["next_run_id"]) == ("rejected", None)
    again = cli.json("review", run["id"], "--accept", code=4)
    assert again["error"]["type"] == "/problems/already-decided"
    assert again["error"]["recovery"]
    run = cli.json("regenerate", "2", "--episode", episode, "--change", "prompt_modifications=slower")
    done = cli.json("review", run["id"], "--accept", "--rating", "4")
    assert done["verdict"] == "accepted"
    versions = cli.json("versions", "2", "--episode", episode)["versions"]
    assert [v["status"] for v in versions] == ["accepted", "rejected", "accepted"]


def test_a_variant_is_named_to_be_accepted(cli: Cli, episode: str) -> None:
    run = cli.json("regenerate", "music", "--episode", episode, "--directions", "slow strings", "--variants", "2")
    refused = cli.json("review", run["id"], "--accept", code=2)
    assert "has 2 variants" in refused["error"]["detail"]
    assert cli.json("runs", "show", run["id"])["status"] == "preview_ready"
    assert cli.json("review", run["id"], "--accept", "--variant", "2")["verdict"] == "accepted"
    statuses = {v["id"]: v["status"] for v in cli.json("versions", "music", "--episode", episode)["versions"]}
    assert [statuses[v["id"]] for v in run["versions"]] == ["not_chosen", "accepted"]


def test_what_waits_is_listed_and_decided_at_the_terminal(cli: Cli, episode: str) -> None:
    run = cli.json("regenerate", "music", "--episode", episode, "--directions", "fast drums")
    assert [r["id"] for r in cli.json("review", "--list", "--episode", episode)["waiting"]] == [run["id"]]
    assert run["id"] in cli.run("review", "--episode", episode).stdout
    at = Terminal(cli, "review", "--episode", episode)
    at.see("music · version")
    at.see("[l]ater?")
    at.type("l\n")
    assert at.ends() == 0
    at = Terminal(cli, "review", "--episode", episode)
    at.see("[l]ater?")
    at.type("a\n")
    at.see("Rating")
    at.type("\n")
    at.see("accepted")
    assert at.ends() == 0
    assert "No previews are waiting for review." in cli.run("review", "--episode", episode).stdout


def test_a_film_is_compiled_from_chosen_segments(cli: Cli, episode: str) -> None:
    made = cli.json("compile", episode, "--segments", "2,1", "--transition", "cut", "--no-music", "-o", "cut.mp4")
    assert (made["segments_included"], made["duration"]) == (2, 2.0)
    assert (cli.folder / "cut.mp4").stat().st_size == made["size"]
    refused = cli.json("compile", episode, "--segments", "1,1", code=4)
    assert refused["error"]["type"] == "/problems/not-compilable"
    assert "The segments are numbered 1 to 2." in cli.run("compile", episode, "--segments", "3", code=2).stderr


def test_events_are_lines_of_json(cli: Cli, episode: str) -> None:
    watching = cli.start("watch", episode, "--json", "--until-idle")
    assert watching.communicate(timeout=30)[0] == ""  # nothing is being made
    watching = cli.start("watch", episode, "--json")
    assert watching.stdout
    while not select.select([watching.stdout], [], [], 0.3)[0]:  # until its stream is open
        cli.json("segment", "edit", "1", "--notes", "Bright.", "--episode", episode)
    run = cli.json("regenerate", "2", "--kind", "narration", "--episode", episode, "--directions", "Hello.")
    cli.json("review", run["id"], "--accept")
    lines = [json.loads(watching.stdout.readline())]
    while (lines[-1]["event"], lines[-1]["data"].get("run_id")) != ("complete", run["id"]):
        lines.append(json.loads(watching.stdout.readline()))
    watching.send_signal(signal.SIGINT)
    lines += map(json.loads, watching.stdout)
    watching.communicate(timeout=30)
    assert watching.returncode == 130
    loop = ["regenerate-requested", "preview-ready", "accepted", "complete"]
    assert [n for line in lines if line["data"].get("run_id") == run["id"] and (n := line["event"]) in loop] == loop
    assert all(line["id"] for line in lines)


def test_looking_around(cli: Cli, episode: str) -> None:
    assert cli.json("episode", "show", episode)["id"] == episode
    assert episode in [e["id"] for e in cli.json("episode", "list")["episodes"]]
    assert "For looking at" in cli.run("episode", "list").stdout
    assert "approved" in cli.run("episode", "show", "for looking").stdout
    assert "committed" in cli.run("versions", "1", "--kind", "starting-image", "--episode", episode).stdout
    assert "animatic/camera" in [m["slug"] for m in cli.json("models", "--kind", "video")["models"]]
    cli.json("versions", "1", "--episode", episode, "--save", "1", "-o", "v1.mp4")
    assert (cli.folder / "v1.mp4").stat().st_size > 1000
    imported = cli.json("episode", "import", "film.yaml")
    assert cli.json("episode", "show", imported["episode_id"])["title"] == "Two lights"


def test_all_that_wait_are_decided_at_once(cli: Cli, episode: str) -> None:
    runs = [cli.json("regenerate", n, "--episode", episode, "--set", "seed=3")["id"] for n in ("1", "2")]
    decided = cli.json("review", "--all", "--reject", "--no-again", "--reason", "no", "--episode", episode)["reviews"]
    assert {r["run_id"] for r in decided} == set(runs)
    assert cli.json("review", "--list", "--episode", episode)["waiting"] == []


@pytest.fixture(scope="module")
def typed(system: System, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of an episode that was created by commands alone, with two segments of one second."""
    cli = Cli(system, tmp_path_factory.mktemp("typed"))
    cli.json("project", "new", "By hand", "--description", "typed")
    made = cli.json("episode", "new", "Typed", "--size", "320x180", "--project", "By hand")
    for name in ("One", "Two"):
        cli.json("segment", "add", "--location", name, "--seconds", "1", "--video", "pan left", "--episode", made["id"])
    return str(made["id"])


def test_a_project_and_an_episode_are_edited_by_commands(cli: Cli, typed: str) -> None:
    at, project = ("--episode", typed), ("--project", "By hand")
    assert cli.json("settings", "set", "style=noir", "review.deadline_minutes=60", *project)["style"] == "noir"
    changed = cli.json("settings", "character", "Mia", "--description", "red coat", "--image", "photo1.jpg", *project)
    assert [len(c["upload_ids"]) for c in changed["characters"]] == [1]
    assert "Two" in cli.run("episode", "order", typed, "--to", "2,1").stdout.splitlines()[0]
    assert (
        "does not contain every segment exactly once" in cli.run("episode", "order", typed, "--to", "1", code=2).stderr
    )
    assert cli.json("segment", "edit", "1", "--transition", "dissolve:0.25", "--notes", "n", *at)["user_notes"] == "n"
    draft = cli.json("draft", "set", "1", "--directions", "push in", "--set", "seed=7", *at)["draft"]
    assert (draft["directions"], draft["settings"]["seed"]) == ("push in", 7)
    assert "order" in [r["change"] for r in cli.json("episode", "log", typed)["revisions"]]
    assert "Cannot prompt: not a terminal" in cli.run("project", "delete", "By hand", code=2).stderr


def test_a_batch_is_held_and_reviewed_by_commands_up_to_the_rated_film(cli: Cli, typed: str) -> None:
    at = ("--episode", typed)
    assert "is an image file; video needs a video file" in cli.run("upload", "2", "photo1.jpg", *at, code=2).stderr
    batch = cli.json("generate", typed, "--deadline", "none", "--segments", "1")
    assert batch["status"] == "waiting_review"
    assert cli.json("batch", "pause", batch["id"])["id"] == batch["id"]
    assert cli.json("batch", "resume", batch["id"])["status"] in ("running", "waiting_review")
    [waiting] = cli.json("review", "--list", *at)["waiting"]
    assert waiting["deadline"] is None
    cli.json("review", waiting["id"], "--accept", "--rating", "5", "--reason", "Good")
    while cli.json("batch", "show", batch["id"])["status"] != "completed":  # it hears of the decision a moment later
        time.sleep(0.2)
    film = cli.json(
        "render", typed, "--at-once", "2", "--transition", "fade", "--captions", "none", "--no-music", "-o", "typed.mp4"
    )
    assert film["segments_included"] == 2
    assert cli.json("films", "rate", "4", *at)["rating"] == 4
    assert cli.json("films", "download", film["compilation_job_id"], "-o", "again.mp4")["size"] == film["size"]
    assert cli.json("metrics", *at)["mean_rating"] == 5.0
    assert [r["rating"] for r in cli.json("history", *at)["reviews"] if r["feedback"] == "Good"] == [5]
    assert cli.json("versions", "1", "--compare", "1,1", *at)["differences"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["regenerate", "9"], 2, "has no segment 9"),
        (["runs", "show", "01a1fe35-1734-703a-b4bd-0173106ffdc4"], 4, "Error: "),
        (["runs", "show", "../../etc"], 4, "Error: "),
        (["episode", "show", "no such title"], 2, "There is no episode titled 'no such title'"),
    ],
)
def test_what_is_not_there_is_told(cli: Cli, episode: str, arguments: list[str], code: int, told: str) -> None:
    assert told in cli.run(*arguments, code=code).stderr


def test_a_picture_that_is_no_longer_there_does_not_stop_an_import(cli: Cli) -> None:
    (cli.folder / "old.yaml").write_text(
        "title: Legacy\nsegments:\n"
        "  - {starting_image_url: 'https://nowhere.invalid/a.jpg', directions: {video: Pan}}\n"
    )
    made = cli.json("episode", "import", "old.yaml")
    assert any("nowhere.invalid does not exist" in warning for warning in made["warnings"])
    refused = cli.run("regenerate", "1", "--episode", made["episode_id"], code=1).stderr
    assert "Regenerate the starting image first." in refused


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("loop.gif", b"GIF89a\0", "is an image file, not a film or a script"),
        ("tune.mp3", b"ID3\4", "is an audio file, not a film or a script"),
        ("film.xyz", b"\0\1\2" * 99, "not an accepted image, audio or video format"),
    ],
)
def test_what_is_neither_film_nor_script_is_told_so(cli: Cli, name: str, data: bytes, told: str) -> None:
    (cli.folder / name).write_bytes(data)
    done = subprocess.run([*COMMAND, "episode", "import", name], cwd=cli.folder, env=cli.environ, capture_output=True,
                          text=True, timeout=280, check=False)  # fmt: skip
    assert done.returncode != 0
    assert told in " ".join(done.stderr.split())


def test_unknown_keys_are_warned_of_and_the_work_goes_on(cli: Cli) -> None:
    text = (cli.folder / "film.yaml").read_text().replace("title: Two lights", "title: Warned\nmusik: loud")
    (cli.folder / "film.yaml").write_text(text)
    done = cli.run("episode", "import", "film.yaml", "--json")
    assert "Warning: film.yaml:2:1: Unknown key 'musik' is ignored" in done.stderr
    assert json.loads(done.stdout)["warnings"]


def test_without_a_system_one_is_started_for_the_film_and_stopped(cli: Cli, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(cli.folder / "photo1.jpg")
    data = tmp_path / "own"
    script = SCRIPT.format(title="Alone", seconds=1).partition("  - scene_info: {location: Second")[0]
    (cli.folder / "one.yaml").write_text(script)
    done = cli.run("film", "photo1.jpg", "-s", "one.yaml", "--yes", "--json", "--data", str(data))
    assert json.loads(done.stdout)["segments_included"] == 1
    status = cli.run("status", "--data", str(data), "--json", code=1)
    assert json.loads(status.stdout)["running"] is False
