"""The defaults shown next to a draft are those that a run would use; what no run could use is refused early."""

from __future__ import annotations

from typing import Any

from services.gateway.domain.run_parameters import RunParameters
from services.gateway.domain.run_settings import default_settings, run_problems
from shared.contracts.catalogue import load_catalogue
from shared.contracts.settings_resolver import ExistingVersion
from shared.contracts.values import AssetKind, Output, ProjectSettings


def shown(
    kind: AssetKind,
    project: ProjectSettings,
    model: str | None = None,
    existing: dict[str, Any] | None = None,
    duration: float | None = None,
) -> dict[str, Any]:
    version = ExistingVersion(model, settings=existing or {})
    return default_settings(kind, project, version, duration, load_catalogue(), "animatic")


def test_defaults_come_from_the_project_then_what_exists_then_the_model() -> None:
    none = shown(AssetKind.VIDEO, ProjectSettings())
    assert none["model"] == {"value": "animatic/camera", "source": "default"}
    assert none["duration"] == {"value": 5, "source": "default"}
    assert "seed" not in none
    existing = {"resolution": "480p", "duration": 3}
    kept = shown(AssetKind.VIDEO, ProjectSettings(), "animatic/camera", existing)
    assert kept["model"]["source"] == "existing"
    assert kept["resolution"] == {"value": "480p", "source": "existing"}
    project = ProjectSettings(video={"resolution": "720p", "model": "bytedance/seedance-1-lite"})
    chosen = shown(AssetKind.VIDEO, project, "animatic/camera", existing, duration=4)
    assert chosen["model"] == {"value": "bytedance/seedance-1-lite", "source": "project.video"}
    assert chosen["resolution"] == {"value": "720p", "source": "project.video"}
    assert chosen["duration"] == {"value": 4, "source": "override"}


def test_what_the_model_does_not_take_is_no_default() -> None:
    project = ProjectSettings(video={"resolution": "9000p"})
    assert shown(AssetKind.VIDEO, project).get("resolution", {}).get("value") != "9000p"
    assert shown(AssetKind.VIDEO, ProjectSettings(video={"model": "nobody/knows"})) == {}


def test_the_image_model_has_a_precedence_of_its_own() -> None:
    both = ProjectSettings(video={"image_model": "qwen/qwen-image"}, image={"model": "bytedance/seedream-4"})
    assert shown(AssetKind.STARTING_IMAGE, both)["model"] == {"value": "qwen/qwen-image", "source": "project.video"}
    one = ProjectSettings(image={"model": "bytedance/seedream-4"})
    assert shown(AssetKind.STARTING_IMAGE, one)["model"] == {"value": "bytedance/seedream-4", "source": "project.image"}


def test_the_shape_follows_the_projects_output() -> None:
    portrait = shown(AssetKind.VIDEO, ProjectSettings(output=Output(width=1080, height=1920)))
    assert portrait["aspect_ratio"] == {"value": "9:16", "source": "default"}


def refused(parameters: RunParameters, project: ProjectSettings | None = None) -> dict[str, str]:
    project = project or ProjectSettings()
    return dict(run_problems(parameters, AssetKind.VIDEO, project, ExistingVersion(), load_catalogue(), "animatic"))


def test_a_run_is_refused_where_its_request_names_what_the_model_does_not_take() -> None:
    assert refused(RunParameters("Pan", settings={"duration": 4, "seed": 7})) == {}
    assert list(refused(RunParameters("Pan", settings={"glitter": 1, "duration": 0}))) == [
        "/settings/glitter",
        "/settings/duration",
    ]
    assert "Choose one of" in refused(RunParameters("Pan", model="nobody/nothing"))["/model"]
    assert list(refused(RunParameters("x" * 4001, style_adjustments="x" * 4001))) == [
        "/directions",
        "/style_adjustments",
    ]


def test_a_projects_settings_are_not_the_requests_fault() -> None:
    assert refused(RunParameters("Pan"), ProjectSettings(video={"resolution": "9000p"})) == {}
