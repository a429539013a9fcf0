"""Request, cancel and rate films.

What a film is made from is pinned when it is requested, in one statement; nothing that happens later changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from services.gateway.commands.accounts import check_storage
from services.gateway.commands.stream_events import changed_event, resource_event
from services.gateway.domain.accounts import Caller
from services.gateway.domain.errors import invalid, invalid_state
from services.gateway.domain.films import (
    Boundary,
    FilmParts,
    FilmSegment,
    FilmSource,
    Selection,
    boundaries,
    estimated_seconds,
    misplaced_transitions,
    not_compilable,
    select,
)
from services.gateway.domain.messages import Message
from services.gateway.domain.notes import MAX_PINNED
from services.gateway.domain.notes import pinned as pinned_notes
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.compiler import FilmState
from shared.contracts.events.gateway import CancelRequested, CancelTarget, CompileItem, CompileRequested, PinnedMedia
from shared.contracts.messages import message
from shared.contracts.values import Actor, AudioConfig, CaptionMode, Media, Transition, TransitionStyle

EXPIRES_AFTER: Final = timedelta(hours=24)
_CANCELLABLE: Final = (FilmState.PENDING, FilmState.PROCESSING)


@dataclass(frozen=True)
class CompileEpisode:
    """`segment_ids` None: every segment with a committed video, in film order. `transition_style` None: each segment's
    own. `transitions`: exceptions after single segments."""

    episode_id: str
    segment_ids: Sequence[str] | None = None
    transition_style: TransitionStyle | None = None
    transitions: Sequence[Boundary] = ()
    audio_config: AudioConfig = field(default_factory=AudioConfig)
    captions: CaptionMode = CaptionMode.SOFT


@dataclass(frozen=True)
class RequestedFilm:
    """`left_out`: segments without a committed video."""

    compilation_id: str
    estimated_duration_s: float
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class StillCommitting:
    """Versions are accepted but not committed yet. Call again when these runs are complete."""

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
    """`last_try`: a video that is not committed yet is refused instead of waited for.

    Raises Refusal not-found, invalid (also if the request does not fit in an event), not-compilable, storage-full.
    """
    if batch_id is None:  # a batch is checked when it starts, and then made whole
        await check_storage(store, caller.project_id)
    parts = await _parts(store, caller, command)
    committing = parts.committing_videos(command.segment_ids)
    if not last_try and (runs := [*committing.values(), *parts.committing_sounds(command.segment_ids)]):
        return StillCommitting(tuple(runs))
    selection = select(command.segment_ids, {s.segment_id: s.video.version_id is not None for s in parts.segments})
    refused = [*selection.refused, *((s, "unapproved") for s in committing)]
    if refused or not selection.chosen:
        raise not_compilable(refused, parts)
    request = await _with_notes(store, _request(store, parts, selection, command, caller.actor, batch_id))
    store.check_size(request, message("problem.event_too_large.film"))
    seconds = estimated_seconds(
        [i.video.media.duration_s or 0 for i in request.items], [i.transition_after for i in request.items]
    )
    left_out = [{"segment_id": s, "reason": "unapproved"} for s in selection.left_out]
    now = store.now()
    queued = Message("compile.queued", {})
    await store.films.insert(request, parts.project_id, command.transition_style, left_out, seconds, queued, now)
    await store.publish(parts.project_id, parts.owner_id, request, correlation_id=correlation_id)
    await store.log(
        resource_event(
            "film-updated",
            parts.project_id,
            parts.episode_id,
            now,
            status="pending",
            news=queued,
            actor=caller.actor,
            compilation_job_id=request.compilation_id,
            progress=0,
            output_duration=None,
        )
    )
    return RequestedFilm(request.compilation_id, seconds, selection.left_out)


async def check_episode(store: Store, caller: Caller, command: CompileEpisode) -> None:
    """Checks what is known of a film before its segments are generated. Raises Refusal not-found, invalid,
    not-compilable."""
    parts = await _parts(store, caller, command)
    selection = select(command.segment_ids, dict.fromkeys((s.segment_id for s in parts.segments), True))
    if selection.refused:
        raise not_compilable(selection.refused, parts)


async def _parts(store: Store, caller: Caller, command: CompileEpisode) -> FilmParts:
    parts = caller.owned(await store.films.snapshot(command.episode_id), "episode")
    if command.segment_ids is not None and not command.segment_ids:
        raise invalid(("/segment_ids", "must not be empty; omit it to include every approved segment"))
    known = [s.segment_id for s in parts.segments]
    film = known if command.segment_ids is None else list(command.segment_ids)
    problems = [
        (f"/transitions/{i}/after_segment_id", "is not a segment of this film")
        for i, b in enumerate(command.transitions)
        if b.after_segment_id not in film
    ]
    problems += misplaced_transitions(command.transitions, _film_order(parts, command))
    problems += [
        (f"/audio_config/narration/{s}", "is not a segment of this episode")
        for s in command.audio_config.narration
        if s not in known
    ]
    if problems:
        raise invalid(*problems)
    return parts


def _film_order(parts: FilmParts, command: CompileEpisode) -> Sequence[str]:
    """The film's segments, as far as they are known before anything is refused."""
    if command.segment_ids is not None:
        return command.segment_ids
    return [s.segment_id for s in parts.segments if s.video.version_id is not None]


def _request(
    store: Store, parts: FilmParts, selection: Selection, command: CompileEpisode, actor: Actor, batch_id: str | None
) -> CompileRequested:
    by_id = {s.segment_id: s for s in parts.segments}
    own_transitions = {s.segment_id: s.transition_after for s in parts.segments}
    transitions = boundaries(selection.chosen, command.transitions, command.transition_style, own_transitions)
    items = [_item(by_id[s], transition) for s, transition in zip(selection.chosen, transitions, strict=True)]
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
        texts_in_complete=True,
        expires_at=store.now() + EXPIRES_AFTER,
        batch_id=batch_id,
        actor=actor,
    )


async def _with_notes(store: Store, request: CompileRequested) -> CompileRequested:
    """With the open notes about its versions, which become markers of its timeline."""
    versions = [v.version_id for i in request.items for v in (i.video, i.narration) if v]
    if request.music:
        versions.append(request.music.version_id)
    notes = await store.notes.open(versions, MAX_PINNED)
    return request.model_copy(update={"notes": pinned_notes(notes)}) if notes else request


def _item(segment: FilmSegment, transition: Transition | None) -> CompileItem:
    video = _pinned(segment.video)
    assert video is not None, "only segments with a committed video are chosen"
    return CompileItem(
        segment_id=segment.segment_id,
        number=segment.number,
        video=video,
        narration=_pinned(segment.narration),
        transition_after=transition,
        scene=segment.scene,
    )


def _pinned(source: FilmSource | None) -> PinnedMedia | None:
    """Only what the compiler does not know from the version's own event before it has planned the film: the request
    for the longest film has to fit in one record."""
    if source is None or source.version_id is None or source.object is None:
        return None
    return PinnedMedia(
        asset_id=source.asset_id,
        version_id=source.version_id,
        object=source.object,
        media=Media(duration_s=source.media.duration_s, audio_codec=source.media.audio_codec),
    )


def compile_to_json(command: CompileEpisode) -> dict[str, Any]:
    """As a batch stores the film that it requests at its end."""
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


async def cancel_compilation(store: Store, caller: Caller, compilation_id: str) -> None:
    """The compiler ends it, and reports that. Raises Refusal not-found, invalid-state."""
    film = caller.owned(await store.films.lock(compilation_id), "compilation")
    if film.state not in _CANCELLABLE:
        raise invalid_state("compilation", film.state, _CANCELLABLE)
    await store.films.save(compilation_id, store.now(), cancel_requested_at=store.now())
    await store.publish(
        film.project_id,
        film.owner_id,
        CancelRequested(
            target=CancelTarget.COMPILATION, target_id=compilation_id, episode_id=film.episode_id, actor=caller.actor
        ),
    )


async def rate_film(store: Store, caller: Caller, compilation_id: str, rating: int, feedback: str | None) -> None:
    """Replaces an earlier rating. Raises Refusal not-found, invalid-state, invalid."""
    if not 1 <= rating <= 5:
        raise invalid(("/rating", "must be from 1 to 5"))
    film = caller.owned(await store.films.lock(compilation_id), "compilation")
    if film.state is not FilmState.COMPLETED:
        raise invalid_state("compilation", film.state, [FilmState.COMPLETED])
    now = store.now()
    await store.films.save(compilation_id, now, rating=rating, feedback=feedback, rated_by=caller.user_id, rated_at=now)
    await store.log(changed_event(caller, film.episode_id, "compilation", compilation_id, now))
