"""Orders: what a film of the episode's current state would be made of."""

from __future__ import annotations

from services.compiler.planning.film_order import FIRST_GUESS, expected_orders, order_from_request, preferences_of
from shared.contracts.events.gateway import CompileItem
from shared.contracts.values import AudioConfig, Output, Transition, TransitionStyle
from tests.support import events


def test_neighbours_with_committed_videos_are_rendered_together() -> None:
    segments = [events.timeline_segment(number=n) for n in range(1, 6)]
    timeline = events.episode_changed(segments=segments, music_asset_id="music")
    video = {s.video_asset_id: events.pinned() for s in segments if s.number != 3}
    orders, whole = expected_orders(timeline, video, FIRST_GUESS)
    assert [[i.number for i in o.items] for o in orders] == [[1, 2], [4, 5]]
    assert not whole
    video[segments[2].video_asset_id] = events.pinned()
    orders, whole = expected_orders(timeline, video, FIRST_GUESS)
    assert [[i.number for i in o.items] for o in orders] == [[1, 2, 3, 4, 5]]
    assert whole


def test_narration_music_and_transitions_come_along() -> None:
    fade = Transition(style=TransitionStyle.FADE)
    segment = events.timeline_segment(transition_after=fade)
    timeline = events.episode_changed(segments=[segment], music_asset_id="music")
    voice, music = events.pinned(), events.pinned()
    known = {segment.video_asset_id: events.pinned(), segment.narration_asset_id: voice, "music": music}
    ((order,), whole) = expected_orders(timeline, known, FIRST_GUESS)
    assert whole
    assert order.music == music
    assert order.items[0].narration == voice
    assert order.items[0].transition_after == fade


def test_nothing_committed_is_nothing_to_render() -> None:
    assert expected_orders(events.episode_changed(), {}, FIRST_GUESS) == ([], False)
    assert expected_orders(events.episode_changed(segments=[]), {}, FIRST_GUESS) == ([], True)


def test_odd_sizes_are_rounded_up() -> None:
    order = order_from_request(events.compile_requested(output=Output(width=853, height=480)))
    assert (order.output.width, order.output.height) == (854, 480)


def test_what_was_compiled_last_is_expected_next() -> None:
    fade, dissolve = Transition(style=TransitionStyle.FADE), Transition(style=TransitionStyle.DISSOLVE)
    segments = [events.timeline_segment(number=n) for n in range(1, 6)]
    segments[1] = segments[1].model_copy(update={"transition_after": dissolve})
    after = [fade, fade, None, fade]
    items = [
        CompileItem(segment_id=s.segment_id, number=s.number, video=events.pinned(), transition_after=t)
        for s, t in zip(segments[:4], after, strict=True)
    ]
    preferences = preferences_of(events.compile_requested(items=items, audio=AudioConfig(loudness_lufs=-14)))
    # Its own; chosen at the last film; chosen to be a cut; new, or last then: as most are.
    assert [preferences.after(s) for s in segments] == [fade, dissolve, None, fade, fade]
    assert preferences.audio.loudness_lufs == -14
    assert preferences_of(None).after(segments[0]) == Transition(style=TransitionStyle.DISSOLVE, duration_s=0.5)
    assert preferences_of(events.compile_requested()).after(segments[0]) == dissolve
