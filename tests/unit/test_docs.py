"""What a machine can check about the documents: links resolve, and generated pages are current."""

from __future__ import annotations

import itertools
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer

from client.cli.main import GROUP, build
from docs.tools.settings_reference import SERVICES, settings_reference
from shared.contracts.messages import message

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def test_the_settings_reference_is_current() -> None:
    page = (ROOT / "docs" / "operations" / "settings.md").read_text()
    assert page == settings_reference(), "run `make contracts`"
    for settings in SERVICES.values():
        for name in settings.model_fields:
            assert f"_{name.upper()}`" in page


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_resolve(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://", "mailto:")):
            continue
        found = (document.parent / path) if path else document
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in _anchors(found)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_named_paths_exist(document: Path) -> None:
    """Code spans that begin with a folder of the repository; `<name>` and globs stand for anything."""
    folders = "services|shared|client|deploy|tests|bench|docs|samples|studio"
    named = re.findall(rf"`((?:{folders})/[\w./*<>-]+)`", document.read_text())
    assert [path for path in named if not list(ROOT.glob(re.sub(r"<[\w-]+>", "*", path)))] == []


def test_decisions_are_numbered_without_holes_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [page[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    assert re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text()) == pages


def _anchors(document: Path) -> set[str]:
    """The anchors that Markdown renderers derive from the headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {"".join(c for c in h.lower().replace(" ", "-") if c.isalnum() or c in "-_") for h in headings}


@pytest.mark.parametrize(
    ("key", "values", "shown"),
    [
        ("preview.video", {}, "Video ready for review"),
        ("preview.starting_image", {}, "Starting image ready for review"),
        ("complete.starting_image", {}, "Starting image regeneration complete"),
        ("problem.starting_image_missing", {}, "Regenerate the starting image first."),
        ("batch.started", {}, "Starting segment-by-segment generation..."),
        ("batch.total", {"total": 10}, "Total segments: 10"),
        ("run.segment_started", {"number": 1, "total": 10}, "Generating Segment 1/10..."),
        ("preview.segment", {"number": 1}, "Segment 1 completed! Ready for review."),
        ("review.accepted", {"number": 1}, "Segment 1 approved!"),
        ("run.regenerating_with_feedback", {"number": 1}, "Regenerating Segment 1 with your feedback..."),
        ("preview.new_version", {}, "New version ready for review!"),
        ("run.regenerating", {}, "Regenerating with new parameters..."),
        ("batch.all_approved", {"total": 10}, "All 10 segments approved!"),
        ("batch.ready_to_compile", {}, "Ready to compile final video?"),
        ("compile.started", {}, "Compiling final video..."),
        ("compile.completed", {}, "Final video ready!"),
    ],
)
def test_the_catalogue_has_the_texts_that_the_product_requires(key: str, values: dict[str, object], shown: str) -> None:
    assert message(key, **values) == shown


def _command_line() -> Any:
    """The `retake` command as installed: with the commands that this distribution adds by entry points."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    added = [EntryPoint(name, value, GROUP) for name, value in project["entry-points"][GROUP].items()]
    return typer.main.get_command(build(added=added))


def _documented_lines(text: str) -> Iterator[tuple[str, str]]:
    """Lines that call `retake`, from code spans and code blocks, each with the spans that follow it in its line."""
    blocks = "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE))
    for line in blocks.splitlines():
        if found := re.match(r"\s*(?:[A-Z_0-9]+=\S+\s+)*(retake\s.*)", line):
            yield found[1], ""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for line in prose.splitlines():
        for found in re.finditer(r"`(?:[A-Z_0-9]+='?\S+\s+)*(retake\s[^`]+)`([^|`]*(?:`[^`]*`[^|`]*)*)", line):
            rest = re.split(r"`(?:[A-Z_0-9]+=\S+\s+)*retake\s", found[0][1:])
            yield found[1], rest[0]
            for more in rest[1:]:
                yield "retake " + more.partition("`")[0], more.partition("`")[2]


def _resolve(whole: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The innermost command that the words name, and the words after it."""
    found = whole
    while hasattr(found, "commands") and words and words[0] in found.commands:
        found, words = found.commands[words[0]], words[1:]
    return found, words


def test_documented_commands_and_options_exist() -> None:
    """Every `retake …` of the documents is parsed by the real parser; nothing is run."""
    whole, wrong, lines = _command_line(), [], 0
    for document in DOCUMENTS:
        for line, rest in _documented_lines(document.read_text()):
            words = shlex.split(line.replace("…", "x"), comments=True)[1:]
            words = list(itertools.takewhile(lambda word: word not in ("|", "&&", ";", ">"), words))
            found, arguments = _resolve(whole, words)
            lines += 1
            if hasattr(found, "commands") and arguments[:1] != ["--help"]:
                if arguments:
                    wrong.append(f"{document.name}: {line}: no such command")
                continue
            known = {name for p in found.params for name in (*p.opts, *p.secondary_opts)}
            shown = re.findall(r"`(--?[a-z][\w-]*)", rest)
            named = [word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word)]
            wrong += [f"{document.name}: {line}: {n}" for n in (*named, *shown) if n not in known | {"--help", "-h"}]
            if arguments and not {"--help", "-h"} & {*arguments}:  # a command alone is only mentioned
                try:
                    found.make_context("retake", arguments)
                except Exception as e:
                    if "does not exist" not in str(e):  # a file of the reader
                        wrong.append(f"{document.name}: {line}: {e}")
    assert "\n".join(wrong) == ""
    assert lines > 60
