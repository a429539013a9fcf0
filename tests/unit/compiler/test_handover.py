"""A film's timeline in an editing program equals the plans, to the frame and the sample, after a round trip."""

from __future__ import annotations

from typing import Any, cast

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.compiler.commands.films import describe_timeline
from services.compiler.commands.ports import Renderer
from services.compiler.planning.film_order import FilmOrder, order_from_request
from services.compiler.planning.film_parts import FilmPictures, FilmSound
from services.compiler.planning.film_plan import Clip, FilmPlan, Shot, plan_film
from services.compiler.planning.handover import plan_handover
from services.compiler.planning.sound_plan import RATE, SoundPlan, Sources, Stem, plan_sound
from services.compiler.rendering.otio import to_otio
from shared.contracts.events.gateway import CompileItem, CompileRequested, PinnedNote
from shared.contracts.values import AudioConfig, Media, NarrationMix, Transition, TransitionStyle
from tests.support import events

FADE = Transition(style=TransitionStyle.FADE, duration_s=0.5)
DISSOLVE = Transition(style=TransitionStyle.DISSOLVE, duration_s=0.46)  # 11 frames: an odd number
FPS = 24


def requested(afters: list[Transition | None], **overrides: Any) -> CompileRequested:
    items = [
        CompileItem(
            segment_id=f"s{n}",
            number=n,
            video=events.pinned(
                object=events.object_ref(key=f"versions/v{n}/video.mp4"), directions=f"Shot {n} — “Ä”, 夜"
            ),
            narration=events.pinned(
                object=events.object_ref(key=f"versions/n{n}/narration.mp3"), media=Media(duration_s=1.2)
            ),
            transition_after=after,
        )
        for n, after in enumerate(afters, 1)
    ]
    output = events.compile_requested().output.model_copy(update={"fps": FPS})
    music = events.pinned(object=events.object_ref(key="versions/m/music.wav"), media=Media(duration_s=3))
    return events.compile_requested(**({"items": items, "output": output, "music": music} | overrides))


def stem(key: str, seconds: float) -> Stem:
    return Stem(key, round(seconds * RATE), -20.0, (480, round(seconds * RATE) - 480))


def planned(request: CompileRequested, frames: list[int]) -> tuple[FilmOrder, FilmPlan, SoundPlan]:
    order = order_from_request(request)
    shots = [
        Shot(i.segment_id, f"Segment {i.number}", Clip(f"c{i.number}", n, (0,)), i.transition_after)
        for i, n in zip(order.items, frames, strict=True)
    ]
    film = plan_film(shots, FPS)
    sources = Sources(
        narration={i.segment_id: stem(f"n{i.number}", 1.2) for i in order.items},
        own={i.segment_id: stem("own", 2) for i in order.items},  # all show one file
        music=stem("music", 3),
    )
    return order, film, plan_sound(film, FPS, sources, order.audio)


def written(request: CompileRequested, frames: list[int]) -> tuple[otio.schema.Timeline, FilmPlan, SoundPlan]:
    order, film, sound = planned(request, frames)
    own = {item.segment_id: "own" for item in order.items}
    text = to_otio(request, plan_handover(order, film, sound, own=own, music="music"))
    return otio.adapters.read_from_string(text, "otio_json"), film, sound


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 150), st.sampled_from([None, FADE, DISSOLVE])), min_size=1, max_size=6))
def test_pictures_lie_where_the_plan_has_them(shots: list[tuple[int, Transition | None]]) -> None:
    timeline, film, _ = written(requested([after for _, after in shots]), [frames for frames, _ in shots])
    [track] = timeline.video_tracks()
    assert track.duration() == otio.opentime.RationalTime(film.frames, FPS)
    clips = list(track.find_clips())
    assert len(clips) == len(film.shots)
    for clip, shot, start in zip(clips, film.shots, film.starts, strict=True):
        shown = track.trimmed_range_of_child(clip)
        assert clip.source_range.start_time.value == shown.start_time.value - start  # the clip's frame 0 is at `start`
        assert clip.available_range().duration.value == shot.clip.frames
        with_handles, there_is = clip.visible_range(), clip.available_range()
        assert with_handles.start_time >= there_is.start_time
        assert with_handles.end_time_exclusive() <= there_is.end_time_exclusive()
    blended = [t for t in track if isinstance(t, otio.schema.Transition)]
    overlaps = [(s, b) for s, b in zip(film.starts[1:], film.boundaries, strict=True) if b.frames]
    assert [(t.range_in_parent().start_time.value, t.duration().value) for t in blended] == [
        (start, boundary.frames) for start, boundary in overlaps
    ]
    assert [t.metadata["retake"]["style"] for t in blended] == [b.style for _, b in overlaps]


def test_sounds_lie_where_the_plan_has_them() -> None:
    audio = AudioConfig(segment_sound="lower", narration={"s2": NarrationMix(offset=0.25, gain_db=-3)})
    timeline, _, sound = written(requested([DISSOLVE, FADE, None], audio=audio), [48, 48, 96])
    found = [
        (
            track.trimmed_range_of_child(clip).start_time.value,
            clip.source_range.start_time.value,
            clip.source_range.duration.value,
            clip.metadata["retake"]["gain_db"],
        )
        for track in timeline.audio_tracks()
        for clip in track.find_clips()
    ]
    assert sorted(found) == sorted((c.at, c.skip, c.length, c.gain_db) for c in sound.cues)
    assert {t.name for t in timeline.audio_tracks()} == {
        "Narration", "Music", "Music 2", "Segment sound", "Segment sound 2"
    }  # fmt: skip
    narrations = list(timeline.audio_tracks()[0].find_clips())
    assert [c.metadata["retake"]["segment_id"] for c in narrations] == [s.segment_id for s in sound.spoken]


def test_everything_has_its_file_its_version_and_its_directions() -> None:
    request = requested([FADE, None])
    timeline, _, _ = written(request, [48, 50])
    first, second = timeline.video_tracks()[0].find_clips()
    assert [first.media_reference.target_url, second.media_reference.target_url] == [
        "media/segment-01.mp4", "media/segment-02.mp4"
    ]  # fmt: skip
    assert first.media_reference.metadata["retake"]["version_id"] == request.items[0].video.version_id
    assert [(m.name, m.comment) for m in first.markers] == [("Segment 1", "Shot 1 — “Ä”, 夜")]
    heard = {c.media_reference.target_url for t in timeline.audio_tracks() for c in t.find_clips()}
    assert heard == {
        "media/narration-01.mp3", "media/narration-02.mp3", "media/music.wav",
        "media/segment-01.mp4", "media/segment-02.mp4",
    }  # fmt: skip
    [blend] = [t for t in timeline.video_tracks()[0] if isinstance(t, otio.schema.Transition)]
    assert (blend.name, blend.transition_type) == ("Fade through black", "SMPTE_Dissolve")
    assert timeline.metadata["retake"]["compilation_id"] == request.compilation_id


def test_open_notes_are_markers_in_the_time_of_their_version() -> None:
    first, second = requested([DISSOLVE, None]).items
    narration = first.narration
    assert narration
    notes = [
        PinnedNote(version_id=first.video.version_id, at=0.5, text="A moment", by="rob"),
        PinnedNote(version_id=second.video.version_id, at=1, until=1.5, text="A part", by="rea"),
        PinnedNote(version_id=second.video.version_id, at=0, text="Behind the transition", by="rea"),
        PinnedNote(version_id=narration.version_id, at=0.25, until=0.5, text="Too fast", by="rob"),
    ]
    request = requested([DISSOLVE, None], items=[first, second], notes=notes)
    timeline, _, _ = written(request, [48, 48])

    def said(clip: otio.schema.Clip) -> list[tuple[str, str, float, float]]:
        marks = [m for m in clip.markers if m.color == "YELLOW"]
        return [(m.name, m.comment, m.marked_range.start_time.value, m.marked_range.duration.value) for m in marks]

    assert [said(c) for c in timeline.video_tracks()[0].find_clips()] == [
        [("rob", "A moment", 12, 1)],
        [("rea", "A part", 24, 12)],
    ]
    [heard] = [said(c) for c in timeline.audio_tracks()[0].find_clips() if said(c)]
    assert heard == [("rob", "Too fast", RATE / 4, RATE / 4)]


@pytest.mark.parametrize("error", [RuntimeError("broken"), ValueError("not JSON")])
def test_a_timeline_that_cannot_be_written_is_left_out(error: Exception) -> None:
    class Broken:
        def timeline(self, *_: object) -> str:
            raise error

    request = requested([None])
    order, film, sound = planned(request, [48])
    film_sound = FilmSound(sound, (), None, None, {}, ())
    files = describe_timeline(request, order, FilmPictures(film, (), ()), film_sound, cast(Renderer, Broken()))
    assert files == {}
