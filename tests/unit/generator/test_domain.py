"""States, frames, tolerances, prompts, backoff, commit times: the generator's rules without a database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.generator.domain.backoff import FIRST_S, MAX_S, REQUESTED_MAX_S, retry_delay
from services.generator.domain.frames import Frame, frame_of
from services.generator.domain.prompts import styled_prompt
from services.generator.domain.runs import commit_time
from services.generator.domain.states import ACTIVE, SOURCES_OF, TERMINAL, WORKING, RunState, may_become
from services.generator.domain.tolerances import ExpectedOutput, OutputDiffers, check_output, differences
from shared.contracts.frame_sizes import parse_ratio, ratio_label, resolution_label
from shared.contracts.values import AssetKind, Character, Media, Output, ProjectSettings, Setting, SettingSource
from tests.support import events

# --- states


class RunLife(RuleBasedStateMachine):
    """Any order of attempts to move a run: it ends at most once, and never wakes up."""

    def __init__(self) -> None:
        super().__init__()
        self.state = RunState.QUEUED
        self.ends = 0
        self.offered = False

    @rule(to=st.sampled_from(RunState))
    def move(self, to: RunState) -> None:
        before = self.state
        if may_become(before, to):
            self.state = to
            self.ends += to in TERMINAL
            self.offered |= to is RunState.PREVIEW_READY
        if before in TERMINAL:
            assert self.state is before

    @invariant()
    def ends_once(self) -> None:
        assert self.ends == (self.state in TERMINAL)

    @invariant()
    def only_what_was_offered_is_decided(self) -> None:
        if self.state in (RunState.COMPLETE, RunState.REJECTED, RunState.EXPIRED):
            assert self.offered

    @precondition(lambda self: self.state in ACTIVE)
    @invariant()
    def an_active_run_can_always_be_ended(self) -> None:
        assert may_become(self.state, RunState.CANCELLED)
        assert may_become(self.state, RunState.FAILED)


TestRunLife = RunLife.TestCase


def test_the_table_is_complete_and_nothing_returns_to_queued() -> None:
    assert set(SOURCES_OF) == set(RunState)
    assert not SOURCES_OF[RunState.QUEUED]
    assert WORKING < ACTIVE
    assert all(sources <= ACTIVE for sources in SOURCES_OF.values())


# --- frames


def chosen(**values: Any) -> dict[str, Setting]:
    return {name: Setting(value=value, source=SettingSource.OVERRIDE) for name, value in values.items()}


@pytest.mark.parametrize(
    ("asked", "output", "expected"),
    [
        ({}, (1920, 1080), (1920, 1080)),
        ({}, (1281, 721), (1280, 720)),
        ({"resolution": "720p"}, (1920, 1080), (1280, 720)),
        ({"aspect_ratio": "9:16"}, (1920, 1080), (1080, 1920)),
        ({"aspect_ratio": "1:1", "resolution": "480p"}, (1920, 1080), (480, 480)),
        ({"aspect_ratio": "21:9", "resolution": "2160p"}, (1920, 1080), (4096, 1756)),
        ({"size": "2K", "aspect_ratio": "16:9"}, (1920, 1080), (2048, 1152)),
        ({"size": "1K"}, (1080, 1920), (576, 1024)),
        ({"width": 512, "height": 301}, (1920, 1080), (512, 300)),
    ],
)
def test_what_was_asked_becomes_pixels(
    asked: dict[str, Any], output: tuple[int, int], expected: tuple[int, int]
) -> None:
    found = frame_of(chosen(**asked), Output(width=output[0], height=output[1]))
    assert (found.width, found.height) == expected


@pytest.mark.parametrize(
    ("resolution", "ratio", "frame"),
    [
        ("768p", "16:9", Frame(1366, 768)),  # the output in words is the output itself
        ("480p", "16:9", Frame(854, 480)),  # the model's own: what it is really asked for
        ("768p", "1:1", Frame(768, 768)),
    ],
)
def test_a_default_is_the_output_unless_the_model_has_another(resolution: str, ratio: str, frame: Frame) -> None:
    settings = {
        "resolution": Setting(value=resolution, source=SettingSource.DEFAULT),
        "aspect_ratio": Setting(value=ratio, source=SettingSource.DEFAULT),
    }
    assert frame_of(settings, Output(width=1366, height=768)) == frame


@given(
    width=st.integers(16, 3840),
    height=st.integers(16, 3840),
    ratio=st.none() | st.sampled_from(["16:9", "9:16", "1:1", "21:9"]),
    resolution=st.none() | st.sampled_from(["480p", "1080p", "2160p"]),
)
def test_frames_are_even_and_within_limits(width: int, height: int, ratio: str | None, resolution: str | None) -> None:
    asked = {n: v for n, v in (("aspect_ratio", ratio), ("resolution", resolution)) if v}
    frame = frame_of(chosen(**asked), Output(width=width, height=height))
    assert frame.width % 2 == frame.height % 2 == 0
    assert 2 <= frame.width <= 4096
    assert 2 <= frame.height <= 4096
    if ratio and frame.short_side > 200:
        assert frame.aspect == pytest.approx(parse_ratio(ratio), rel=0.02)


@pytest.mark.parametrize(
    ("size", "ratio", "resolution"),
    [
        ((1920, 1080), "16:9", "1080p"),
        ((1920, 1088), "16:9", "1080p"),
        ((1080, 1920), "9:16", "1080p"),
        ((864, 480), "16:9", "480p"),
        ((1000, 1000), "1:1", "1000p"),
        ((1000, 430), "21:9", "430p"),
        ((1000, 100), "10:1", "100p"),
    ],
)
def test_pixels_become_words(size: tuple[int, int], ratio: str, resolution: str) -> None:
    assert ratio_label(*size) == ratio
    assert resolution_label(*size) == resolution


# --- tolerances (R7)

HD = ExpectedOutput(Frame(1920, 1080), 5.0)
GOOD: dict[str, Any] = {"width": 1920, "height": 1080, "duration_s": 5.0, "fps": 24.0, "video_codec": "h264"}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"height": 1088},
        {"duration_s": 5.5},
        {"duration_s": 4.5},
        {"fps": 12.0},
        {"fps": 120.0},
        {"width": 1824, "height": 1026},
    ],
)
def test_differences_within_the_tolerance_pass(change: dict[str, Any]) -> None:
    check_output(AssetKind.VIDEO, HD, Media(**(GOOD | change)))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"duration_s": 5.51}, "5.51 s"),
        ({"duration_s": 4.4}, "4.40 s"),
        ({"duration_s": None}, "0.00 s"),
        ({"fps": 11.9}, "11.9"),
        ({"fps": 121.0}, "121"),
        ({"fps": None}, "0 frames"),
        ({"width": 1822, "height": 1025}, "smaller"),
        ({"height": 1125}, "1125"),
        ({"height": 1042}, "1042"),
        ({"video_codec": None}, "no picture"),
    ],
)
def test_differences_beyond_it_fail_in_words(change: dict[str, Any], word: str) -> None:
    with pytest.raises(OutputDiffers, match=word) as differs:
        check_output(AssetKind.VIDEO, HD, Media(**(GOOD | change)))
    assert differs.value.retryable
    assert differs.value.recovery


def test_long_videos_may_differ_by_a_share() -> None:
    asked = ExpectedOutput(None, 60.0)
    check_output(AssetKind.VIDEO, asked, Media(**(GOOD | {"duration_s": 62.9})))
    with pytest.raises(OutputDiffers):
        check_output(AssetKind.VIDEO, asked, Media(**(GOOD | {"duration_s": 63.1})))


def test_missing_sound_fails_what_is_there_to_be_heard() -> None:
    check_output(AssetKind.VIDEO, HD, Media(**GOOD))
    for kind in (AssetKind.NARRATION, AssetKind.MUSIC):
        with pytest.raises(OutputDiffers, match="no sound"):
            check_output(kind, ExpectedOutput(), Media(duration_s=5.0))
    with pytest.raises(OutputDiffers, match="no sound"):
        check_output(AssetKind.VIDEO, ExpectedOutput(HD.frame, 5.0, sound=True), Media(**GOOD))


@pytest.mark.parametrize(
    ("media", "named"),
    [
        ({}, {}),
        ({"duration_s": 5.04}, {}),  # less than a frame of 1/24 s
        ({"duration_s": 5.042}, {"duration": (5.0, 5.042)}),
        ({"duration_s": 4.958}, {"duration": (5.0, 4.958)}),
        (
            {"width": 1920, "height": 1088},
            {
                "resolution": ("1920x1080", "1920x1088"),
            },
        ),
        ({"width": 1916, "height": 1078}, {"resolution": ("1920x1080", "1916x1078")}),
        ({"fps": 23.976}, {"fps": (24.0, 23.976)}),
    ],
)
def test_what_was_made_is_told_against_what_was_asked(media: Any, named: Any) -> None:
    asked = ExpectedOutput(Frame(1920, 1080), 5.0, fps=24)
    found = Media(**{"width": 1920, "height": 1080, "duration_s": 5.0, "fps": 24.0} | media)
    assert {d.field: (d.asked, d.made) for d in differences(AssetKind.VIDEO, asked, found)} == named


def test_of_a_picture_the_shape_was_asked_for_and_of_a_sound_a_tenth_of_a_second_is_nothing() -> None:
    frame = ExpectedOutput(Frame(1920, 1080))
    assert differences(AssetKind.IMAGE, frame, Media(width=1344, height=756)) == []
    (shape,) = differences(AssetKind.IMAGE, frame, Media(width=1360, height=752))
    assert (shape.field, shape.asked, shape.made) == ("aspect_ratio", "16:9", "1.81:1")
    assert differences(AssetKind.MUSIC, ExpectedOutput(duration_s=30), Media(duration_s=30.09)) == []
    assert differences(AssetKind.MUSIC, ExpectedOutput(duration_s=30), Media(duration_s=30.4))


def test_images_may_be_half_as_large() -> None:
    check_output(AssetKind.IMAGE, ExpectedOutput(Frame(2048, 2048)), Media(width=1024, height=1024))
    with pytest.raises(OutputDiffers):
        check_output(AssetKind.IMAGE, ExpectedOutput(Frame(2048, 2048)), Media(width=1022, height=1022))


# --- prompts

PROJECT = ProjectSettings(
    style="Ink, muted", characters=[Character(name="Ada", description="red coat"), Character(name="Bo")]
)


def prompt(kind: AssetKind, directions: str, adjustments: Mapping[str, str] | None = None, **request: Any) -> str:
    requested = events.regenerate_requested(**{"asset_kind": kind, "project_settings": PROJECT} | request)
    settings = {n: Setting(value=v, source=SettingSource.EXISTING) for n, v in (adjustments or {}).items()}
    return styled_prompt(requested, directions, settings)


def test_pictures_take_style_and_characters() -> None:
    found = prompt(AssetKind.VIDEO, "Pan left")
    assert found == "Pan left\n\nStyle: Ink, muted\n\nCharacters: Ada: red coat; Bo"


def test_the_segments_own_texts_and_then_the_assets_extend_them() -> None:
    changes = {"style_adjustments": "warmer", "character_prompt": "Ada wears glasses"}
    found = prompt(AssetKind.IMAGE, "A quay", changes, segment_style="at night", segment_characters="Bo is old")
    assert "Style: Ink, muted, at night, warmer" in found
    assert "Characters: Ada: red coat; Bo, Bo is old, Ada wears glasses" in found


@pytest.mark.parametrize("kind", [AssetKind.NARRATION, AssetKind.MUSIC])
def test_what_is_heard_has_no_looks(kind: AssetKind) -> None:
    found = prompt(kind, "Once upon a time", {"style_adjustments": "warmer"}, segment_style="at night")
    assert found == "Once upon a time"


def test_nothing_is_added_where_there_is_nothing() -> None:
    assert prompt(AssetKind.VIDEO, "Pan left", project_settings=ProjectSettings()) == "Pan left"


# --- time


@given(attempt=st.integers(2, 60), chance=st.floats(0, 1), asked=st.none() | st.floats(0, 1e6))
def test_waiting_grows_but_not_for_ever_and_respects_what_was_asked(
    attempt: int, chance: float, asked: float | None
) -> None:
    delay = retry_delay(attempt, random=chance, requested_s=asked)
    assert FIRST_S / 2 <= delay <= max(MAX_S, REQUESTED_MAX_S)
    assert delay >= min(asked or 0, REQUESTED_MAX_S)
    assert retry_delay(attempt + 1, random=chance) >= retry_delay(attempt, random=chance)


MOMENTS = st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(times=st.lists(MOMENTS, min_size=2, max_size=8))
def test_commit_times_always_rise_by_whole_milliseconds(times: list[datetime]) -> None:
    previous: datetime | None = None
    for now in times:
        found = commit_time(now, previous)
        assert found.microsecond % 1000 == 0
        if previous:
            assert found - previous >= timedelta(milliseconds=1)
        previous = found
