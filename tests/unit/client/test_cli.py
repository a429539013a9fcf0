"""The command line without a gateway: errors before anything starts, and their exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from client import errors
from client.cli import completion, formatting
from client.cli.command import command, execute
from client.cli.estimates import summary
from client.cli.exit_codes import Code, Stopped, UsageError, WorkFailed, code_of
from client.cli.film_plan import make_plan
from client.cli.main import _PANELS, build
from client.cli.options import SubjectEpisode
from client.cli.preview import present
from client.cli.session import Session, plain
from client.models import Estimate, Run, Version
from tests.unit.client.fake import Gateway, ok

GROUPS = {
    "episode": ("import", "new", "list", "show", "order", "status", "log", "edit", "delete"),
    "project": ("list", "new", "show", "edit", "delete"), "members": ("list", "set", "remove"),
    "settings": ("show", "set", "style", "character"), "segment": ("show", "add", "edit", "delete"),
    "asset": ("list", "add"), "draft": ("show", "set", "discard"),
    "runs": ("list", "show", "cancel", "reopen"), "batch": ("list", "show", "pause", "resume", "cancel"),
    "films": ("list", "show", "download", "rate", "cancel"),
    "bulk": ("approve", "reject", "regenerate", "transition"),
}  # fmt: skip
ALONE = ("generate", "render", "export", "upload", "feed", "history", "metrics", "usage", "me", "completion", "studio")
TWO = "title: T\ndirections: {music: calm}\nsegments: [{duration: 2}, {duration: 2}]\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("RETAKE_URL", "RETAKE_TOKEN", "RETAKE_DATA"):
        monkeypatch.delenv(name, raising=False)
    Image.effect_noise((64, 48), 60).convert("RGB").save("photo1.jpg")
    Path("broken.jpg").write_bytes(Path("photo1.jpg").read_bytes()[:500])
    Path("bad.yaml").write_text("title: T\nsegments:\n- {duration: long}\n")
    Path("film.yaml").write_text(TWO)
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(build(arguments, added=[]), list(arguments))  # only that command is loaded


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["film"], 2, "No photographs and no script."),
        (
            ["film", "none.jpg", "broken.jpg", "photo1.jpg", "--yes"],
            2,
            "none.jpg: no such file.\nbroken.jpg: ",
        ),
        (["film", "photo1.jpg", "--script", "bad.yaml", "--yes"], 2, "bad.yaml:3:4: segments[1].duration: "),
        (
            ["film", "photo1.jpg", "photo1.jpg", "photo1.jpg", "-s", "film.yaml", "-y"],
            2,
            "3 photographs, but only 2 segments",
        ),
        (["film", "photo1.jpg"], 2, "Add --yes"),
        (["film", "photo1.jpg", "--yes", "-o", "no/such/film.mp4"], 2, "does not exist."),
        (["film", "photo1.jpg", "--yes", "-o", "."], 2, ". is a folder."),
        (["film", "photo1.jpg", "--transition", "wipe", "--yes"], 2, "Unknown transition: 'wipe'."),
        (["film", "photo1.jpg", "--episode", "x", "--yes"], 2, "already has its pictures"),
        (["film", "photo1.jpg", "--music", "calm", "--no-music", "--yes"], 2, "exclude each other"),
        (["film", "photo1.jpg", "--yes", "--url", "http://127.0.0.1:9"], 3, "No answer from http://127.0.0.1:9"),
        (["episode", "import", "bad.yaml"], 2, "bad.yaml:3:4"),
        (["regenerate", "1", "--set", "seed"], 2, "is not KEY=VALUE"),
        (["regenerate", "1", "--kind", "hologram"], 2, "Unknown kind of asset"),
        (["review", "--accept"], 2, "A decision needs a run."),
        (["review", "x", "--accept", "--reject"], 2, "contradict"),
        (["review", "x", "--accept", "--suggest", "y"], 2, "Changes need a rejection."),
        (["review", "x", "--rating", "3"], 2, "needs a decision"),
        (["review", "--all"], 2, "--all needs a decision."),
        (["review", "x", "--all-projects"], 2, "--all-projects neither decides"),
        (["review", "--all-projects", "--project", "p"], 2, "--all-projects neither decides"),
        (["review", "x", "--all", "--accept"], 2, "RUN and --all exclude each other."),
        (["review", "--all", "--accept", "--variant", "1"], 2, "A variant is chosen by accepting one run."),
        (["review", "x", "--reject", "--variant", "1"], 2, "A variant is chosen by accepting one run."),
        (["review", "x", "--accept", "--variant", "1", "--version-id", "v"], 2, "exclude each other"),
        (["compile", "--loudness", "3"], 2, "Choose -16, -14 or -23."),
        (["compile", "--captions", "loud"], 2, "Choose one of: none, soft, burned."),
        (["compile", "--sound", "off"], 2, "Choose one of: keep, lower, mute."),
        (["generate", "--deadline", "soon"], 2, "Give a number, or `none`."),
        (["generate", "--deadline", "0"], 2, "is not a number of minutes"),
        (["batch", "resume", "x", "--skip", "1", "--skip-held"], 2, "exclude each other"),
        (["settings", "set", "seed"], 2, "is not KEY=VALUE"),
        (["settings", "set", "style=noir", "style.x=1"], 2, "exclude each other"),
        (["settings", "character", "Mia", "--image", "none.png"], 2, "none.png: no such file."),
        (["members", "set", "bob", "king"], 2, "Choose one of: viewer, reviewer, editor, owner."),
        (["segment", "edit", "1"], 2, "Nothing to change."),
        (["segment", "edit", "1", "--transition", "wipe"], 2, "Unknown transition: 'wipe'."),
        (["segment", "edit", "1", "--transition", "fade:long"], 2, "Write it as fade:0.8."),
        (["segment", "add", "--type", "act"], 2, "Unknown type of segment: 'act'."),
        (["draft", "set", "1"], 2, "Give --directions or --set."),
        (["episode", "new", "T", "--size", "big"], 2, "Write it as 1920x1080."),
        (["episode", "edit"], 2, "Nothing to change."),
        (["episode", "import", "none.yaml"], 2, "none.yaml: no such file."),
        (["episode", "import", "film.yaml", "--title", "T"], 2, "apply to films only"),
        (["upload", "1", "none.mp4"], 2, "none.mp4: no such file."),
        (["films", "download", "-o", "no/such/film.mp4"], 2, "does not exist."),
        (["films", "download", "-o", "film.yaml"], 2, "film.yaml exists.\nChoose another --output, or overwrite it"),
        (["films", "download", "-o", "film.yaml", "--force"], 3, "Retake is not running"),
        (["compile", "-o", "film.yaml"], 2, "film.yaml exists."),
        (["compile", "-o", "film.yaml", "--force"], 3, "Retake is not running"),
        (["render", "-o", "film.yaml"], 2, "film.yaml exists."),
        (["render", "-o", "other.mp4", "--no-wait"], 2, "--no-wait does not wait for it"),
        (["film", "photo1.jpg", "--yes", "-o", "film.yaml"], 2, "film.yaml exists."),
        (["export", "-o", "photo1.jpg.zip", "x", "--episode", "y"], 2, "exclude each other"),
        (["compile", "x", "--episode", "y"], 2, "The episode is given twice: 'x' and --episode 'y'."),
        (["episode", "delete"], 2, "Name it with --episode"),
        (["project", "delete"], 2, "Name it with --project"),
        (["bulk", "transition", "all", "wipe"], 2, "Unknown transition: 'wipe'."),
        (["bulk", "reject", "1", "-c", "seed"], 2, "is not KEY=VALUE"),
        (["export", "-o", "no/such/folder"], 2, "does not exist."),
        (["export", "-o", "film.yaml"], 2, "film.yaml is a file."),
        (["export", "-o", "."], 2, "Choose another --output, or overwrite it with --force."),
        (["usage", "--by", "mood"], 2, "Choose one of: day, month,"),
        (["usage", "--since", "yesterday"], 2, "Write it as 2026-01-31."),
        (["completion", "tcsh"], 2, "Choose one of: bash, zsh, fish."),
        (["nonsense"], 2, "nonsense"),
        (["models", "--nonsense"], 2, "--nonsense"),
        (["models"], 3, "Retake is not running on ./.retake."),
        (["models", "--url", "http://127.0.0.1:9"], 3, "No answer from http://127.0.0.1:9"),
        (["models", "--url", "nonsense"], 1, "is not an HTTP URL"),
    ],
)
def test_errors_have_a_message_and_an_exit_code(here: Path, arguments: list[str], code: int, message: str) -> None:
    before = sorted(here.iterdir())
    done = run(*arguments)
    assert done.exit_code == code, done.output
    assert message in done.stderr
    assert "\x1b" not in done.output
    assert sorted(here.iterdir()) == before


def test_with_json_stdout_has_one_object_also_for_an_error(here: Path) -> None:
    done = run("models", "--json")
    [line] = done.stdout.splitlines()
    assert json.loads(line)["error"]["recovery"].startswith("Start it with `retake up`")
    assert "Retake is not running" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "",
        "film",
        "episode",
        "episode import",
        "regenerate",
        "watch",
        "review",
        "versions",
        "compile",
        "runs list",
        "models",
        *(f"{group} {name}" for group in GROUPS for name in GROUPS[group]),
        *ALONE,
    ],
)
def test_help_says_what_a_command_does(line: str) -> None:
    done = run(*line.split(), "--help")
    assert done.exit_code == 0
    assert line in ("", *GROUPS) or "--json" in done.stdout or line == "completion"
    assert "Usage: " in done.stdout
    assert "Options" in done.stdout


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its name, such as `episode show`."""
    for name, inner in group.commands.items():
        if hasattr(inner, "commands"):
            yield from commands(inner, (*path, name))
        else:
            yield " ".join((*path, name)), inner


def test_the_episode_and_the_project_are_spelled_the_same_everywhere() -> None:
    """By an option that every command has for it; help shows no other spelling."""
    whole = typer.main.get_command(build(added=[]))
    checked = 0
    for name, found in commands(whole):
        for parameter in found.params:
            names = f"{parameter.name} {getattr(parameter, 'metavar', None) or ''}".upper()
            if parameter.param_type_name == "argument" and not getattr(parameter, "hidden", False):
                assert "EPISODE" not in names, name
                assert "PROJECT" not in names, name
            for thing in ("episode", "project"):
                if parameter.name == thing:
                    assert parameter.opts == [f"--{thing}"], name
                    checked += 1
    assert checked > 50


def test_an_option_may_be_given_without_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str | None] = []

    @command
    async def show(session: Session, episode: SubjectEpisode = None) -> None:
        seen.append(episode)

    app = typer.Typer()
    app.command()(show)
    for arguments in (["--episode", "One"], ["One"], []):
        assert CliRunner().invoke(app, arguments).exit_code == 0
    assert seen == ["One", "One", None]


def test_installed_packages_add_commands_and_a_broken_one_harms_no_other() -> None:
    added = [
        EntryPoint("broken", "no.such.module:thing", "retake.commands"),
        EntryPoint("lines", "tests.unit.client.test_cli:lines", "retake.commands"),
        EntryPoint("group", "tests.unit.client.test_cli:group", "retake.commands"),
    ]
    app = build(added=added)
    assert CliRunner().invoke(app, ["lines", "--count", "2"]).stdout == "line\nline\n"
    assert CliRunner().invoke(app, ["group", "inner"]).stdout == "inner\n"
    broken = CliRunner().invoke(app, ["broken"])
    assert broken.exit_code == 1
    assert "cannot be loaded (no.such.module:thing): ModuleNotFoundError" in broken.stderr


def test_a_command_that_is_named_is_loaded_alone() -> None:
    code = """
import sys
from client.cli.main import build
build(["lines"], added=[__import__("importlib.metadata").metadata.EntryPoint(
    "lines", "json:dumps", "retake.commands")])
print(sorted(m for m in ("httpx", "pydantic", "client.cli.film") if m in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert len(build(["runs"], added=[]).registered_groups + build(["runs"], added=[]).registered_commands) == 1
    everything = build(["--help"], added=[])
    commands = [name for panel in _PANELS.values() for name in panel]
    assert len(everything.registered_commands) + len(everything.registered_groups) == len(commands) > 25


def lines(count: int = 1) -> None:
    """Print lines."""
    for _ in range(count):
        typer.echo("line")


group = typer.Typer()


@group.command("inner")
def inner() -> None:
    """Print a word."""
    typer.echo("inner")


@group.command("other")
def other() -> None:
    """A second one, so that the group stays a group."""


def raising(error: BaseException) -> int:
    async def work() -> None:
        raise error

    return execute(Session(), work)


def problem(status: int, slug: str) -> errors.ProblemError:
    return errors.ProblemError.of(status, {"type": f"/problems/{slug}", "detail": "no"})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), Code.USAGE),
        (WorkFailed("x"), Code.FAILED),
        (Stopped(), Code.INTERRUPTED),
        (errors.NotRunning("x"), Code.UNREACHABLE),
        (errors.Unreachable("x"), Code.UNREACHABLE),
        (problem(503, "unavailable"), Code.UNREACHABLE),
        (problem(500, "internal"), Code.FAILED),
        (problem(502, "what a proxy says"), Code.FAILED),
        (problem(409, "busy"), Code.REFUSED),
        (problem(404, "not-found"), Code.REFUSED),
        (problem(401, "unauthenticated"), Code.REFUSED),
        (problem(429, "rate-limited"), Code.REFUSED),
        (errors.BadResponse("x"), Code.FAILED),
        (errors.TransferFailed("x"), Code.FAILED),
    ],
)
def test_every_error_has_its_exit_code(error: errors.ClientError, code: Code) -> None:
    assert code_of(error) == code
    assert raising(error) == code


def test_a_defect_is_told_without_a_traceback(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETAKE_DEBUG", raising=False)
    assert raising(KeyError("lost")) == Code.FAILED
    output = capfd.readouterr().err
    assert "KeyError: 'lost'" in output
    assert "RETAKE_DEBUG=1" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_work_clean_up(number: signal.Signals, code: int) -> None:
    cleaned = []

    async def work() -> None:
        try:
            asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), number)
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(True)

    assert execute(Session(), work) == code
    assert cleaned


def test_commands_share_the_gateways_options() -> None:
    seen: list[Any] = []

    @command
    async def work(session: Session, count: int = 1) -> None:
        """Does it."""
        seen.append((session.url, session.token, session.data, session.as_json, count))

    app = typer.Typer()
    app.command()(work)
    given = ["--url", "http://x", "--token", "t", "--data", "d", "--json", "--count", "3"]
    assert CliRunner().invoke(app, given).exit_code == 0
    assert seen == [("http://x", "t", Path("d"), True, 3)]


def test_a_plan_without_a_script_moves_every_photograph_otherwise(here: Path) -> None:
    plan = make_plan([Path("photo1.jpg")] * 3, None, None, False, None, 4.0, None, None)
    moves = [s.directions.video for s in plan.document.segments if s.directions]
    assert len(set(moves)) == 3
    assert [s.duration for s in plan.document.segments] == [4.0] * 3
    assert plan.document.directions
    assert plan.document.directions.music
    assert (plan.transition, plan.has_music, sorted(plan.pictures)) == ("dissolve", True, [0, 1, 2])


def test_photographs_fill_the_segments_that_have_none(here: Path) -> None:
    Image.new("RGB", (9, 9)).save("own.png")
    Path("s.yaml").write_text("title: T\nsegments: [{}, {starting_image: own.png, transition_after: fade}, {}]\n")
    plan = make_plan([Path("photo1.jpg")], Path("s.yaml"), "drums", False, "Mine", 5, None, None)
    assert {i: p.path.name for i, p in plan.pictures.items()} == {0: "photo1.jpg", 1: "own.png"}
    assert plan.document.as_json()["directions"] == {"music": "drums"}
    assert (plan.document.title, plan.transition) == ("Mine", None)  # the script's own transitions count


def test_no_music_is_no_music(here: Path) -> None:
    plan = make_plan([], Path("film.yaml"), None, True, None, 5, None, None)
    assert plan.document.directions is None
    assert not plan.has_music


def test_words_for_people() -> None:
    assert [formatting.clock(s) for s in (None, 0.04, 59.9, 61, 3599)] == [
        "-",
        "0.0 s",
        "59.9 s",
        "1:01 min",
        "59:59 min",
    ]
    sizes = ["-", "0 B", "999 B", "1.5 kB", "8.4 MB", "2000.0 GB"]
    assert [formatting.size(n) for n in (None, 0, 999, 1500, 8_400_000, 2e12)] == sizes
    version = Version(id="v", quality_metrics={"overall_score": 0.5}, unmeasured={"visual_quality": "no reference"})
    assert formatting.quality(version) == "overall 0.50 · visual quality: no reference"
    unmeasured = dict.fromkeys(("overall_score", "visual_quality", "consistency_score"), "not measured")
    assert formatting.quality(Version(id="v", unmeasured=unmeasured)) == "not measured"


def test_a_preview_says_what_it_cost_and_what_was_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    lost = {"code": "sensitive", "cause": "The model refused it.", "recovery": "Change the words."}
    cost = {"estimated": {"amount": "0.20", "currency": "USD"}, "actual": {"amount": "0.078", "currency": "USD"}}
    run = Run.model_validate(
        {
            "id": "r",
            "kind": "video",
            "status": "preview_ready",
            "segment_number": 1,
            "cost": cost,
            "versions": [{"id": "v", "number": 4}],
            "lost": [lost],
        }
    )
    present(Session(), run)
    output = capsys.readouterr().out
    assert "0.078 USD" in output
    assert "One variant failed: The model refused it. Change the words." in output


@pytest.mark.parametrize("width", [30, 50, 200])
def test_a_table_is_a_list_where_it_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run_id = "01a1fe66-7558-7439-9ccb-f2933118f4f2"
    table = formatting.table("=Run", "#Seg", "State", "Message")
    table.add_row(run_id, "1", formatting.state("failed"), "The [provider] was not there")
    Session().table(table)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    if width == 200:
        assert lines[1].split()[:3] == [run_id, "1", "failed"]
    else:
        assert lines[:3] == [f"Run: {run_id}", "Seg: 1", "State: failed"]


async def test_json_keeps_what_a_newer_gateway_adds() -> None:
    gateway = Gateway(ok({"id": "r1", "kind": "video", "status": "queued", "mood": "good"}))
    assert plain(await gateway.client().runs.get("r1"))["mood"] == "good"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("retake ", {"film", "generate", "completion"}),
        ("retake ep", {"episode"}),
        ("retake batch ", {"pause", "resume"}),
        ("retake compile --tr", {"--transition"}),
    ],
)
def test_the_shell_is_offered_commands_and_options(here: Path, line: str, offered: set[str]) -> None:
    words = line.split(" ")
    asked = {
        **os.environ,
        "_RETAKE_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "client"], env=asked, capture_output=True, text=True, check=False, timeout=60
    )
    assert offered <= set(done.stdout.split()), done.stdout + done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_the_command(shell: str) -> None:
    assert "_RETAKE_COMPLETE=complete_" + shell in run("completion", shell).stdout


def test_without_a_gateway_the_shell_is_offered_no_names(here: Path) -> None:
    assert completion.episodes("") == []
    assert completion.projects("L") == []


def test_an_estimate_says_about_what_it_costs_and_that_nothing_was_started() -> None:
    runs = [{"asset_id": "a", "kind": "video", "cost": {"amount": "0.42", "currency": "USD"}, "seconds": 41}]
    known = Estimate.model_validate(
        {"runs": runs, "cost": [{"amount": "0.420000", "currency": "USD"}], "seconds": 125, "missing": []}
    )
    assert summary(known) == "Nothing was started. 1 run, about 0.42 USD, about 2:05 min"
    assert summary(Estimate(runs=[], cost=[], seconds=None)) == "Nothing was started. 0 runs, duration not known yet"
