"""Documents, settings and changes: what is taken, what is refused and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.script.source import read_source
from services.gateway.api.schemas.episodes import Output as ShownOutput
from services.gateway.api.yaml_worker import read
from services.gateway.domain.documents import ImageSource, parse_document
from services.gateway.domain.errors import Refusal
from services.gateway.domain.outputs import changed_output, output_of_source, output_problems
from services.gateway.domain.run_parameters import RunParameters, merge_changes, type_problems
from services.gateway.domain.settings import merged, review_timeout_s, snapshot, with_defaults
from shared.contracts.values import AssetKind, Output, SegmentType, Transition, TransitionStyle

FULL: dict[str, Any] = {
    "title": "A film",
    "description": "Short",
    "output": {"width": 1280, "height": 720},
    "directions": {"music": "Calm"},
    "segments": [
        {
            "type": "shot",
            "scene_info": {
                "scene_number": 1,
                "location": "公司会议室",
                "description": "A meeting",
                "characters": ["Ana"],
                "dialogue": [{"character": "Ana", "text": "Hello."}, {"text": "And goodbye."}],
            },
            "duration": 5.2,
            "directions": {"video": "Push in"},
            "starting_image": {"upload_id": "u1"},
            "transition_after": {"style": "dissolve", "duration_s": 1},
        },
        {"starting_image": {"url": "https://example.org/a.jpg"}, "transition_after": "fade"},
    ],
}


def pointers(document: Any, **more: Any) -> list[str]:
    with pytest.raises(Refusal) as caught:
        parse_document(document, **more)
    assert caught.value.slug == "invalid"
    return [e["pointer"] for e in caught.value.extensions["errors"]]


def test_a_full_document() -> None:
    plan = parse_document(FULL)
    assert (plan.title, plan.music, plan.warnings) == ("A film", "Calm", ())
    first, second = plan.segments
    assert first.type is SegmentType.SHOT
    assert first.directions == {
        AssetKind.VIDEO: "Push in",
        AssetKind.STARTING_IMAGE: "A meeting",
        AssetKind.NARRATION: "Hello.\nAnd goodbye.",
    }
    assert first.starting_image == ImageSource(upload_id="u1")
    assert first.transition_after == Transition(style=TransitionStyle.DISSOLVE, duration_s=1)
    assert second.starting_image == ImageSource(url="https://example.org/a.jpg")
    assert second.transition_after == Transition(style=TransitionStyle.FADE)
    assert second.directions == {}


def test_unknown_keys_are_warnings_or_errors() -> None:
    document = {"title": "A", "mood": 1, "segments": [{"scene_info": {"weather": "rain"}}]}
    assert [w.split()[0] for w in parse_document(document).warnings] == ["/mood", "/segments/0/scene_info/weather"]
    assert pointers(document, strict=True) == ["/mood", "/segments/0/scene_info/weather"]
    assert pointers(FULL, strict=True) == ["/segments/0/starting_image", "/segments/1/starting_image"]


def test_a_deprecated_image_url_is_still_read() -> None:
    plan = parse_document({"title": "A", "segments": [{"starting_image_url": "https://example.org/a.jpg"}]})
    assert plan.segments[0].starting_image == ImageSource(url="https://example.org/a.jpg")
    assert "deprecated" in plan.warnings[0]


def test_a_segment_has_a_style_and_characters_of_its_own() -> None:
    (segment,) = parse_document(
        {"title": "A", "segments": [{"style": " at night ", "characters": "Ada is old"}]}, strict=True
    ).segments
    assert (segment.style, segment.characters) == ("at night", "Ada is old")


def test_one_text_for_a_shot_is_its_videos() -> None:
    plan = parse_document({"title": "A", "segments": [{"directions": "Push in"}]})
    assert plan.segments[0].directions[AssetKind.VIDEO] == "Push in"


def test_yaml_is_read_by_the_same_rules_as_by_the_command(tmp_path: Path) -> None:
    text = """
title: 2026-01-01
segments:
  - scene_info: {scene_number: 010, location: 42, characters: [No, 7, on, 1e3, 0x1F, 12:30:45, 1_000]}
  - {duration: 5., scene_info: {location: 1.5, description: ~}}
"""
    script = tmp_path / "script.yaml"
    script.write_text(text)
    assert read_source(script).data == read(text)
    document = parse_document(read(text), strict=True)
    assert document.title == "2026-01-01"
    scene = document.segments[0].scene_info
    assert scene is not None
    assert (scene["scene_number"], scene["location"]) == (10, "42")
    assert scene["characters"] == ["No", "7", "on", "1e3", "0x1F", "12:30:45", "1_000"]


def test_every_error_names_its_place() -> None:
    bad = {
        "type": "film",
        "duration": -1,
        "scene_info": {"scene_number": "one", "dialogue": [{}]},
        "directions": {"video": True},
        "starting_image": {},
        "transition_after": {"style": "wipe"},
    }
    assert sorted(pointers({"segments": [bad], "output": {"fps": 1}})) == [
        "/output/fps",
        "/segments/0/directions/video",
        "/segments/0/duration",
        "/segments/0/scene_info/dialogue/0/text",
        "/segments/0/scene_info/scene_number",
        "/segments/0/starting_image",
        "/segments/0/transition_after/style",
        "/segments/0/type",
        "/title",
    ]
    assert pointers([]) == ["/", "/title"]
    assert pointers({"title": "A", "segments": {}}) == ["/segments"]
    assert pointers({"title": "A", "segments": [{}] * 501}) == ["/segments"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "title",
                    "segments",
                    "directions",
                    "scene_info",
                    "dialogue",
                    "text",
                    "video",
                    "output",
                    "duration",
                    "starting_image",
                    "url",
                    "transition_after",
                    "style",
                    "type",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, st.booleans())
def test_no_document_breaks_the_parser(document: Any, strict: bool) -> None:
    refusal: Refusal | None = None
    try:
        parse_document(document, strict=strict)
    except Refusal as e:
        refusal = e
    assert refusal is None or (refusal.slug == "invalid" and refusal.extensions["errors"])


def test_settings_merge_one_level_deep() -> None:
    settings = merged({}, {"video": {"resolution": "720p", "seed": 1}, "style": "noir"})
    settings = merged(settings, {"video": {"seed": None, "duration": 4}, "review": {"deadline_minutes": None}})
    assert settings == {
        "video": {"resolution": "720p", "duration": 4},
        "style": "noir",
        "review": {"deadline_minutes": None},
    }
    assert review_timeout_s(settings) is None
    assert review_timeout_s({}) == 1800
    assert review_timeout_s(merged(settings, {"review": {"deadline_minutes": 0.5}})) == 30
    assert merged(settings, {"style": None, "review": None}) == {"video": {"resolution": "720p", "duration": 4}}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"output": {"fps": 1000}}, "/output/fps"),
        ({"workflow": "other"}, "/workflow"),
        ({"spend_cap": {"amount": "much"}}, "/spend_cap/amount"),
        ({"review": {"deadline_minutes": 0}}, "/review/deadline_minutes"),
        ({"video": 3}, "/video"),
        ({"nonsense": 1}, "/nonsense"),
        ({"spend_cap": {}}, "/spend_cap/amount"),
    ],
)
def test_wrong_settings(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Refusal) as caught:
        merged({}, changes)
    assert [e["pointer"] for e in caught.value.extensions["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ({"width": 641}, "/width must be even: 640 or 642"),
        ({"height": 361}, "/height must be even: 360 or 362"),
        ({"width": 16, "height": 36}, "/width must be at least 36 pixels"),
        ({"fps": 23}, "/fps must be 12, 23.976, 24, 25, 29.97, 30, 50, 59.94 or 60 frames per second"),
        ({"width": 3840, "height": 2880}, "/height must be at most 2160 pixels; the longer"),
        ({"width": 3842}, "/width must be at most 3840"),
        ({"fps": 24.5}, "/fps must be 12, 23.976, 24,"),
        ({"fps": "24"}, "/fps must be 12, 23.976, 24,"),
        ({"frame_rate": 24}, "/frame_rate must be 12, 23.976, 24,"),
        ({"frame_rate": "24/0"}, "/frame_rate must be 12, 23.976, 24,"),
        ({"frame_rate": "1e99999999"}, "/frame_rate must be 12, 23.976, 24,"),
        ({"fps": 25, "frame_rate": "24000/1001"}, "/frame_rate contradicts fps; give one of them"),
        ({"frames": 2}, "/frames is not a known field; choose one of: width, height, fps, fit, frame_rate"),
    ],
)
def test_outputs_that_are_not_made(output: dict[str, Any], text: str) -> None:
    ((pointer, detail),) = output_problems(output)
    assert f"{pointer} {detail}".startswith(text)
    for refused in (lambda: merged({}, {"output": output}), lambda: changed_output({}, output)):
        with pytest.raises(Refusal) as caught:
            refused()
        assert [e["pointer"] for e in caught.value.extensions["errors"]] == [f"/output{pointer}"]


@pytest.mark.parametrize("size", [(3840, 2160), (2160, 3840), (2160, 2160), (854, 480), (64, 36)])
def test_outputs_that_are_made(size: tuple[int, int]) -> None:
    for fps in (12, 24, 25, 30, 50, 60):
        requested = {"width": size[0], "height": size[1], "fps": fps}
        assert output_problems(requested) == []
        assert changed_output({"width": 2160, "height": 3840}, requested).width == size[0]


@pytest.mark.parametrize(
    ("given", "nominal", "exact"),
    [
        ({"fps": 23.976}, 24, "24000/1001"),
        ({"fps": 23.98}, 24, "24000/1001"),
        ({"fps": 24000 / 1001}, 24, "24000/1001"),
        ({"fps": 29.97}, 30, "30000/1001"),
        ({"frame_rate": "60000/1001"}, 60, "60000/1001"),
        ({"frame_rate": "59.94", "fps": 60}, 60, "60000/1001"),
        ({"fps": 24}, 24, "24"),
        ({"frame_rate": "25/1"}, 25, "25"),
    ],
)
def test_frame_rates_are_exact_however_they_are_written(given: dict[str, Any], nominal: int, exact: str) -> None:
    for before in ({}, {"fps": 50}, {"fps": 30, "frame_rate": "30000/1001"}):
        output = changed_output(before, given)
        assert (output.fps, str(output.rate)) == (nominal, exact)
        assert Output.model_validate(output.model_dump()) == output, "as stored and as published"
        assert changed_output(output.model_dump(), {"width": 640}).rate == output.rate
        kept = merged({"output": before}, {"output": given})["output"]
        assert str(Output(**kept).rate) == exact
        shown = ShownOutput.model_validate(output.model_dump())
        assert (shown.frame_rate, shown.fps) == (exact, round(float(output.rate), 3))
        assert changed_output({}, shown.model_dump()) == output, "what is read can be written back"


@pytest.mark.parametrize(
    ("film", "size", "rate"),
    [
        ((1080, 1920, 30000 / 1001), (1080, 1920), "30000/1001"),
        ((1920, 1080, 23.976), (1920, 1080), "24000/1001"),
        ((720, 576, 25.0), (720, 576), "25"),
        ((853, 481, 29.83), (852, 480), "30000/1001"),  # a phone's, odd and a little uneven
        ((4320, 7680, 30.02), (2160, 3840), "30"),
        ((3000, 3000, 15.0), (2160, 2160), "30"),
        ((640, 360, 20.0), (640, 360), "60"),
        ((640, 360, 48.0), (640, 360), "50"),
        ((640, 360, 240.0), (640, 360), "60"),
        ((30, 54, 10.0), (36, 64), "30"),
    ],
)
def test_the_output_of_an_imported_film_follows_it(
    film: tuple[int, int, float], size: tuple[int, int], rate: str
) -> None:
    output = output_of_source(*film)
    assert output_problems(output) == []
    assert (output["width"], output["height"], output["frame_rate"]) == (*size, rate)


def test_what_is_not_known_of_a_film_is_left_to_the_project() -> None:
    assert output_of_source(None, None, None) == {}
    assert output_of_source(10_000, 40, 24.0) == {"frame_rate": "24"}, "no film has this shape"


def test_an_output_of_before_the_bounds_stays_until_it_is_changed() -> None:
    odd = {"width": 641, "height": 361, "fps": 23}
    assert merged({"output": odd}, {"style": "noir"})["output"] == odd
    assert changed_output(odd, {}).width == 641
    with pytest.raises(Refusal, match="even"):
        changed_output(odd, {"fps": 24})


def test_a_snapshot_tells_what_is_set() -> None:
    settings = snapshot(
        {"video": {"seed": 3}, "characters": [{"name": "Ana", "upload_ids": ["u", "gone"]}]}, Output(), {}
    )
    assert settings.video == {"seed": 3}
    assert settings.characters[0].reference_images == []
    assert with_defaults({})["workflow"] == "step_by_step"


def test_changes_build_on_their_base() -> None:
    base = RunParameters("Pan left", "m", {"seed": 1}, "noir")
    assert merge_changes(
        base,
        {
            "prompt_modifications": "slowly",
            "style_adjustments": "grainy",
            "character_prompt": "glasses",
            "seed": 2,
            "mood": "x",
        },
    ) == RunParameters("Pan left\nslowly", "m", {"seed": 2}, "noir\ngrainy", "glasses")
    assert merge_changes(base, {"directions": "Tilt", "prompt_modifications": " "}).directions == "Tilt"
    assert merge_changes(RunParameters(), {"prompt_modifications": "slowly"}).directions == "slowly"
    assert type_problems({"directions": 3, "seed": True, "mood": 3}) == [
        ("directions", "must be a string"),
        ("seed", "must be a number"),
    ]


texts = st.none() | st.text(min_size=1, max_size=8)
numbers = st.dictionaries(st.sampled_from(["seed", "duration"]), st.integers())
wishes = st.builds(RunParameters, texts, texts, numbers, texts, texts)


@given(wishes, wishes)
def test_what_is_asked_survives_its_way_through_overrides(one: RunParameters, other: RunParameters) -> None:
    assert RunParameters.from_overrides(one.overrides()) == one
    both = one.over(other)
    assert both.over(other) == both
    assert both.directions == (one.directions if one.directions is not None else other.directions)
    assert both.settings == {**other.settings, **one.settings}


def test_directions_of_a_video_alone_are_enough_for_its_starting_image() -> None:
    plan = parse_document({"title": "t", "segments": [{"directions": {"video": "Pan left over a harbour"}}]})
    assert plan.segments[0].directions == {
        AssetKind.VIDEO: "Pan left over a harbour",
        AssetKind.STARTING_IMAGE: "Pan left over a harbour",
    }
