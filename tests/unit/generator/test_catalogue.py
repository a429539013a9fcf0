"""The model catalogue: the built-in rows are sound, an operator's are checked, and a new model needs no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.catalogue import BadCatalogue, UnknownModel, load_catalogue
from shared.contracts.values import AssetKind

ROW: dict[str, Any] = {
    "provider": "replicate",
    "title": "New",
    "kinds": ["video"],
    "settings_schema": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"duration": {"type": "integer", "minimum": 1, "maximum": 9, "default": 4}},
    },
    "inputs": {"prompt": {"from": "prompt"}, "seconds": {"from": "settings.duration"}},
    "price": {"unit": "second", "amount": "0.01"},
}


def file_with(tmp_path: Path, **rows: Any) -> Path:
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"models": rows}))
    return path


def test_every_kind_has_an_offline_and_a_replicate_default() -> None:
    catalogue = load_catalogue()
    for kind in AssetKind:
        assert catalogue.get(catalogue.default(kind, "animatic")).provider == "animatic"
        assert catalogue.get(catalogue.default(kind, "replicate")).provider == "replicate"
        assert catalogue.default(kind, "nobody") == catalogue.default(kind, "animatic")
    assert catalogue.default(AssetKind.VIDEO, "replicate") == "bytedance/seedance-1-lite"
    assert catalogue.default(AssetKind.STARTING_IMAGE, "replicate") == "bytedance/seedream-4"


def test_what_costs_has_a_price_and_what_is_offline_has_none() -> None:
    for model in load_catalogue():
        assert (model.price is None) == (model.provider == "animatic")
        if model.price and model.price.by:
            schema = model.properties[model.price.by]
            values = schema.get("enum", [True, False])
            assert {json.dumps(v).strip('"') for v in values} == set(model.price.amounts)


def test_every_setting_of_a_paid_model_reaches_its_inputs() -> None:
    for model in load_catalogue():
        sources = {i.source for i in model.inputs.values()}
        if model.inputs:
            sent = {s.removeprefix("settings.") for s in sources if s}
            assert set(model.properties) <= sent, model.slug


def test_an_operator_adds_replaces_and_drops_rows(tmp_path: Path) -> None:
    changed = file_with(
        tmp_path,
        **{
            "me/new": ROW,
            "google/nano-banana": None,
            "animatic/score": ROW | {"kinds": ["music"], "provider": "animatic"},
        },
    )
    catalogue = load_catalogue(changed)
    assert catalogue.get("me/new").default_of("duration") == 4
    assert "google/nano-banana" not in catalogue
    assert catalogue.get("animatic/score").title == "New"
    with pytest.raises(UnknownModel, match="me/new"):
        catalogue.get("google/nano-banana")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"settings_schema": {"type": "object", "properties": {}}}, "additionalProperties"),
        ({"settings_schema": {"type": "nonsense", "additionalProperties": False}}, "settings_schema"),
        ({"takes_seed": True}, "seed"),
        ({"inputs": {"x": {"from": "settings.missing"}}}, "missing"),
        ({"inputs": {"x": {"from": "the moon"}}}, "the moon"),
        ({"inputs": {"x": {}}}, "either"),
        ({"default_for": ["music"]}, "music"),
        ({"price": {"unit": "second"}}, "amount"),
        ({"price": {"unit": "second", "by": "duration"}}, "amount"),
        ({"kinds": ["opera"]}, "kinds"),
        ({"surprise": 1}, "surprise"),
        ({"default_for": ["video"]}, "several defaults"),
        (
            {
                "settings_schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"duration": {"type": "integer", "minimum": 1, "default": 0}},
                }
            },
            "default",
        ),
    ],
)
def test_a_row_that_is_wrong_is_named_with_what_is_wrong(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    with pytest.raises(BadCatalogue, match=word):
        load_catalogue(file_with(tmp_path, **{"me/new": ROW | change}))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"models": 5}', "nonsense"])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.json"
    path.write_text(text)
    with pytest.raises(BadCatalogue, match="models"):
        load_catalogue(path)
    with pytest.raises(BadCatalogue, match="No such file"):
        load_catalogue(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("slug", "name", "value", "words"),
    [
        ("bytedance/seedance-1-lite", "duration", 13, "a whole number from 2 to 12, not 13"),
        ("google/veo-3.1-fast", "duration", 5, "one of 4, 6, 8, not 5"),
        ("animatic/camera", "seed", "x", 'a whole number from 0 to 2147483647, not "x"'),
        ("google/veo-3.1-fast", "generate_audio", 1, "true or false, not 1"),
        ("animatic/speech", "language", "not a tag", "a language tag"),
        ("animatic/speech", "nonsense", 1, "It takes: language, pitch, speed, voice"),
    ],
)
def test_a_refused_value_is_told_what_would_be_taken(slug: str, name: str, value: Any, words: str) -> None:
    assert words in (load_catalogue().get(slug).problem_of(name, value) or "")
