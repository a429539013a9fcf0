"""The texts of a film's versions: left out of its request, and taken from the versions' own events."""

from __future__ import annotations

from services.compiler.planning.pinned_versions import unknown_versions, with_texts
from shared.contracts.events.gateway import CompileItem, PinnedMedia
from shared.contracts.values import Media
from tests.support import events


def _item(number: int, video: PinnedMedia, narration: PinnedMedia | None = None) -> CompileItem:
    return CompileItem(segment_id=f"s{number}", number=number, video=video, narration=narration)


def _known(pinned: PinnedMedia, **facts: object) -> PinnedMedia:
    return pinned.model_copy(update=facts)


def test_each_version_gets_what_its_own_event_says() -> None:
    video, voice, music = events.pinned(media=Media(duration_s=2)), events.pinned(), events.pinned()
    known = {
        video.version_id: _known(video, directions="Pan", model="m/v", approved_by="ana", media=Media(width=16)),
        voice.version_id: _known(voice, directions="Hello.", language="de-AT"),
        music.version_id: _known(music, directions="Calm"),
    }
    slim = events.compile_requested(items=[_item(1, video, voice)], music=music, texts_in_complete=True)

    whole = with_texts(slim, known)

    assert unknown_versions(slim, known) == []
    assert (whole.items[0].video, whole.items[0].narration) == (known[video.version_id], known[voice.version_id])
    assert whole.music is not None and whole.music.directions == "Calm"
    assert with_texts(whole, {}) == whole, "what was found once stays when the rows are gone"


def test_an_older_request_that_carries_its_texts_waits_for_none() -> None:
    voice = events.pinned(directions="Hello.")
    request = events.compile_requested(items=[_item(1, events.pinned(), voice)])
    other = {voice.version_id: _known(voice, directions="Another.")}

    assert unknown_versions(request, {}) == []
    assert with_texts(request, other) is request


def test_a_version_whose_event_has_not_arrived_is_named_once() -> None:
    video, voice = events.pinned(), events.pinned()
    slim = events.compile_requested(items=[_item(1, video, voice), _item(2, video, voice)], texts_in_complete=True)
    assert unknown_versions(slim, {video.version_id: video}) == [voice.version_id]
    assert with_texts(slim, {video.version_id: video}).items[0].narration == voice
