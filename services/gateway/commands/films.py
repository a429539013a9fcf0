"""Request, cancel and rate films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from services.gateway.commands.stream_events import changed_event, resource_event
from services.gateway.domain.accounts import Caller
from services.gateway.domain.errors import Refusal, invalid, invalid_state, not_found
from services.gateway.domain.films import (
    Boundary,
    FilmParts,
    FilmSegment,
    FilmSource,
    Reason,
    Selection,
    boundaries,
    estimated_seconds,
    select,
)
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.compiler import FilmState
from shared.contracts.events.gateway import CancelRequested, CancelTarget, CompileItem, CompileRequested, PinnedMedia
from shared.contracts.messages import message
from shared.contracts.values import Actor, AudioConfig, CaptionMode, Transition, TransitionStyle

EXPIRES: Final = timedelta(hours=24)


@dataclass(frozen=True)
class CompileEpisode:
    """`segment_ids` None: every segment with a committed video, in film order. `transition_style` None: each segment's
    own. `transitions` name single boundaries."""

    episode_id: str
    segment_ids: Sequence[str] | None = None
    transition_style: TransitionStyle | None = None
    transitions: Sequence[Boundary] = ()
    audio_config: AudioConfig = field(default_factory=AudioConfig)
    captions: CaptionMode = CaptionMode.SOFT


@dataclass(frozen=True)
class RequestedFilm:
    compilation_id: str
    estimated_duration_s: float
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class StillCommitting:
    """Versions are accepted and about to be committed: call again when these runs are complete."""

    run_ids: tuple[str, ...]


async def compile_episode(
    store: Store,
    caller: Caller,
    command: CompileEpisode,
    *,
    last_try: bool = False,
    batch_id: str | None = None,
    correlation_id: str | None = None,
) -> RequestedFilm | StillCommitting:
    """Raises Refusal not-found, invalid, not-compilable: what still commits is refused if this is the last try."""
    parts = await _parts(store, caller, command)
    committing = _committing(parts, command.segment_ids)
    if not last_try and (runs := [*committing.values(), *_committing_sounds(parts, command.segment_ids)]):
        return StillCommitting(tuple(runs))
    selection = select(command.segment_ids, {s.segment_id: s.video.version_id is not None for s in parts.segments})
    refused = [*selection.refused, *((s, "unapproved") for s in committing)]
    if refused or not selection.chosen:
        raise _not_compilable(refused, parts)
    request = _request(store, parts, selection, command, caller.actor, batch_id)
    seconds = estimated_seconds(
        [i.video.media.duration_s or 0 for i in request.items], [i.transition_after for i in request.items]
    )
    left_out = [{"segment_id": s, "reason": "unapproved"} for s in selection.left_out]
    now = store.now()
    await store.films.insert(request, parts.project_id, left_out, seconds, now)
    await store.publish(parts.project_id, parts.owner_id, request, correlation_id=correlation_id)
    await store.log(
        resource_event(
            "film-updated",
            parts.project_id,
            parts.episode_id,
            now,
            status="pending",
            text=message("compile.queued"),
            actor=caller.actor,
            compilation_job_id=request.compilation_id,
            progress=0,
            output_duration=None,
        )
    )
    return RequestedFilm(request.compilation_id, seconds, selection.left_out)


async def check_episode(store: Store, caller: Caller, command: CompileEpisode) -> None:
    """What can be said about a film before its segments are made. Raises Refusal invalid, not-compilable."""
    parts = await _parts(store, caller, command)
    selection = select(command.segment_ids, dict.fromkeys((s.segment_id for s in parts.segments), True))
    if selection.refused:
        raise _not_compilable(selection.refused, parts)


async def _parts(store: Store, caller: Caller, command: CompileEpisode) -> FilmParts:
    parts = await store.films.snapshot(command.episode_id)
    if parts is None or parts.project_id != caller.project_id:
        raise not_found("episode")
    if command.segment_ids is not None and not command.segment_ids:
        raise invalid(("/segment_ids", "names no segment; leave it out for all that are approved"))
    known = [s.segment_id for s in parts.segments]
    film = known if command.segment_ids is None else list(command.segment_ids)
    wrong = [
        (f"/transitions/{i}/after_segment_id", "is not a segment of this film")
        for i, b in enumerate(command.transitions)
        if b.after_segment_id not in film
    ]
    wrong += _misplaced(command.transitions, _order(parts, command))
    wrong += [
        (f"/audio_config/narration/{s}", "is not a segment of this episode")
        for s in command.audio_config.narration
        if s not in known
    ]
    if wrong:
        raise invalid(*wrong)
    return parts


def _order(parts: FilmParts, command: CompileEpisode) -> Sequence[str]:
    """Of the film, as far as it is known before anything is refused."""
    if command.segment_ids is not None:
        return command.segment_ids
    return [s.segment_id for s in parts.segments if s.video.version_id is not None]


def _misplaced(named: Sequence[Boundary], order: Sequence[str]) -> list[tuple[str, str]]:
    places = [b.after_segment_id for b in named]
    twice = [
        (f"/transitions/{i}/after_segment_id", "has a transition already")
        for i, segment_id in enumerate(places)
        if segment_id in places[:i]
    ]
    return twice + [
        (f"/transitions/{i}/after_segment_id", "is the last segment of this film: nothing follows it")
        for i, segment_id in enumerate(places)
        if order and segment_id == order[-1]
    ]


def _committing(parts: FilmParts, asked: Sequence[str] | None) -> dict[str, str]:
    """Segments of the film whose video is accepted and not yet committed, with the run."""
    return {
        s.segment_id: s.video.committing
        for s in parts.segments
        if s.video.committing and (asked is None or s.segment_id in asked)
    }


def _committing_sounds(parts: FilmParts, asked: Sequence[str] | None) -> list[str]:
    """They are worth the wait, but a film does without a narration or music that takes longer."""
    narrations = [s.narration for s in parts.segments if asked is None or s.segment_id in asked]
    return [source.committing for source in [*narrations, parts.music] if source and source.committing]


def _request(
    store: Store, parts: FilmParts, selection: Selection, command: CompileEpisode, actor: Actor, batch_id: str | None
) -> CompileRequested:
    by_id = {s.segment_id: s for s in parts.segments}
    own = {s.segment_id: s.transition_after for s in parts.segments}
    after = boundaries(selection.chosen, command.transitions, command.transition_style, own)
    items = [_item(by_id[s], transition) for s, transition in zip(selection.chosen, after, strict=True)]
    music = parts.music if command.audio_config.background_music else None
    return CompileRequested(
        episode_id=parts.episode_id,
        compilation_id=store.new_id(),
        timeline_version=parts.timeline_version,
        items=items,
        music=_pinned(music),
        audio=command.audio_config,
        captions=command.captions,
        output=parts.output,
        expires_at=store.now() + EXPIRES,
        batch_id=batch_id,
        actor=actor,
    )


def _item(segment: FilmSegment, transition: Transition | None) -> CompileItem:
    video = _pinned(segment.video)
    assert video is not None, "only segments with a committed video are chosen"
    return CompileItem(
        segment_id=segment.segment_id,
        number=segment.number,
        video=video,
        narration=_pinned(segment.narration),
        transition_after=transition,
    )


def _pinned(source: FilmSource | None) -> PinnedMedia | None:
    if source is None or source.version_id is None or source.object is None:
        return None
    return PinnedMedia(
        asset_id=source.asset_id,
        version_id=source.version_id,
        object=source.object,
        media=source.media,
        directions=source.directions,
        model=source.model,
        approved_by=source.approved_by,
        language=source.language,
    )


NAMED: Final = 8  # of the segments that are refused for one reason; all of them are in the problem's `segments`
_WHY: Final = {
    "unapproved": "not approved yet",
    "not_in_episode": "not in this episode",
    "repeated": "named more than once",
}
_WHAT_TO_DO: Final = {
    "unapproved": "Approve it, or leave it out.",
    "not_in_episode": "Leave it out.",
    "repeated": "Name it once.",
}


def _not_compilable(refused: Sequence[tuple[str, Reason]], parts: FilmParts) -> Refusal:
    """By name: the segments' numbers, and ids of what the episode does not have."""
    named = list(dict.fromkeys(refused))
    numbers = {s.segment_id: s.number for s in parts.segments}
    by_reason = {reason: [str(numbers.get(s, s)) for s, why in named if why == reason] for _, reason in named}
    cause = " ".join(_told(names, _WHY[reason]) for reason, names in by_reason.items()) or "Nothing is approved yet."
    recovery = " ".join(dict.fromkeys(_WHAT_TO_DO[reason] for _, reason in named)) or "Approve a segment's video first."
    return Refusal(
        "not-compilable",
        cause,
        recovery,
        segments=[{"segment_id": s, "segment_number": numbers.get(s), "reason": reason} for s, reason in named],
    )


def _told(names: Sequence[str], why: str) -> str:
    if len(names) == 1:
        return f"Segment {names[0]} is {why}."
    shown = [*names[:NAMED], f"{len(names) - NAMED} more"] if len(names) > NAMED else names
    return f"Segments {', '.join(shown[:-1])} and {shown[-1]} are {why}."


def compile_to_json(command: CompileEpisode) -> dict[str, Any]:
    """As a batch keeps it until its end."""
    return {
        "segment_ids": None if command.segment_ids is None else list(command.segment_ids),
        "transition_style": command.transition_style,
        "transitions": [[b.after_segment_id, b.style, b.duration] for b in command.transitions],
        "audio_config": command.audio_config.model_dump(mode="json"),
        "captions": command.captions,
    }


def compile_from_json(episode_id: str, stored: Mapping[str, Any]) -> CompileEpisode:
    style = stored["transition_style"]
    return CompileEpisode(
        episode_id=episode_id,
        segment_ids=stored["segment_ids"],
        transition_style=TransitionStyle(style) if style else None,
        transitions=[Boundary(s, TransitionStyle(t), seconds) for s, t, seconds in stored["transitions"]],
        audio_config=AudioConfig(**stored["audio_config"]),
        captions=CaptionMode(stored["captions"]),
    )


_STOPPABLE = (FilmState.PENDING, FilmState.PROCESSING)


async def cancel_compilation(store: Store, caller: Caller, compilation_id: str) -> None:
    """The compiler ends it, and says so. Raises Refusal not-found, invalid-state."""
    film = await store.films.lock(compilation_id)
    if film is None or film.project_id != caller.project_id:
        raise not_found("compilation")
    if film.state not in _STOPPABLE:
        raise invalid_state("compilation", film.state, _STOPPABLE)
    await store.films.save(compilation_id, store.now(), cancel_requested_at=store.now())
    await store.publish(
        film.project_id,
        film.owner_id,
        CancelRequested(
            target=CancelTarget.COMPILATION, target_id=compilation_id, episode_id=film.episode_id, actor=caller.actor
        ),
    )


async def rate_film(store: Store, caller: Caller, compilation_id: str, rating: int, feedback: str | None) -> None:
    """The last rating counts. Raises Refusal not-found, invalid-state, invalid."""
    if not 1 <= rating <= 5:
        raise invalid(("/rating", "must be from 1 to 5"))
    film = await store.films.lock(compilation_id)
    if film is None or film.project_id != caller.project_id:
        raise not_found("compilation")
    if film.state is not FilmState.COMPLETED:
        raise invalid_state("compilation", film.state, [FilmState.COMPLETED])
    now = store.now()
    await store.films.save(compilation_id, now, rating=rating, feedback=feedback, rated_by=caller.user_id, rated_at=now)
    await store.log(changed_event(caller, film.episode_id, "compilation", compilation_id, now))
