"""A film's timeline for an editing program: its plans as tracks of edits, each of which names a version's own file.

Pictures are in frames of the film's rate, sound in samples. Where two shots overlap, an editor cuts in the middle of
the overlap and extends the transition to both sides:

    film     [ left shot ........ )( `before` | `after` )( ........ right shot ]
    left     [0 ....................... N-after)             the rest is the transition's handle
    right                       [before ....................... M)

so that the lengths of the edits add up to the film's. Sounds that overlap lie on separate tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from services.compiler.planning.film_order import FilmOrder, name_of
from services.compiler.planning.film_plan import FilmPlan
from services.compiler.planning.sound_plan import RATE, Cue, SoundPlan, sample_of
from shared.contracts.events.gateway import CompileItem, PinnedMedia
from shared.contracts.frame_rates import Rate
from shared.contracts.values import TransitionStyle

FOLDER: Final = "media"


@dataclass(frozen=True)
class MediaSource:
    """A version's file as it lies next to the timeline, and how much of it there is, in its track's units."""

    file: str
    media: PinnedMedia
    available: int


@dataclass(frozen=True)
class ClipLevel:
    """Of a sound: how loud, its fades in samples, and whether it gives way to the voice."""

    gain_db: float
    fade_in: int
    fade_out: int
    ducked: bool


@dataclass(frozen=True)
class Edit:
    """[start, start + length) of a source, at `at` of the film."""

    name: str
    segment_id: str | None
    source: MediaSource
    at: int
    start: int
    length: int
    level: ClipLevel | None = None

    @property
    def end(self) -> int:
        return self.at + self.length


@dataclass(frozen=True)
class Blend:
    """Over the cut to the next edit: from `before` units ahead of it until `after` units past it."""

    style: TransitionStyle
    before: int
    after: int


@dataclass(frozen=True)
class VideoTrack:
    """One blend or None between two edits."""

    edits: tuple[Edit, ...]
    blends: tuple[Blend | None, ...]


@dataclass(frozen=True)
class SoundTrack:
    """Edits in order that never overlap; between them is silence."""

    name: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Handover:
    """`frames` long. `speech`: the spans, in samples, that ducked sounds give way to."""

    fps: Rate
    frames: int
    video: VideoTrack
    sound: tuple[SoundTrack, ...]
    speech: tuple[tuple[int, int], ...]


def plan_handover(
    order: FilmOrder, film: FilmPlan, sound: SoundPlan, *, own: dict[str, str], music: str | None
) -> Handover:
    """`own`: the stem of each segment's own sound, by segment id; `music`: the stem of the music."""
    items = {item.segment_id: item for item in order.items}
    return Handover(
        fps=order.output.rate,
        frames=film.frames,
        video=_video(items, film),
        sound=(
            *_tracks("Narration", _narrations(items, sound)),
            *_tracks("Music", _music(order, sound, music)),
            *_tracks("Segment sound", _own_sounds(items, film, order.output.rate, sound, own)),
        ),
        speech=sound.speech,
    )


def _video(items: dict[str, CompileItem], film: FilmPlan) -> VideoTrack:
    blends = [Blend(b.style, b.frames // 2, b.frames - b.frames // 2) if b.frames else None for b in film.boundaries]
    edits = []
    for shot, start, left, right in zip(film.shots, film.starts, [None, *blends], [*blends, None], strict=True):
        skip = left.before if left else 0
        handle = right.after if right else 0
        source = _source("segment", items[shot.segment_id], items[shot.segment_id].video, shot.clip.frames)
        length = shot.clip.frames - skip - handle
        edits.append(Edit(shot.name, shot.segment_id, source, start + skip, skip, length))
    return VideoTrack(tuple(edits), tuple(blends))


def _narrations(items: dict[str, CompileItem], sound: SoundPlan) -> list[Edit]:
    """The plan lists their cues first, in the order of `spoken`."""
    edits = []
    for spoken, cue in zip(sound.spoken, sound.cues, strict=False):
        item = items[spoken.segment_id]
        if item.narration:
            source = _source("narration", item, item.narration, _available(item.narration, cue))
            edits.append(_heard(f"Narration of {name_of(item)}", item.segment_id, source, cue))
    return edits


def _music(order: FilmOrder, sound: SoundPlan, stem: str | None) -> list[Edit]:
    if order.music is None:
        return []
    file = f"{FOLDER}/music{_suffix(order.music)}"
    cues = [cue for cue in sound.cues[len(sound.spoken) :] if cue.stem == stem]
    return [_heard("Music", None, MediaSource(file, order.music, _available(order.music, cue)), cue) for cue in cues]


def _own_sounds(
    items: dict[str, CompileItem], film: FilmPlan, fps: Rate, sound: SoundPlan, own: dict[str, str]
) -> list[Edit]:
    """Two segments may show the same file, so a cue is assigned by where it begins."""
    cues = {(cue.stem, cue.at): cue for cue in sound.cues[len(sound.spoken) :]}
    edits = []
    for shot, start in zip(film.shots, film.starts, strict=True):
        cue = cues.get((own.get(shot.segment_id, ""), sample_of(start, fps)))
        if cue:
            item = items[shot.segment_id]
            source = _source("segment", item, item.video, _available(item.video, cue))
            edits.append(_heard(f"Sound of {shot.name}", shot.segment_id, source, cue))
    return edits


def _heard(name: str, segment_id: str | None, source: MediaSource, cue: Cue) -> Edit:
    level = ClipLevel(cue.gain_db, cue.fade_in, cue.fade_out, cue.ducked)
    return Edit(name, segment_id, source, cue.at, cue.skip, cue.length, level)


def _available(media: PinnedMedia, cue: Cue) -> int:
    """The length in samples. A container's own length is rounded, so it is at least what is heard."""
    return max(round((media.media.duration_s or 0) * RATE), cue.skip + cue.length)


def _tracks(name: str, edits: Sequence[Edit]) -> list[SoundTrack]:
    """As few tracks as possible without overlaps: crossfaded sounds alternate between two."""
    rows: list[list[Edit]] = []
    for edit in sorted(edits, key=lambda e: e.at):
        row = next((r for r in rows if r[-1].end <= edit.at), None)
        if row is None:
            rows.append([edit])
        else:
            row.append(edit)
    return [SoundTrack(name if n == 1 else f"{name} {n}", tuple(row)) for n, row in enumerate(rows, 1)]


def _source(kind: str, item: CompileItem, media: PinnedMedia, available: int) -> MediaSource:
    return MediaSource(f"{FOLDER}/{kind}-{item.number:02}{_suffix(media)}", media, available)


def _suffix(media: PinnedMedia) -> str:
    return PurePosixPath(media.object.key).suffix
