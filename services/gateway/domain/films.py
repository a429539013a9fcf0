"""What goes into a film: which segments, in which order, with which boundaries; and how long it will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from shared.contracts.events.compiler import FilmState
from shared.contracts.values import Actor, Media, ObjectRef, Output, Transition, TransitionStyle


@dataclass(frozen=True)
class Film:
    compilation_id: str
    project_id: str
    owner_id: str
    episode_id: str
    state: FilmState
    rev: int
    actor: Actor
    updated_at: datetime


@dataclass(frozen=True)
class FilmSource:
    """A committed version that a film may use. `committing`: a newer one is accepted and not yet committed."""

    asset_id: str
    committing: str | None
    version_id: str | None
    object: ObjectRef | None
    media: Media
    directions: str
    model: str | None
    approved_by: str | None
    committed_at: datetime | None = None
    language: str | None = None


@dataclass(frozen=True)
class FilmSegment:
    segment_id: str
    number: int
    transition_after: Mapping[str, Any] | None
    video: FilmSource
    narration: FilmSource | None


@dataclass(frozen=True)
class FilmParts:
    """An episode as one statement saw it, segments in film order."""

    episode_id: str
    project_id: str
    owner_id: str
    timeline_version: int
    output: Output
    segments: tuple[FilmSegment, ...]
    music: FilmSource | None


Reason = Literal["unapproved", "not_in_episode", "repeated"]
# Estimates for two cores and conformed 1080p segments: starting and writing, a transition's window, sound per second
# of film. A guess for the caller; the compiler's own estimate replaces it with its first film-updated.
BASE_S: Final = 2.0
TRANSITION_S: Final = 0.7
SOUND_S_PER_S: Final = 0.05


@dataclass(frozen=True)
class Boundary:
    """The transition after one segment of this film."""

    after_segment_id: str
    style: TransitionStyle
    duration: float | None = None


@dataclass(frozen=True)
class Selection:
    """`chosen` in film order; `refused` and `left_out` name the others with their reason."""

    chosen: tuple[str, ...]
    refused: tuple[tuple[str, Reason], ...] = ()
    left_out: tuple[str, ...] = ()


def select(asked: Sequence[str] | None, approved: Mapping[str, bool]) -> Selection:
    """`approved`: every segment of the episode in film order, and whether it has a committed version.

    Without `asked` every approved one is taken and the rest is left out; else each one asked for must be approved.
    """
    if asked is None:
        chosen = tuple(s for s, ready in approved.items() if ready)
        left = tuple(s for s, ready in approved.items() if not ready)
        return Selection(chosen, () if chosen else tuple((s, "unapproved") for s in left), left)
    refused: list[tuple[str, Reason]] = []
    for place, segment_id in enumerate(asked):
        if segment_id in asked[:place]:
            refused.append((segment_id, "repeated"))
        elif segment_id not in approved:
            refused.append((segment_id, "not_in_episode"))
        elif not approved[segment_id]:
            refused.append((segment_id, "unapproved"))
    return Selection(tuple(asked), tuple(dict.fromkeys(refused)))


def boundaries(
    chosen: Sequence[str],
    named: Sequence[Boundary],
    style: TransitionStyle | None,
    of_segment: Mapping[str, Mapping[str, Any] | None],
) -> list[Transition | None]:
    """The transition after each chosen segment: named for this film, else the film's style, else the segment's own,
    else a cut. Nothing follows the last one."""
    by_segment = {b.after_segment_id: b for b in named}
    found: list[Transition | None] = []
    for segment_id in chosen[:-1]:
        if boundary := by_segment.get(segment_id):
            found.append(_transition(boundary.style, boundary.duration))
        elif style is not None:
            found.append(_transition(style, None))
        elif own := of_segment.get(segment_id):
            found.append(Transition(**own))
        else:
            found.append(_transition(TransitionStyle.CUT, None))
    return [*found, None]


def _transition(style: TransitionStyle, seconds: float | None) -> Transition:
    if style is TransitionStyle.CUT:
        return Transition(style=style, duration_s=0)
    return Transition(style=style) if seconds is None else Transition(style=style, duration_s=seconds)


def estimated_seconds(durations: Sequence[float], transitions: Sequence[Transition | None]) -> float:
    """Until the film is ready, counted from the request."""
    windows = sum(1 for t in transitions if t is not None and t.style is not TransitionStyle.CUT)
    return round(BASE_S + TRANSITION_S * windows + SOUND_S_PER_S * sum(durations), 1)
