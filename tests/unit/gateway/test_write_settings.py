"""What a project's settings may say: what no run could use is refused when it is set, not when it is paid for."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.domain.models import settings_problems
from shared.contracts.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def problems(settings: dict[str, Any], *changed: str) -> dict[str, str]:
    return dict(settings_problems(settings, changed or settings, CATALOGUE, "animatic"))


@pytest.mark.parametrize(("section", "name", "value", "says"), [
    ("video", "modle", "x", "has no setting 'modle'"),
    ("video", "resolution", "9000p", "must be one of"),
    ("video", "duration", -3, "must be"),
    ("video", "aspect_ratio", "banana", "must be"),
    ("video", "model", "nobody/nothing", "There is no such model. Choose one of: "),
    ("video", "model", 5, "There is no such model"),
    ("video", "image_model", "animatic/camera", "There is no such model"),
    ("video", "seed", True, "must be"),
    ("narration", "speed", "fast", "must be"),
    ("music", "steps", 0, "must be"),
])  # fmt: skip
def test_what_no_model_takes_is_refused_where_it_stands(section: str, name: str, value: Any, says: str) -> None:
    found = problems({section: {name: value}})
    assert list(found) == [f"/{section}/{name}"]
    assert says in found[f"/{section}/{name}"]


@pytest.mark.parametrize("settings", [
    {"video": {"model": "animatic/camera", "resolution": "1080p", "duration": 5, "seed": 7, "image_model": None}},
    {"video": {"camera_fixed": True}},  # of another model of the kind, that a run may choose
    {"narration": {"language": "de"}},
    {},
])  # fmt: skip
def test_what_some_model_takes_is_stored(settings: dict[str, Any]) -> None:
    assert problems(settings) == {}


def test_what_was_stored_before_does_not_stand_in_the_way_of_another_section() -> None:
    stored = {"video": {"resolution": "1999p"}, "image": {"model": "animatic/storyboard"}}
    assert problems(stored, "image") == {}
    assert list(problems(stored, "video")) == ["/video/resolution"]


def test_the_sections_own_model_says_what_it_takes() -> None:
    found = problems({"video": {"model": "bytedance/seedance-1-lite", "resolution": "4000p"}})
    assert found == {"/video/resolution": 'must be one of 480p, 720p, 1080p, not "4000p".'}
