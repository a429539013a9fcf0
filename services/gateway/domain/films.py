"""Films: what an episode offers for one, which segments a film takes in which order and with which transitions, and how
long it will take."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from services.gateway.domain.errors import Refusal
from services.gateway.domain.messages import Message
from shared.contracts.events.compiler import FilmState
from shared.contracts.messages import message, problem_text
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
    """An asset with its committed version, if it has one. `committing`: the run whose version is accepted but not
    committed yet."""

    asset_id: str
    committing: str | None
    version_id: str | None
    object: ObjectRef | None
    media: Media


@dataclass(frozen=True)
class FilmSegment:
    segment_id: str
    number: int
    transition_after: Mapping[str, Any] | None
    video: FilmSource
    narration: FilmSource | None
    scene: str | None = None


SCENE_TITLE: Final = 80  # characters


def scene_title(scene: Mapping[str, Any]) -> str | None:
    """What a chapter is called: the scene's number and place, or what it is about; None if nothing is known of it."""
    number, place = scene.get("scene_number"), _one_line(scene.get("location")) or _one_line(scene.get("description"))
    name = f"Scene {number}" if number is not None else ""
    title = f"{name}: {place}" if name and place else name or place
    return textwrap.shorten(title, SCENE_TITLE, placeholder="…") if " " in title else title[:SCENE_TITLE] or None


def _one_line(text: Any) -> str:
    return " ".join(text.split()) if isinstance(text, str) else ""


@dataclass(frozen=True)
class FilmParts:
    """An episode at one moment, its segments in film order."""

    episode_id: str
    project_id: str
    owner_id: str
    timeline_version: int
    output: Output
    segments: tuple[FilmSegment, ...]
    music: FilmSource | None

    def committing_videos(self, segment_ids: Sequence[str] | None) -> dict[str, str]:
        """{segment id: run id} of the named segments (None: all) whose accepted video is not committed yet."""
        return {
            s.segment_id: s.video.committing
            for s in self.segments
            if s.video.committing and (segment_ids is None or s.segment_id in segment_ids)
        }

    def committing_sounds(self, segment_ids: Sequence[str] | None) -> list[str]:
        """The same for narrations and music. A film waits for them a little, but does without those that take
        longer."""
        narrations = [s.narration for s in self.segments if segment_ids is None or s.segment_id in segment_ids]
        return [source.committing for source in [*narrations, self.music] if source and source.committing]


Reason = Literal["unapproved", "not_in_episode", "repeated"]

# Measured on two cores with conformed 1080p segments: start and write, one transition, sound per second of film. The
# compiler's own estimate replaces this one with its first film-updated.
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
    """Segment ids. `chosen`: in film order; `refused`: named, but cannot be used; `left_out`: not named, and without a
    committed video."""

    chosen: tuple[str, ...]
    refused: tuple[tuple[str, Reason], ...] = ()
    left_out: tuple[str, ...] = ()


def select(segment_ids: Sequence[str] | None, approved: Mapping[str, bool]) -> Selection:
    """`approved`: every segment of the episode in film order, and whether it has a committed version.

    Without `segment_ids` every approved segment is chosen and the rest is left out; else each named one must be
    approved.
    """
    if segment_ids is None:
        chosen = tuple(s for s, ready in approved.items() if ready)
        left = tuple(s for s, ready in approved.items() if not ready)
        return Selection(chosen, () if chosen else tuple((s, "unapproved") for s in left), left)
    refused: list[tuple[str, Reason]] = []
    for place, segment_id in enumerate(segment_ids):
        if segment_id in segment_ids[:place]:
            refused.append((segment_id, "repeated"))
        elif segment_id not in approved:
            refused.append((segment_id, "not_in_episode"))
        elif not approved[segment_id]:
            refused.append((segment_id, "unapproved"))
    return Selection(tuple(segment_ids), tuple(dict.fromkeys(refused)))


def boundaries(
    chosen: Sequence[str],
    named: Sequence[Boundary],
    style: TransitionStyle | None,
    of_segment: Mapping[str, Mapping[str, Any] | None],
) -> list[Transition | None]:
    """The transition after each chosen segment: the one named for this film, else the film's style, else the segment's
    own, else a cut. None after the last segment."""
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
    """Seconds from the request until the film is ready; `durations` of its segments in seconds."""
    windows = sum(1 for t in transitions if t is not None and t.style is not TransitionStyle.CUT)
    return round(BASE_S + TRANSITION_S * windows + SOUND_S_PER_S * sum(durations), 1)


def misplaced_transitions(named: Sequence[Boundary], order: Sequence[str]) -> list[tuple[str, str]]:
    """(JSON pointer, problem) of transitions that are named twice, or after the last segment of `order`."""
    places = [b.after_segment_id for b in named]
    twice = [
        (f"/transitions/{i}/after_segment_id", "has a transition already")
        for i, segment_id in enumerate(places)
        if segment_id in places[:i]
    ]
    return twice + [
        (f"/transitions/{i}/after_segment_id", "is the last segment of this film; no transition can follow it")
        for i, segment_id in enumerate(places)
        if order and segment_id == order[-1]
    ]


MAX_NAMED: Final = 8
"""How many segments a sentence names for one reason; the problem's `segments` has all of them."""

_OF_ONE: Final[Mapping[Reason, str]] = {
    "unapproved": "problem.segment_unapproved",
    "not_in_episode": "problem.segment_not_in_episode",
    "repeated": "problem.segment_repeated",
}
_OF_SEVERAL: Final[Mapping[Reason, str]] = {
    "unapproved": "problem.segments_unapproved",
    "not_in_episode": "problem.segments_not_in_episode",
    "repeated": "problem.segments_repeated",
}
_RECOVERY: Final[Mapping[Reason, str]] = {
    "unapproved": "problem.segment_unapproved.recovery",
    "not_in_episode": "problem.segment_not_in_episode.recovery",
    "repeated": "problem.segment_repeated.recovery",
}


def not_compilable(refused: Sequence[tuple[str, Reason]], parts: FilmParts) -> Refusal:
    """Names segments by their numbers, and those that the episode does not have by their ids."""
    named = list(dict.fromkeys(refused))
    numbers = {s.segment_id: s.number for s in parts.segments}
    by_reason = {reason: [str(numbers.get(s, s)) for s, why in named if why == reason] for _, reason in named}
    cause = " ".join(_sentence(names, reason) for reason, names in by_reason.items())
    recovery = " ".join(dict.fromkeys(message(_RECOVERY[reason]) for _, reason in named))
    nothing = problem_text("not_compilable")
    return Refusal(
        "not-compilable",
        cause or nothing.cause,
        recovery or nothing.recovery,
        segments=[{"segment_id": s, "segment_number": numbers.get(s), "reason": reason} for s, reason in named],
    )


def _sentence(names: Sequence[str], reason: Reason) -> str:
    if len(names) == 1:
        return message(_OF_ONE[reason], label=names[0])
    shown = names
    if len(names) > MAX_NAMED:
        shown = [*names[:MAX_NAMED], message("problem.segments_more", count=len(names) - MAX_NAMED)]
    return message(_OF_SEVERAL[reason], labels=", ".join(shown[:-1]), last=shown[-1])


def film_message(code: str | None, cause: str | None) -> Message | None:
    """`cause`: why it failed, if it has."""
    return Message.stored(code, {"cause": cause} if cause else {})
