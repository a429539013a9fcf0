"""A hand-over as an OpenTimelineIO document, which editing programs import.

What the format has no field for (gains, fades, ducking, who made a version) is in `metadata.retake`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

import opentimelineio as otio

from services.compiler.planning.handover import Blend, Edit, Handover, SoundTrack, VideoTrack
from services.compiler.planning.sound_plan import RATE
from shared.contracts.events.gateway import CompileRequested, PinnedNote
from shared.contracts.frame_rates import Rate
from shared.contracts.values import TransitionStyle

OURS: Final = "retake"


def to_otio(request: CompileRequested, handover: Handover) -> str:
    """The JSON document. Paths of media are relative to its own."""
    timeline = otio.schema.Timeline(
        name="Retake film",
        global_start_time=otio.opentime.RationalTime(0, float(handover.fps)),
        metadata={
            OURS: {
                "compilation_id": request.compilation_id,
                "episode_id": request.episode_id,
                "timeline_version": request.timeline_version,
                "output": request.output.model_dump(mode="json"),
                "frames": handover.frames,
                "speech": [{"from": first, "to": stop, "rate": RATE} for first, stop in handover.speech],
            }
        },
    )
    notes: dict[str, list[PinnedNote]] = {}
    for note in request.notes:
        notes.setdefault(note.version_id, []).append(note)
    timeline.tracks.append(_pictures(handover.video, handover.fps, notes))
    timeline.tracks.extend(_sounds(track, notes) for track in handover.sound)
    return str(otio.adapters.write_to_string(timeline, "otio_json"))


Notes = Mapping[str, Sequence[PinnedNote]]
"""Open notes by the id of the version that they are about."""


def _pictures(video: VideoTrack, fps: Rate, notes: Notes) -> otio.schema.Track:
    track = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
    for edit, blend in zip(video.edits, [*video.blends, None], strict=True):
        clip = _clip(edit, fps)
        if directions := edit.source.media.directions:
            clip.markers.append(
                otio.schema.Marker(
                    name=edit.name,
                    marked_range=clip.source_range,
                    color=otio.schema.MarkerColor.CYAN,
                    comment=directions,
                    metadata={OURS: {"segment_id": edit.segment_id, "directions": directions}},
                )
            )
        clip.markers.extend(_markers(edit, fps, notes))
        track.append(clip)
        if blend:
            track.append(_transition(blend, fps))
    return track


def _transition(blend: Blend, fps: Rate) -> otio.schema.Transition:
    """The format has dissolves only; a fade through black has that name."""
    return otio.schema.Transition(
        name=_blend_name(blend.style),
        transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
        in_offset=otio.opentime.RationalTime(blend.before, float(fps)),
        out_offset=otio.opentime.RationalTime(blend.after, float(fps)),
        metadata={OURS: {"style": blend.style.value, "through_black": blend.style is TransitionStyle.FADE}},
    )


def _blend_name(style: TransitionStyle) -> str:
    """What editing programs show."""
    match style:
        case TransitionStyle.FADE:
            return "Fade through black"
        case TransitionStyle.DISSOLVE:
            return "Dissolve"
        case TransitionStyle.CUT:
            raise ValueError("a cut is no blend")
        case _:
            assert_never(style)


def _sounds(sound: SoundTrack, notes: Notes) -> otio.schema.Track:
    track = otio.schema.Track(name=sound.name, kind=otio.schema.TrackKind.Audio)
    track.extend(_with_gaps(sound, notes))
    return track


def _markers(edit: Edit, rate: Rate, notes: Notes) -> Iterator[otio.schema.Marker]:
    """The notes about the part of the version that the edit shows, in the media's own time."""
    for note in notes.get(edit.source.media.version_id, ()):
        first = round(note.at * rate)
        stop = first + 1 if note.until is None else max(first + 1, round(note.until * rate))
        if first < edit.start + edit.length and stop > edit.start:
            yield otio.schema.Marker(
                name=note.by,
                marked_range=_range(first, stop - first, rate),
                color=otio.schema.MarkerColor.YELLOW,
                comment=note.text,
                metadata={OURS: {"note_by": note.by, "at": note.at, "until": note.until}},
            )


def _with_gaps(sound: SoundTrack, notes: Notes) -> Iterator[otio.schema.Item]:
    at = 0
    for edit in sound.edits:
        if edit.at > at:
            yield otio.schema.Gap(source_range=_range(0, edit.at - at, RATE))
        clip = _clip(edit, RATE)
        clip.markers.extend(_markers(edit, RATE, notes))
        yield clip
        at = edit.end


def _clip(edit: Edit, rate: Rate) -> otio.schema.Clip:
    media = edit.source.media
    ids: dict[str, Any] = {
        "segment_id": edit.segment_id,
        "asset_id": media.asset_id,
        "version_id": media.version_id,
        "model": media.model,
        "approved_by": media.approved_by,
    }
    if edit.level:
        ids |= {
            "gain_db": edit.level.gain_db,
            "fade_in_samples": edit.level.fade_in,
            "fade_out_samples": edit.level.fade_out,
            "ducked": edit.level.ducked,
        }
    reference = otio.schema.ExternalReference(
        target_url=edit.source.file,
        available_range=_range(0, edit.source.available, rate),
        metadata={OURS: {"version_id": media.version_id}},
    )
    reference.name = edit.source.file.rpartition("/")[2]
    return otio.schema.Clip(
        name=edit.name,
        media_reference=reference,
        source_range=_range(edit.start, edit.length, rate),
        metadata={OURS: ids},
    )


def _range(start: int, length: int, rate: Rate) -> otio.opentime.TimeRange:
    """OpenTimelineIO's rates are floating-point numbers; the nearest one to 24000/1001 stands for it everywhere."""
    per_s = float(rate)
    return otio.opentime.TimeRange(otio.opentime.RationalTime(start, per_s), otio.opentime.RationalTime(length, per_s))
