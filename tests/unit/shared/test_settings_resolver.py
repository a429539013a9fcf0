"""Settings resolve by one precedence, with their sources; values that the model does not take are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.catalogue import Catalogue, Model, load_catalogue
from shared.contracts.settings_resolver import (
    ExistingVersion,
    ResolverRequest,
    SettingProblem,
    UnsuitableModel,
    resolve_directions,
    resolve_model,
    resolve_settings,
)
from shared.contracts.values import AssetKind, Output, ProjectSettings, Setting, Settings, SettingSource, Version
from tests.support import events

CATALOGUE = load_catalogue()
OVERRIDE, EXISTING, DEFAULT = SettingSource.OVERRIDE, SettingSource.EXISTING, SettingSource.DEFAULT
FRESH = 4711


def made(settings: dict[str, Any] | None = None, **facts: Any) -> Version:
    stored = {n: Setting(value=v, source=DEFAULT) for n, v in (settings or {}).items()}
    return events.version(**({"model": "animatic/camera", "directions": "Old words"} | facts | {"settings": stored}))


@dataclass(frozen=True)
class Resolved:
    model: Model
    settings: Settings
    problems: tuple[SettingProblem, ...]


def resolve(
    kind: AssetKind = AssetKind.VIDEO,
    overrides: dict[str, Any] | None = None,
    project: ProjectSettings | None = None,
    existing: Version | None = None,
    *,
    provider: str = "animatic",
    catalogue: Catalogue = CATALOGUE,
) -> Resolved:
    version = ExistingVersion.of(existing) if existing else ExistingVersion()
    request = ResolverRequest(kind, overrides or {}, project or ProjectSettings(), version)
    model, model_source = resolve_model(request, catalogue, provider)
    resolved = resolve_settings(request, model, FRESH)
    named = {"model": Setting(value=model.slug, source=model_source)}
    if directions := resolve_directions(request):
        named["directions"] = directions
    return Resolved(model, named | resolved.settings, resolved.problems)


def source(found: Resolved, name: str) -> tuple[Any, SettingSource]:
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
    found = resolve(
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
    found = resolve(
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
    found = resolve(project=ProjectSettings(image={"model": A}, video={"model": "google/veo-3.1-fast"}))
    assert source(found, "model") == ("google/veo-3.1-fast", SettingSource.PROJECT_VIDEO)


def test_directions_come_from_the_request_else_from_the_committed_version() -> None:
    assert source(resolve(existing=made()), "directions") == ("Old words", EXISTING)
    assert source(resolve(overrides={"directions": "New"}, existing=made()), "directions") == ("New", OVERRIDE)
    assert source(resolve(overrides={"directions": "  "}, existing=made()), "directions") == ("Old words", EXISTING)
    assert "directions" not in resolve(overrides={"directions": ""}).settings


# --- models that change


def test_what_another_model_made_is_taken_over_where_this_one_takes_it() -> None:
    old = made({"duration": 5, "resolution": "480p", "camera_fixed": True}, model="bytedance/seedance-1-lite")
    found = resolve(overrides={"model": "google/veo-3.1-fast"}, existing=old)
    assert source(found, "duration") == (8, DEFAULT), "5 s is none of 4, 6, 8"
    assert source(found, "resolution") == ("1080p", DEFAULT)
    assert "camera_fixed" not in found.settings


def test_a_committed_model_that_is_gone_gives_way_to_the_default() -> None:
    assert source(resolve(existing=made(model="old/retired")), "model") == ("animatic/camera", DEFAULT)
    assert source(resolve(existing=made(model=None)), "model") == ("animatic/camera", DEFAULT)
    assert source(resolve(existing=made(model="animatic/score")), "model") == ("animatic/camera", DEFAULT)


def test_project_settings_for_other_models_are_left_alone() -> None:
    found = resolve(project=ProjectSettings(video={"camera_fixed": True, "duration": 4}))
    assert "camera_fixed" not in found.settings
    assert source(found, "duration") == (4, SettingSource.PROJECT_VIDEO)


def test_an_override_wins_over_a_project_value_that_the_model_refuses() -> None:
    found = resolve(overrides={"duration": 6}, project=ProjectSettings(video={"duration": 600}))
    assert source(found, "duration") == (6, OVERRIDE)


def test_a_null_says_nothing() -> None:
    assert source(resolve(overrides={"duration": None, "model": None}), "duration") == (5, DEFAULT)


def test_whole_numbers_stay_whole() -> None:
    found = resolve(overrides={"model": "bytedance/seedance-1-lite", "duration": 6.0})
    assert repr(found.settings["duration"].value) == "6"


# --- seeds


def test_each_run_draws_a_fresh_seed_unless_one_is_given() -> None:
    assert source(resolve(existing=made({"seed": 9})), "seed") == (FRESH, DEFAULT)
    assert source(resolve(overrides={"seed": 9}), "seed") == (9, OVERRIDE)
    assert source(resolve(project=ProjectSettings(video={"seed": 8})), "seed") == (8, SettingSource.PROJECT_VIDEO)


def test_a_model_without_seeds_gets_none() -> None:
    found = resolve(AssetKind.IMAGE, {"model": A, "seed": 9})
    assert "seed" not in found.settings


# --- sizes and shapes


def test_the_projects_output_is_the_default_shape() -> None:
    found = resolve(project=ProjectSettings(output=Output(width=1080, height=1920)))
    assert source(found, "aspect_ratio") == ("9:16", DEFAULT)
    assert source(found, "resolution") == ("1080p", DEFAULT)
    other = resolve(
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
    found = resolve(AssetKind.IMAGE, overrides, ProjectSettings(image=project))
    assert {name: found.settings[name].value for name in kept} == kept
    assert not set(gone) & set(found.settings)


def test_a_width_needs_a_height() -> None:
    (problem,) = resolve(AssetKind.IMAGE, {"width": 512}).problems
    assert problem == SettingProblem(None, OVERRIDE, "width and height go together.")


# --- problems


def test_each_value_that_the_model_does_not_take_is_a_problem_with_its_source() -> None:
    found = resolve(overrides={"duration": 61, "glitter": 1}, project=ProjectSettings(video={"resolution": "tiny"}))
    assert [(p.name, p.source) for p in found.problems] == [
        ("duration", OVERRIDE),
        ("glitter", OVERRIDE),
        ("resolution", SettingSource.PROJECT_VIDEO),
    ]
    assert source(found, "duration") == (5, DEFAULT), "the next place that has a usable value counts"


@pytest.mark.parametrize("model", ["nobody/nothing", "animatic/score", 7])
def test_an_unsuitable_model_is_reported_with_those_that_suit(model: Any) -> None:
    with pytest.raises(UnsuitableModel) as refused:
        resolve(overrides={"model": model})
    assert refused.value.source is OVERRIDE
    assert "animatic/camera" in refused.value.suitable
    assert "animatic/speech" not in refused.value.suitable
