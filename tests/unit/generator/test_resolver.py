"""Settings resolve by one precedence, with their sources; what a model does not take is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.domain.resolver import Effective, Request, resolve
from shared.contracts.catalogue import Catalogue, load_catalogue
from shared.contracts.values import AssetKind, Output, ProjectSettings, Setting, SettingSource, Version
from shared.core.errors import UserError
from tests.support import events

CATALOGUE = load_catalogue()
OVERRIDE, EXISTING, DEFAULT = SettingSource.OVERRIDE, SettingSource.EXISTING, SettingSource.DEFAULT
FRESH = 4711


def made(settings: dict[str, Any] | None = None, **facts: Any) -> Version:
    stored = {n: Setting(value=v, source=DEFAULT) for n, v in (settings or {}).items()}
    return events.version(**({"model": "animatic/camera", "directions": "Old words"} | facts | {"settings": stored}))


def effective(
    kind: AssetKind = AssetKind.VIDEO,
    overrides: dict[str, Any] | None = None,
    project: ProjectSettings | None = None,
    existing: Version | None = None,
    *,
    provider: str = "animatic",
    catalogue: Catalogue = CATALOGUE,
) -> Effective:
    words = {"directions": "Pan left"} if existing is None else {}
    request = Request(kind, words | (overrides or {}), project or ProjectSettings(), existing)
    return resolve(request, catalogue, default_provider=provider, fresh_seed=FRESH)


def source(found: Effective, name: str) -> tuple[Any, SettingSource]:
    return found.settings[name].value, found.settings[name].source


# --- precedence, for every kind

LEVELS = ("override", "project", "existing", "default")
CASES = {  # kind, setting, the project's section, a value per level
    "video": (AssetKind.VIDEO, "duration", "video", (7, 8, 9, 5)),
    "narration": (AssetKind.NARRATION, "speed", "narration", (1.5, 1.25, 0.75, 1)),
    "music": (AssetKind.MUSIC, "duration", "music", (20, 40, 60, 30)),
    "image": (AssetKind.IMAGE, "size", "image", ("1K", "2K", "4K", None)),
    "starting image": (AssetKind.STARTING_IMAGE, "size", "image", ("1K", "2K", "4K", None)),
}
MODEL = {
    AssetKind.VIDEO: "animatic/camera",
    AssetKind.NARRATION: "animatic/speech",
    AssetKind.MUSIC: "animatic/score",
    AssetKind.IMAGE: "animatic/storyboard",
    AssetKind.STARTING_IMAGE: "animatic/storyboard",
}


@pytest.mark.parametrize("name", list(CASES))
@given(levels=st.sets(st.sampled_from(LEVELS[:3])))
def test_the_highest_level_that_says_something_counts(name: str, levels: set[str]) -> None:
    kind, setting, section, (over, proj, exist, built_in) = CASES[name]
    found = effective(
        kind,
        {setting: over, "directions": "Words"} if "override" in levels else {"directions": "Words"},
        ProjectSettings(**{section: {setting: proj}}) if "project" in levels else None,
        made({setting: exist}, model=MODEL[kind]) if "existing" in levels else None,
    )
    if "override" in levels:
        assert source(found, setting) == (over, OVERRIDE)
    elif "project" in levels:
        assert source(found, setting) == (proj, SettingSource(f"project.{section}"))
    elif "existing" in levels:
        assert source(found, setting) == (exist, EXISTING)
    elif built_in is None:
        assert setting not in found.settings
    else:
        assert source(found, setting) == (built_in, DEFAULT)


A, B, C = "bytedance/seedream-4", "google/nano-banana", "qwen/qwen-image"


@pytest.mark.parametrize("kind", [AssetKind.STARTING_IMAGE, AssetKind.IMAGE])
@given(levels=st.sets(st.sampled_from(["override", "video", "image", "existing"])))
def test_an_image_model_is_looked_for_in_the_video_settings_first(kind: AssetKind, levels: set[str]) -> None:
    project = ProjectSettings(
        video={"image_model": B} if "video" in levels else {}, image={"model": C} if "image" in levels else {}
    )
    found = effective(
        kind,
        {"directions": "Words"} | ({"model": A} if "override" in levels else {}),
        project,
        made(model="animatic/storyboard") if "existing" in levels else None,
        provider="replicate",
    )
    expected = (
        (A, OVERRIDE)
        if "override" in levels
        else (B, SettingSource.PROJECT_VIDEO)
        if "video" in levels
        else (C, SettingSource.PROJECT_IMAGE)
        if "image" in levels
        else ("animatic/storyboard", EXISTING)
        if "existing" in levels
        else (A, DEFAULT)
    )
    assert source(found, "model") == expected
    assert found.model.slug == expected[0]


def test_a_video_model_is_not_looked_for_in_the_image_settings() -> None:
    found = effective(project=ProjectSettings(image={"model": A}, video={"model": "google/veo-3.1-fast"}))
    assert source(found, "model") == ("google/veo-3.1-fast", SettingSource.PROJECT_VIDEO)


def test_directions_come_from_the_request_else_from_the_committed_version() -> None:
    assert source(effective(existing=made()), "directions") == ("Old words", EXISTING)
    assert source(effective(overrides={"directions": "New"}, existing=made()), "directions") == ("New", OVERRIDE)
    assert source(effective(overrides={"directions": "  "}, existing=made()), "directions") == ("Old words", EXISTING)
    with pytest.raises(UserError) as refused:
        effective(overrides={"directions": ""})
    assert refused.value.code == "directions_missing"


# --- models that change


def test_what_another_model_made_is_taken_over_where_this_one_takes_it() -> None:
    old = made({"duration": 5, "resolution": "480p", "camera_fixed": True}, model="bytedance/seedance-1-lite")
    found = effective(overrides={"model": "google/veo-3.1-fast"}, existing=old)
    assert source(found, "duration") == (8, DEFAULT), "5 s is none of 4, 6, 8"
    assert source(found, "resolution") == ("1080p", DEFAULT)
    assert "camera_fixed" not in found.settings


def test_a_committed_model_that_is_gone_gives_way_to_the_default() -> None:
    assert source(effective(existing=made(model="old/retired")), "model") == ("animatic/camera", DEFAULT)
    assert source(effective(existing=made(model=None)), "model") == ("animatic/camera", DEFAULT)
    assert source(effective(existing=made(model="animatic/score")), "model") == ("animatic/camera", DEFAULT)


@pytest.mark.parametrize(
    ("overrides", "project", "words"),
    [
        ({"duration": 61}, {}, ["duration", "from 1 to 60", "61"]),
        ({"resolution": "9000p"}, {}, ["resolution", "480p, 720p, 1080p"]),
        ({"glitter": 1}, {}, ["glitter", "aspect_ratio, duration, resolution, seed"]),
        ({"seed": -1}, {}, ["seed"]),
        ({"duration": "5"}, {}, ["duration"]),
        ({"duration": True}, {}, ["duration"]),
        ({}, {"resolution": "tiny"}, ["project.video", "resolution"]),
        ({"duration": 0, "resolution": "x"}, {}, ["duration", "resolution"]),
    ],
)
def test_what_the_model_does_not_take_is_refused_by_name(
    overrides: dict[str, Any], project: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(UserError) as refused:
        effective(overrides=overrides, project=ProjectSettings(video=project))
    assert refused.value.code == "settings_invalid"
    for word in words:
        assert word in refused.value.cause


def test_project_settings_for_other_models_are_left_alone() -> None:
    found = effective(project=ProjectSettings(video={"camera_fixed": True, "duration": 4}))
    assert "camera_fixed" not in found.settings
    assert source(found, "duration") == (4, SettingSource.PROJECT_VIDEO)


def test_an_override_wins_over_a_project_value_that_the_model_refuses() -> None:
    found = effective(overrides={"duration": 6}, project=ProjectSettings(video={"duration": 600}))
    assert source(found, "duration") == (6, OVERRIDE)


@pytest.mark.parametrize("model", ["nobody/nothing", "animatic/score"])
def test_an_unknown_or_unfit_model_is_refused_with_those_that_fit(model: str) -> None:
    with pytest.raises(UserError) as refused:
        effective(overrides={"model": model})
    assert refused.value.code == "model_unknown"
    assert "animatic/camera" in refused.value.recovery
    assert "animatic/speech" not in refused.value.recovery


def test_a_null_says_nothing() -> None:
    assert source(effective(overrides={"duration": None, "model": None}), "duration") == (5, DEFAULT)


def test_whole_numbers_stay_whole() -> None:
    found = effective(overrides={"model": "bytedance/seedance-1-lite", "duration": 6.0})
    assert repr(found.settings["duration"].value) == "6"


# --- seeds


def test_each_run_draws_a_fresh_seed_unless_one_is_given() -> None:
    assert source(effective(existing=made({"seed": 9})), "seed") == (FRESH, DEFAULT)
    assert source(effective(overrides={"seed": 9}), "seed") == (9, OVERRIDE)
    assert source(effective(project=ProjectSettings(video={"seed": 8})), "seed") == (8, SettingSource.PROJECT_VIDEO)


def test_a_model_without_seeds_gets_none() -> None:
    found = effective(AssetKind.IMAGE, {"model": A, "seed": 9})
    assert found.seed is None
    assert "seed" not in found.settings


# --- sizes and shapes


def test_the_projects_output_is_the_default_shape() -> None:
    found = effective(project=ProjectSettings(output=Output(width=1080, height=1920)))
    assert source(found, "aspect_ratio") == ("9:16", DEFAULT)
    assert source(found, "resolution") == ("1080p", DEFAULT)
    other = effective(
        overrides={"model": "google/veo-3.1-fast"}, project=ProjectSettings(output=Output(width=1080, height=1350))
    )
    assert source(other, "aspect_ratio") == ("9:16", DEFAULT), "the nearest that the model takes"


@pytest.mark.parametrize(
    ("overrides", "project", "kept", "gone"),
    [
        ({"aspect_ratio": "1:1"}, {"width": 512, "height": 512}, {"aspect_ratio": "1:1"}, ["width", "height"]),
        (
            {"width": 512, "height": 256},
            {"aspect_ratio": "1:1", "size": "2K"},
            {"width": 512},
            ["aspect_ratio", "size"],
        ),
        ({"width": 512, "height": 256, "aspect_ratio": "1:1"}, {}, {"width": 512}, ["aspect_ratio", "size"]),
    ],
)
def test_pixels_and_shapes_do_not_contradict_each_other(
    overrides: dict[str, Any], project: dict[str, Any], kept: dict[str, Any], gone: list[str]
) -> None:
    found = effective(AssetKind.IMAGE, overrides, ProjectSettings(image=project))
    assert {name: found.settings[name].value for name in kept} == kept
    assert not set(gone) & set(found.settings)


def test_a_width_without_a_height_is_refused() -> None:
    with pytest.raises(UserError, match="width and height go together"):
        effective(AssetKind.IMAGE, {"width": 512})


# --- everything else holds for any input

JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(
    [
        "duration",
        "resolution",
        "aspect_ratio",
        "seed",
        "size",
        "width",
        "height",
        "speed",
        "language",
        "model",
        "voice",
        "nonsense",
        "style_adjustments",
    ]
)


@given(
    kind=st.sampled_from(AssetKind),
    overrides=st.dictionaries(NAMES, JSON, max_size=4),
    section=st.dictionaries(NAMES, JSON, max_size=4),
    provider=st.sampled_from(["animatic", "replicate"]),
)
def test_whatever_is_asked_it_resolves_to_what_the_model_takes_or_is_refused(
    kind: AssetKind, overrides: dict[str, Any], section: dict[str, Any], provider: str
) -> None:
    project = ProjectSettings(video=section, image=section, narration=section, music=section)
    refused = None
    try:
        found = effective(kind, overrides, project, provider=provider)
    except UserError as e:
        refused = e
    if refused:
        assert refused.cause
        assert refused.recovery
        return
    assert kind in found.model.kinds
    for name, value in found.values().items():
        if found.settings[name].source is not DEFAULT:
            assert found.model.problem_of(name, value) is None
    assert set(found.settings) - set(found.model.properties) == {"model", "directions"}
    assert (found.seed is not None) == found.model.takes_seed
