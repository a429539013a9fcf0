"""A run whose settings cannot be resolved is refused with a code, the cause and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.generator.domain.resolver import Effective, resolve
from shared.contracts.catalogue import load_catalogue
from shared.contracts.settings_resolver import PROMPT_CHANGES, ResolverRequest
from shared.contracts.values import AssetKind, ProjectSettings, SettingSource
from shared.core.errors import UserError

CATALOGUE = load_catalogue()


def effective(
    kind: AssetKind = AssetKind.VIDEO,
    overrides: dict[str, Any] | None = None,
    project: ProjectSettings | None = None,
    *,
    provider: str = "animatic",
) -> Effective:
    request = ResolverRequest(kind, {"directions": "Pan left"} | (overrides or {}), project or ProjectSettings())
    return resolve(request, CATALOGUE, default_provider=provider, fresh_seed=4711)


def test_a_run_works_with_every_setting_and_its_source() -> None:
    found = effective(overrides={"duration": 7})
    assert found.directions == "Pan left"
    assert found.settings["directions"].source is SettingSource.OVERRIDE
    assert found.settings["model"].value == found.model.slug == "animatic/camera"
    assert found.values()["duration"] == 7
    assert found.seed == 4711


def test_a_run_without_directions_is_refused() -> None:
    with pytest.raises(UserError) as refused:
        effective(overrides={"directions": "  "})
    assert refused.value.code == "directions_missing"


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


@pytest.mark.parametrize("model", ["nobody/nothing", "animatic/score"])
def test_an_unknown_or_unfit_model_is_refused_with_those_that_fit(model: str) -> None:
    with pytest.raises(UserError) as refused:
        effective(overrides={"model": model})
    assert refused.value.code == "model_unknown"
    assert "animatic/camera" in refused.value.recovery
    assert "animatic/speech" not in refused.value.recovery


def test_a_width_without_a_height_is_refused() -> None:
    with pytest.raises(UserError, match="width and height go together"):
        effective(AssetKind.IMAGE, {"width": 512})


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
@example(kind=AssetKind.VIDEO, overrides={"style_adjustments": "0"}, section={}, provider="animatic")
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
        if found.settings[name].source is not SettingSource.DEFAULT:
            assert found.model.problem_of(name, value) is None
    spoken = kind in (AssetKind.NARRATION, AssetKind.MUSIC)
    adjusted = {n for n in PROMPT_CHANGES if not spoken and isinstance(t := overrides.get(n), str) and t.strip()}
    assert set(found.settings) - set(found.model.properties) == {"model", "directions"} | adjusted
    assert (found.seed is not None) == found.model.takes_seed
