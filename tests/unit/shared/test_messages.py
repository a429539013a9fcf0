"""The catalogue of user-visible texts: every code that a service sends has a text, and every text has a sender."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

from shared.contracts.messages import catalogue, message
from shared.contracts.values import AssetKind

ROOT: Final = Path(__file__).resolve().parents[3]
SOURCES: Final = [
    path
    for path in chain((ROOT / "services").rglob("*.py"), (ROOT / "shared").rglob("*.py"))
    if "node_modules" not in path.parts
]
# Codes that are put together from a prefix and a value.
COMPOSED: Final = {
    "preview.": [kind.value for kind in AssetKind],
    "complete.": [kind.value for kind in AssetKind],
    "import.": ["scanning", "cutting"],
}


def codes_in_services() -> set[str]:
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    prefixes = "|".join(sorted({code.partition(".")[0] for code in catalogue()}))
    quoted = re.findall(rf"""(?:["']|\+)((?:{prefixes})\.[a-z_.+]+)["']""", text)
    problems = {f"problem.{name}" for name in problems_in_services()}
    return (
        {part for code in quoted for part in code.split("+")}
        | problems
        | {f"{p}.recovery" for p in problems}
        | {prefix + value for prefix, values in COMPOSED.items() for value in values}
    )


def problems_in_services() -> set[str]:
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    return set(re.findall(r'(?:problem_text|(?<!\w)_problem)\(\s*"([a-z_]+)"', text))


def test_every_problem_has_a_cause_and_a_recovery() -> None:
    assert len(problems_in_services()) > 20
    missing = {f"problem.{n}{part}" for n in problems_in_services() for part in ("", ".recovery")} - set(catalogue())
    assert missing == set()


def test_every_text_of_the_catalogue_is_sent_by_a_service() -> None:
    assert set(catalogue()) - codes_in_services() == set()


@pytest.mark.parametrize("code", [prefix + value for prefix, values in COMPOSED.items() for value in values])
def test_a_composed_code_has_a_text(code: str) -> None:
    assert code in catalogue()


def test_every_code_that_is_formatted_has_a_text() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    formatted = re.findall(r'(?:message\(|code=|message_code=)"([a-z_]+\.[a-z_.+]+)"', text)
    assert len(formatted) > 10
    assert {part for code in formatted for part in code.split("+")} - set(catalogue()) == set()


def test_a_text_is_never_refused_for_an_unknown_code_or_a_missing_argument() -> None:
    assert message("run.of_a_newer_release") == "run.of_a_newer_release"
    assert message("run.started") == "Generating …"
    assert message("batch.started+batch.total", total=3) == (
        "Starting segment-by-segment generation... Total segments: 3"
    )
