"""What a model is sent, what is refused before anything is paid, what is charged, what an error means."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from services.generator.domain.frames import Frame
from services.generator.providers.base import CallFailed, CandidateRequest
from services.generator.providers.model_inputs import model_inputs
from services.generator.providers.replicate.errors import prediction_failed
from services.generator.providers.replicate.images import fitted
from services.generator.providers.replicate.provider import _cost, _status
from services.generator.providers.replicate.settings import ReplicateSettings
from shared.contracts.catalogue import Input, load_catalogue
from shared.contracts.values import AssetKind
from shared.core.errors import Retryable, UserError
from tests.support.replicate.schemas import SCHEMAS, violations

CATALOGUE = load_catalogue()
ROWS = [m for m in CATALOGUE if m.provider == "replicate"]


def order(slug: str, tmp_path: Path | None = None, **settings: Any) -> CandidateRequest:
    model = CATALOGUE.get(slug)
    values = {n: model.default_of(n) for n in model.properties if model.default_of(n) is not None} | settings
    seed = 7 if model.takes_seed else None
    return CandidateRequest(
        run_id="run",
        position=0,
        attempt=1,
        kind=model.kinds[0],
        model=model,
        directions="The boat turns.",
        prompt="The boat turns. Watercolour.",
        settings=values | ({"seed": 7} if seed else {}),
        seed=seed,
        label="S1",
        frame=Frame(1920, 1080),
        fps=24,
        duration_s=values.get("duration"),
        starting_image=Path("image.jpg") if model.kinds[0] is AssetKind.VIDEO else None,
    )


@pytest.mark.parametrize("model", ROWS, ids=lambda m: m.slug)
def test_what_is_sent_is_what_the_published_schema_takes(model: Any) -> None:
    made = model_inputs(order(model.slug))
    sent = made.plain | ({made.image: "https://example.com/a.jpg"} if made.image else {})
    assert violations(model.slug, sent) == []
    assert sent["text" if "speech" in model.slug else "prompt"].startswith("The boat turns.")
    assert ("seed" in sent) == model.takes_seed


def test_all_models_of_the_product_are_there() -> None:
    assert {m.slug for m in ROWS} == set(SCHEMAS)


@pytest.mark.parametrize("model", ROWS, ids=lambda m: m.slug)
def test_every_value_that_a_row_allows_is_taken(model: Any) -> None:
    for name, schema in model.properties.items():
        values = schema.get("enum") or [schema[k] for k in ("minimum", "maximum") if k in schema]
        if name in ("width", "height", "seed"):
            continue
        for value in values:
            assert violations(model.slug, model_inputs(order(model.slug, **{name: value})).plain) == [], (name, value)


@pytest.mark.parametrize(
    ("slug", "settings", "words"),
    [
        ("bytedance/seedance-1-lite", {"duration": 20}, "from 2 to 12"),
        ("bytedance/seedance-1-lite", {"resolution": "4K"}, "480p, 720p, 1080p"),
        ("google/veo-3.1-fast", {"duration": 5}, "4, 6, 8"),
        ("google/veo-3.1-fast", {"camera_fixed": True}, "It takes: aspect_ratio"),
        ("bytedance/seedream-4", {"width": 2048}, "set together"),
        ("minimax/speech-02-hd", {"language": "sw"}, "fr, pt, de"),
    ],
)
def test_what_a_model_does_not_take_is_refused_with_what_it_takes(
    slug: str, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        model_inputs(order(slug, **settings))
    assert caught.value.code == "setting_refused" and words in caught.value.cause


@pytest.mark.parametrize(
    ("script", "language"),
    [
        ("Le bateau tourne et la lumière est dans les voiles.", "French"),
        ("船はゆっくりと港に入る。", "Japanese"),
        ("The boat turns.", "English"),
        ("A hajó lassan fordul, és a fény nem ég már.", None),  # not one of the model's
    ],
)
def test_a_script_is_spoken_in_its_language_without_being_told(script: str, language: str | None) -> None:
    asked = replace(order("minimax/speech-02-hd"), directions=script)
    assert model_inputs(asked).plain.get("language_boost") == language
    assert (
        model_inputs(replace(asked, settings=asked.settings | {"language": "de"})).plain["language_boost"] == "German"
    )


@pytest.mark.parametrize(
    ("guessed", "language"), [("de", "German"), ("pt-BR", "Portuguese"), ("yue-HK", "Chinese,Yue"), ("hu", None)]
)
def test_the_language_that_was_guessed_over_the_episode_is_what_a_model_is_told(
    guessed: str, language: str | None
) -> None:
    asked = replace(order("minimax/speech-02-hd"), directions="The boat turns.", guessed_language=guessed)
    sent = model_inputs(asked).plain
    assert sent.get("language_boost") == language
    assert violations("minimax/speech-02-hd", sent) == []
    chosen = replace(asked, settings=asked.settings | {"language": "fr"})
    assert model_inputs(chosen).plain["language_boost"] == "French", "the person's setting wins"


def test_a_model_that_takes_tags_is_sent_the_tag_and_one_that_takes_no_language_none() -> None:
    asked = replace(order("minimax/speech-02-hd"), guessed_language="de")
    inputs = {name: spec for name, spec in asked.model.inputs.items() if name != "language_boost"}
    tags = asked.model.model_copy(
        update={"inputs": inputs | {"lang": Input.model_validate({"from": "settings.language"})}}
    )
    assert model_inputs(replace(asked, model=tags)).plain["lang"] == "de"
    none = asked.model.model_copy(update={"inputs": inputs})
    assert "German" not in model_inputs(replace(asked, model=none)).plain.values()
    assert "de" not in model_inputs(replace(asked, model=none)).plain.values()


def test_a_script_is_sent_as_plain_text_with_its_pauses() -> None:
    asked = replace(order("minimax/speech-02-hd"), directions='**Wait** <break time="1s"/> _now_.')
    assert model_inputs(asked).plain["text"] == "Wait <#1#> now."
    with pytest.raises(UserError, match="empty"):
        model_inputs(replace(asked, directions="***\n<#1#>"))


def test_own_pixels_are_a_custom_size_and_a_dialect_speaks_its_language() -> None:
    sent = model_inputs(order("bytedance/seedream-4", width=2048, height=1024)).plain
    assert (sent["size"], sent["width"], sent["height"]) == ("custom", 2048, 1024)
    assert violations("bytedance/seedream-4", sent) == []
    assert model_inputs(order("minimax/speech-02-hd", language="de-AT")).plain["language_boost"] == "German"


def test_a_video_without_its_image_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        model_inputs(replace(order("bytedance/seedance-1-lite"), starting_image=None))
    assert caught.value.code == "starting_image_missing"


@pytest.mark.parametrize(
    ("slug", "settings", "metrics", "amount"),
    [
        ("bytedance/seedance-1-lite", {"resolution": "1080p"}, {"video_output_duration_seconds": 10}, "0.72"),
        ("bytedance/seedance-1-lite", {"resolution": "480p", "duration": 4}, {}, "0.072"),
        ("google/veo-3.1-fast", {"generate_audio": False}, {"video_output_duration_seconds": 8}, "0.8"),
        ("google/veo-3.1-fast", {"generate_audio": True}, None, "1.2"),
        ("bytedance/seedream-4", {}, {"image_output_count": 2}, "0.06"),
        ("minimax/speech-02-hd", {}, {"character_input_count": 250}, "0.025"),
        ("minimax/speech-02-hd", {}, {}, "0.0015"),
        ("stability-ai/stable-audio-2.5", {}, {"audio_output_duration_seconds": 60}, "0.2"),
    ],
)
def test_cost_is_metrics_times_price(slug: str, settings: Any, metrics: Any, amount: str) -> None:
    cost = _cost(handle_of(order(slug, **settings)), {"metrics": metrics})
    assert (cost.amount, cost.basis, cost.currency) == (amount, "estimated", "USD")


def test_a_cancelled_call_costs_only_what_its_metrics_say() -> None:
    handle = handle_of(order("bytedance/seedance-1-lite"))
    cancelled = {"status": "canceled", "metrics": {"predict_time": 3}}
    untold, told = (
        _status(handle, cancelled),
        _status(handle, cancelled | {"metrics": {"video_output_duration_seconds": 5}}),
    )
    assert isinstance(untold, CallFailed) and untold.cost is None, "it may be charged"
    assert isinstance(told, CallFailed) and told.cost and told.cost.amount == "0.18"


def handle_of(asked: CandidateRequest) -> dict[str, Any]:
    assert asked.quote
    return {"id": "x", "price": asked.quote.stored()}


@pytest.mark.parametrize(
    ("text", "attempt", "retried", "code"),
    [
        (
            "The input or output was flagged as sensitive. Please try again with different inputs. (E005) (uIJ6)",
            1,
            False,
            "E005",
        ),
        ("Prediction failed: Director: unexpected error handling prediction (E6716)", 3, True, "E6716"),
        ("Error starting prediction (E9243)", 1, True, "E9243"),
        ("Error starting prediction (E9243)", 2, False, "E9243"),
        ("Prediction interrupted; please retry (code: PA)", 1, True, "PA"),
        ("Health check failed (E8765)", 1, True, "E8765"),
        ("Out of memory (E1001)", 1, False, "E1001"),
        ("Invalid input E006", 1, False, "E006"),
        ("division by zero", 1, False, None),
        ("model E20000 is new", 1, False, None),
    ],
)
def test_errors_are_classed_by_their_codes(text: str, attempt: int, retried: bool, code: str | None) -> None:
    error = prediction_failed(text, attempt)
    assert isinstance(error, Retryable) == retried
    assert getattr(error, "provider_code") == code  # noqa: B009 - not declared
    assert error.code != "provider_rate_limited", "only HTTP 429 is a rate limit"


@pytest.mark.parametrize("size", [(1920, 1080), (1000, 1000), (600, 900), (4000, 1000), (1600, 1200)])
def test_an_image_is_sent_in_the_frames_shape(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "image.png"
    Image.linear_gradient("L").resize(size).convert("RGB").save(path)
    data = fitted(path, Frame(1280, 720))
    with Image.open(io.BytesIO(data)) as image:
        assert abs(image.width / image.height / (16 / 9) - 1) < 0.01
    assert fitted(path, Frame(1280, 720)) == data, "the same bytes, so that the same call can be told"


def test_the_token_is_not_in_what_is_printed() -> None:
    assert "r8_secret" not in repr(ReplicateSettings(api_token="r8_secret"))
