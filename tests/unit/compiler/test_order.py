"""What a film of the episode would be made of, as things stand."""

from __future__ import annotations

from services.compiler.domain.order import expected_orders, order_of
from shared.contracts.values import Output, Transition, TransitionStyle
from tests.support import events


def test_neighbours_with_committed_videos_are_rendered_together() -> None:
    segments = [events.timeline_segment(number=n) for n in range(1, 6)]
    timeline = events.episode_changed(segments=segments, music_asset_id="music")
    video = {s.video_asset_id: events.pinned() for s in segments if s.number != 3}
    orders, whole = expected_orders(timeline, video)
    assert [[i.number for i in o.items] for o in orders] == [[1, 2], [4, 5]]
    assert not whole
    video[segments[2].video_asset_id] = events.pinned()
    orders, whole = expected_orders(timeline, video)
    assert [[i.number for i in o.items] for o in orders] == [[1, 2, 3, 4, 5]]
    assert whole


def test_narration_music_and_transitions_come_along() -> None:
    fade = Transition(style=TransitionStyle.FADE)
    segment = events.timeline_segment(transition_after=fade)
    timeline = events.episode_changed(segments=[segment], music_asset_id="music")
    voice, music = events.pinned(), events.pinned()
    known = {segment.video_asset_id: events.pinned(), segment.narration_asset_id: voice, "music": music}
    ((order,), whole) = expected_orders(timeline, known)
    assert whole
    assert order.music == music
    assert order.items[0].narration == voice
    assert order.items[0].transition_after == fade


def test_nothing_committed_is_nothing_to_render() -> None:
    assert expected_orders(events.episode_changed(), {}) == ([], False)
    assert expected_orders(events.episode_changed(segments=[]), {}) == ([], True)


def test_odd_sizes_are_rounded_up() -> None:
    order = order_of(events.compile_requested(output=Output(width=853, height=480)))
    assert (order.output.width, order.output.height) == (854, 480)
