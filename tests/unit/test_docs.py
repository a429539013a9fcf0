"""What a machine can check about the documents: links resolve, and generated pages are current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
