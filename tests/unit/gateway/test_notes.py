"""Notes: which places a version has, what a note asks a model for, and how many a film's request carries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.errors import Refusal
from services.gateway.domain.notes import PINNED_BYTES, PINNED_TEXT, Box, as_change, check_note, pinned
from shared.contracts.values import AssetKind
from shared.core.ids import new_id

CORNER = Box(0.05, 0.7, 0.2, 0.2)


@pytest.mark.parametrize(
    ("kind", "duration", "at", "until", "box", "pointers"),
    [
        (AssetKind.VIDEO, 5.0, 0, None, None, []),
        (AssetKind.VIDEO, 5.0, 2.4, 5.0, CORNER, []),
        (AssetKind.VIDEO, 5.0, 5.04, None, None, []),
        (AssetKind.VIDEO, 5.0, 5.2, None, None, ["/at"]),
        (AssetKind.VIDEO, 5.0, 2, 6, None, ["/until"]),
        (AssetKind.VIDEO, 5.0, 2, 2, None, ["/until"]),
        (AssetKind.VIDEO, 5.0, 0, None, Box(0.9, 0, 0.2, 0.1), ["/box"]),
        (AssetKind.NARRATION, 5.0, 1, None, CORNER, ["/box"]),
        (AssetKind.STARTING_IMAGE, None, 0, None, CORNER, []),
        (AssetKind.STARTING_IMAGE, None, 1, None, None, ["/at"]),
    ],
)
def test_a_note_is_about_a_place_that_there_is(
    kind: AssetKind, duration: float | None, at: float, until: float | None, box: Box | None, pointers: list[str]
) -> None:
    try:
        check_note(kind, duration, at, until, box)
        found = []
    except Refusal as refusal:
        found = [e["pointer"] for e in refusal.extensions["errors"]]
    assert found == pointers


def test_a_note_says_to_a_model_when_and_where() -> None:
    assert as_change("Too\n slow", 2.41, None, None, timed=True) == "At 2.4 s: Too slow"
    assert as_change("Too slow", 2.4, 3.1, CORNER, timed=True) == (
        "From 2.4 s to 3.1 s, in the bottom left of the picture: Too slow"
    )
    assert as_change("Darker", 0, None, Box(0.4, 0.4, 0.1, 0.1), timed=False) == "In the middle of the picture: Darker"
    assert as_change("更暗", 0, None, None, timed=False) == "更暗"


@given(st.lists(st.text(min_size=1, max_size=2000), max_size=400))
def test_a_film_takes_as_many_notes_as_fit_in_its_order(texts: list[str]) -> None:
    rows = [{"version_id": new_id(), "at": n, "until": None, "text": t, "user_id": "u"} for n, t in enumerate(texts)]
    kept = pinned(rows)
    assert [n.version_id for n in kept] == [r["version_id"] for r in rows[: len(kept)]]
    assert all(len(n.text) <= PINNED_TEXT for n in kept)
    assert sum(len(n.model_dump_json().encode()) + 1 for n in kept) <= PINNED_BYTES
    assert len(kept) == len(rows) or len(rows) > 50
