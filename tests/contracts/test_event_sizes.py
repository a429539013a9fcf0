"""Every event at its worst, built from the API's own limits, fits in one record."""

from __future__ import annotations

from typing import Any, Final

import pytest

from services.gateway.commands.timeline import IDS_AT_ONCE
from services.gateway.domain.assets import MAX_DIRECTIONS
from services.gateway.domain.episodes import MAX_SEGMENTS
from services.gateway.domain.errors import Refusal
from services.gateway.domain.notes import MAX_PINNED, pinned
from services.gateway.domain.open_objects import MAX_CHARACTERS, MAX_TEXT, size_problem
from services.gateway.domain.settings import MAX_BYTES, merged, snapshot
from services.generator.domain.film_splits import MAX_SPANS
from services.generator.domain.problems import MOST_CAUSE_CHARACTERS
from shared.contracts.base import Event
from shared.contracts.events.compiler import Chapter, FilmReport
from shared.contracts.events.gateway import CompileItem, PinnedNote
from shared.contracts.events.generator import ImportClip
from shared.contracts.topics import MAX_RECORD_BYTES, TOPICS
from shared.contracts.values import (
    Actor,
    AudioConfig,
    Cost,
    Media,
    NarrationMix,
    ObjectRef,
    Output,
    Problem,
    Quality,
    Setting,
    SettingSource,
    Transition,
    TransitionStyle,
    Version,
)
from shared.core.ids import new_id
from shared.messaging.outbox import body_of
from tests.support import events

WIDEST: Final = "\U0001f3ac"  # four bytes; a control character has six as JSON, but counts as six, too
SUBJECT: Final = WIDEST * 255  # the longest name of a user: services/gateway/api/auth/oidc.py
SLUG: Final = "m" * 200
VARIANTS: Final = 4
MOST_RETIRED: Final = 1000  # of one asset at one commit: each commit retires all but the last three
REFERENCES, CHARACTERS = 10, 50


def _object() -> ObjectRef:
    key = f"versions/{new_id()}/starting_image-filmstrip.jpeg"
    return ObjectRef(bucket="generator", key=key, size=2**40, sha256="f" * 64, content_type="application/octet-stream")


def _open_object() -> dict[str, str]:
    """The largest object of settings or changes that a request can have."""
    found = {f"name{n}": WIDEST * (MAX_TEXT - 24) for n in range(MAX_CHARACTERS // MAX_TEXT)}
    assert size_problem(found) is None
    assert size_problem(found | {"more": WIDEST * MAX_TEXT}) is not None
    return found


ACTOR: Final = Actor(kind="user", user_id=SUBJECT)
COST: Final = Cost(amount="9" * 20, currency="USD", basis="estimated", calls=9999)
PROBLEM: Final = Problem(
    code="c" * 60,
    cause=WIDEST * MOST_CAUSE_CHARACTERS,
    recovery=WIDEST * 1000,
    retryable=True,
    provider_code="p" * 200,
)
MEDIA: Final = Media(
    width=7680, height=4320, duration_s=3599.123456, fps=59.94005994, frames=215_784, aspect_ratio="239:100",
    resolution="7680x4320", video_codec="prores_ks", audio_codec="pcm_s24le", sample_rate=192_000, channels=8,
    loudness_lufs=-23.123456,
)  # fmt: skip
SETTINGS: Final = {
    f"{part}{name}": Setting(value=value, source=SettingSource.PROJECT_NARRATION)
    for part in ("of the run", "of the project")
    for name, value in _open_object().items()
}


def _version() -> Version:
    words = [{"text": "w" * 20, "start_s": 3599.123456, "end_s": 3599.123456} for _ in range(MAX_DIRECTIONS // 10)]
    return Version(
        version_id=new_id(), version_number=9999, object=_object(), poster=_object(), filmstrip=_object(),
        proxy=_object(), last_frame=_object(), media=MEDIA,
        quality=Quality(reasons={f"measure{n}": "r" * 300 for n in range(20)}),
        directions=WIDEST * MAX_DIRECTIONS, model=SLUG, provider="replicate", seed=2**31,
        starting_image_version_id=new_id(), settings=SETTINGS, cost=COST, info={"words": words},
    )  # fmt: skip


def _settings() -> dict[str, Any]:
    """As many characters as may be set, with as long descriptions as fit together."""
    room = MAX_BYTES - 4 * len(str(_open_object()).encode()) - 4 * MAX_TEXT - 50_000
    longest = min(MAX_TEXT, room // CHARACTERS // 4 - 400)
    changes = {name: _open_object() for name in ("video", "image", "narration", "music")} | {
        "style": WIDEST * MAX_TEXT,
        "spend_cap": {"amount": "9", "currency": "USD"},
        "characters": [
            {
                "name": WIDEST * 200,
                "description": WIDEST * longest,
                "upload_ids": [f"{n:02}-{i:02}-{new_id()}" for i in range(REFERENCES)],
            }
            for n in range(CHARACTERS)
        ],
    }
    return merged({}, changes)


def _items() -> list[CompileItem]:
    def media() -> Any:
        slim = Media(duration_s=MEDIA.duration_s, audio_codec=MEDIA.audio_codec)
        return events.pinned(object=_object(), media=slim)

    after = Transition(style=TransitionStyle.DISSOLVE, duration_s=0.123456)
    return [
        CompileItem(segment_id=new_id(), number=n, video=media(), narration=media(), transition_after=after)
        for n in range(1, MAX_SEGMENTS + 1)
    ]


def _notes(version_id: str) -> list[PinnedNote]:
    note = {
        "version_id": version_id,
        "at": 3599.123456,
        "until": 3599.123456,
        "text": WIDEST * 2000,
        "user_id": SUBJECT,
    }
    found = pinned([note] * MAX_PINNED)
    assert 0 < len(found) < MAX_PINNED, "more than fit"
    return found


def _worst(topic: str) -> Event:
    text = WIDEST * MAX_TEXT
    decision = {"feedback": text, "suggested_changes": _open_object(), "actor": ACTOR}
    match topic:
        case "regenerate-requested":
            settings = _settings()
            uploads = [u for c in settings["characters"] for u in c["upload_ids"]]
            return events.regenerate_requested(
                label=f"Segment {WIDEST * 200}",
                overrides=_open_object() | dict.fromkeys(("directions", "style_adjustments", "character_prompt"), text),
                project_settings=snapshot(settings, Output(), {u: _object() for u in uploads}),
                input_object=_object(),
                input_url="u" * 2000,
                parent_run_id=new_id(),
                batch_id=new_id(),
                actor=ACTOR,
            )
        case "preview-ready":
            versions = [_version() for _ in range(VARIANTS)]
            return events.preview_ready(candidates=versions, problems=[PROBLEM] * VARIANTS, actor=ACTOR)
        case "complete":
            retired = [new_id() for _ in range(MOST_RETIRED)]
            return events.complete(version=_version(), retired=retired, cost=COST, actor=ACTOR)
        case "accepted":
            return events.accepted(feedback=text, actor=ACTOR)
        case "rejected":
            return events.rejected(**decision)
        case "decision-submitted":
            return events.decision_submitted(**decision)
        case "review-updated":
            return events.review_updated()
        case "cancel-requested":
            return events.cancel_requested(actor=ACTOR)
        case "progress":
            return events.progress(settings=SETTINGS, message_args={"label": text, "cause": text})
        case "failed":
            return events.failed(problem=PROBLEM, cost=COST)
        case "episode-changed":
            after = Transition(style=TransitionStyle.DISSOLVE, duration_s=0.123456)
            segments = [events.timeline_segment(number=n, transition_after=after) for n in range(MAX_SEGMENTS)]
            ids = [new_id() for _ in range(IDS_AT_ONCE)]
            return events.episode_changed(segments=segments, deleted_asset_ids=ids, music_asset_id=new_id())
        case "compile-requested":
            items = _items()
            mixes = {i.segment_id: NarrationMix(gain_db=-12.123456789, offset=3599.123456789) for i in items}
            return events.compile_requested(
                items=items,
                music=items[0].video,
                audio=AudioConfig(narration=mixes),
                texts_in_complete=True,
                notes=_notes(items[0].video.version_id),
                actor=ACTOR,
            )
        case "film-updated":
            report = FilmReport(
                chapters=[Chapter(title=WIDEST * 100, start_s=35_999.123) for _ in range(MAX_SEGMENTS)],
                unmeasured={f"measure{n}": "r" * 300 for n in range(10)},
            )
            warnings = [f"The narration of Segment {n} is not heard: {'w' * 100}" for n in range(3 * MAX_SEGMENTS)]
            files = {name: _object() for name in ("captions.vtt", "captions.srt", "timeline.otio")}
            return events.film_updated(report=report, warnings=warnings, files=files, object=_object(), media=MEDIA)
        case "import-requested":
            return events.import_requested(object=_object(), actor=ACTOR)
        case "import-ready":
            clips = [
                ImportClip(number=n, start_s=3599.123456, duration_s=9.123456, video=_object(), first_frame=_object())
                for n in range(MAX_SPANS)
            ]
            return events.import_ready(clips=clips, warnings=["w" * 500] * 50)
        case _:
            raise AssertionError(f"{topic} has no worst case: build it here from the API's limits")


@pytest.mark.parametrize("topic", TOPICS)
def test_the_largest_event_fits_in_one_record(topic: str) -> None:
    assert len(body_of(_worst(topic)).encode()) <= MAX_RECORD_BYTES


def test_settings_that_no_request_could_carry_are_refused_where_they_are_set() -> None:
    characters = [{"name": "Mia", "description": WIDEST * MAX_TEXT} for _ in range(CHARACTERS)]
    with pytest.raises(Refusal) as refused:
        merged({}, {"characters": characters})
    [error] = refused.value.extensions["errors"]
    assert error["pointer"] == "/characters"
    assert str(MAX_BYTES) in error["detail"]


def test_fifty_characters_described_in_chinese_can_be_set() -> None:
    characters = [{"name": "\u7c73\u5a05", "description": "\u591c" * MAX_TEXT} for _ in range(CHARACTERS)]
    assert len(merged({}, {"characters": characters})["characters"]) == CHARACTERS
