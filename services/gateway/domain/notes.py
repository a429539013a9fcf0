"""Notes: what a person says about a moment or a part of a version, and about where in its picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.gateway.domain.errors import Refusal, invalid
from shared.contracts.events.gateway import PinnedNote
from shared.contracts.messages import message, problem_text
from shared.contracts.values import AssetKind

MAX_NOTES: Final = 200  # of one version
MAX_TEXT: Final = 2000  # characters
MAX_DECISION_NOTES: Final = 50

PINNED_TEXT: Final = 200
"""Characters of a note that a film's timeline shows."""
PINNED_BYTES: Final = 100_000
"""As JSON, of all notes of a film: with the longest film they still fit in one record (see docs/decisions/0017)."""

MAX_PINNED: Final = 1000  # more never fit

PICTURES: Final = frozenset({AssetKind.VIDEO, AssetKind.STARTING_IMAGE, AssetKind.IMAGE})
TOLERANCE_S: Final = 0.05
"""A page knows a video's end from its own decoder, which may say a frame more than the container."""


@dataclass(frozen=True)
class Box:
    """A rectangle of the picture, in shares of its width and height from the top left."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, stored: Mapping[str, float] | None) -> Box | None:
        return None if stored is None else cls(**stored)

    def to_json(self) -> dict[str, float]:
        return {"x": self.x, "y": self.y, "width": self.width, "height": self.height}

    @property
    def place(self) -> str:
        """The third of the picture that its middle lies in, as a person calls it."""
        row = _third(self.y + self.height / 2)
        column = _third(self.x + self.width / 2)
        return _PLACES[row][column]


_PLACES: Final = (
    ("top left", "top", "top right"),
    ("left", "middle", "right"),
    ("bottom left", "bottom", "bottom right"),
)


def _third(share: float) -> int:
    return min(2, max(0, int(share * 3)))


@dataclass(frozen=True)
class Note:
    """`at` and `until` in seconds from the version's start; `until` None: a moment. `box` None: the whole picture."""

    note_id: str
    project_id: str
    episode_id: str
    asset_id: str
    version_id: str
    at: float
    until: float | None
    text: str
    box: Box | None
    user_id: str
    resolved_at: datetime | None
    revision: int


def check_note(kind: AssetKind, duration: float | None, at: float, until: float | None, box: Box | None) -> None:
    """Whether a version of that kind and length (seconds; None: it has none) has such a place. Raises Refusal
    invalid."""
    problems: list[tuple[str, str]] = []
    if duration is None:
        problems += [(f"/{name}", "must be left out: a picture has no times") for name, v in _times(at, until) if v]
    else:
        problems += [
            (f"/{name}", f"must be within the version, which ends at {duration:g} s")
            for name, v in _times(at, until)
            if v is not None and v > duration + TOLERANCE_S
        ]
    if until is not None and until <= at:
        problems.append(("/until", "must be later than at; leave it out for a moment"))
    if box is not None:
        if kind not in PICTURES:
            problems.append(("/box", "must be left out: a sound has no picture"))
        elif box.x + box.width > 1 + 1e-6 or box.y + box.height > 1 + 1e-6:
            problems.append(("/box", "must lie within the picture: x + width and y + height are at most 1"))
    if problems:
        raise invalid(*problems)


def _times(at: float, until: float | None) -> tuple[tuple[str, float | None], ...]:
    return ("at", at), ("until", until)


def check_author(note: Note, user_id: str, *, overrules: bool) -> None:
    """`overrules`: the caller may change what others wrote. Raises Refusal forbidden."""
    if note.user_id != user_id and not overrules:
        raise Refusal("forbidden", *problem_text("note_of_another"), required_role="owner")


def as_change(note_text: str, at: float, until: float | None, box: Box | None, *, timed: bool) -> str:
    """The note as a line of `prompt_modifications`: a model knows neither markers nor boxes. `timed`: the version has
    a duration."""
    where = message("note.place", place=box.place) if box else ""
    text = " ".join(note_text.split())
    if not timed:
        return message("note.in_picture", place=box.place, text=text) if box else text
    if until is None:
        return message("note.at", at=_seconds(at), where=where, text=text)
    return message("note.between", at=_seconds(at), until=_seconds(until), where=where, text=text)


def _seconds(value: float) -> str:
    return f"{value:.1f}"


def pinned(notes: Iterable[Mapping[str, Any]]) -> list[PinnedNote]:
    """As a film's request carries them, as many as fit. `notes`: rows in the order of the film."""
    kept: list[PinnedNote] = []
    room = PINNED_BYTES
    for note in notes:
        text = note["text"]
        short = text if len(text) <= PINNED_TEXT else text[: PINNED_TEXT - 1] + "…"
        one = PinnedNote(
            version_id=note["version_id"], at=note["at"], until=note["until"], text=short, by=note["user_id"]
        )
        room -= len(one.model_dump_json().encode()) + 1
        if room < 0:
            break
        kept.append(one)
    return kept
