"""Maps a request to a model's inputs, as the model's row of the catalogue defines them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from services.generator.domain.problems import directions_too_long, starting_image_missing
from services.generator.providers.base import CandidateRequest
from shared.contracts.catalogue import Input
from shared.contracts.messages import message, problem_text
from shared.contracts.values import AssetKind
from shared.core.errors import UserError
from shared.media.language import guess_language
from shared.media.speech_marks import speech_text, with_pauses

MEDIA: Final = frozenset({"starting_image", "last_frame", "reference_images"})


@dataclass(frozen=True)
class ModelInputs:
    """`plain` is sent as it is; `image` and `references` name the inputs for the starting image and the characters'
    pictures."""

    plain: dict[str, Any]
    image: str | None = None
    references: str | None = None


def model_inputs(request: CandidateRequest) -> ModelInputs:
    """Raises UserError that names every value which the model does not accept, and the accepted ones."""
    _check(request)
    plain: dict[str, Any] = {}
    image = references = None
    for name, spec in request.model.inputs.items():
        if spec.source in MEDIA:
            if spec.source == "starting_image" and request.starting_image is not None:
                image = name
            if spec.source == "reference_images" and request.references:
                references = name
            continue
        value = _value(name, spec, request)
        if value is not None:
            plain[name] = value
    if request.kind is AssetKind.VIDEO and image is None and _takes_starting_image(request):
        raise starting_image_missing()
    # A video model accepts either a starting image or reference images. The starting image takes precedence.
    return ModelInputs(plain, image, None if image else references)


def _takes_starting_image(request: CandidateRequest) -> bool:
    return any(spec.source == "starting_image" for spec in request.model.inputs.values())


def _check(request: CandidateRequest) -> None:
    model = request.model
    wrong = [
        problem
        for name, value in request.settings.items()
        if value is not None and (problem := model.problem_of(name, value))
    ]
    given = {name for name in ("width", "height") if request.settings.get(name) is not None}
    if len(given) == 1:
        wrong.append(message("problem.size_incomplete"))
    if wrong:
        raise UserError("setting_refused", " ".join(wrong)[:2000], message("problem.setting_refused.recovery"))
    said = speech_text(request.directions) if request.kind is AssetKind.NARRATION else request.directions
    if not said.strip():
        raise UserError("directions_missing", *problem_text("directions_empty"))
    longest = model.max_prompt_chars
    if longest and max(len(request.directions), len(request.prompt)) > longest:
        raise directions_too_long(longest, model.title)


def _value(name: str, spec: Input, request: CandidateRequest) -> Any:
    for setting, replacement in spec.if_set.items():
        if request.settings.get(setting) is not None:
            return replacement
    match spec.source:
        case None:
            return spec.value
        case "directions":
            spoken = request.kind is AssetKind.NARRATION
            found: Any = speech_text(request.directions) if spoken else request.directions
        case "speech":
            found = with_pauses(request.directions)
        case "prompt":
            found = request.prompt
        case "seed":
            found = request.seed
        case source:
            found = request.settings.get(source.removeprefix("settings."))
    if found is None and spec.source == "settings.language":
        return _guessed(spec, request)
    if found is None or spec.map is None:
        return found
    return _mapped(name, spec.map, found, request)


def _guessed(spec: Input, request: CandidateRequest) -> Any:
    """In the model's words. A guess never refuses a run: a language that the model does not know is not sent. Runs of
    before the guess was made over the whole episode have none, and their script decides."""
    tag = request.guessed_language or guess_language(request.directions)
    return tag if spec.map is None else _translated(spec.map, tag)


def _translated(translation: dict[str, Any], found: Any) -> Any:
    """By the value or, for a language tag, by its prefix (`de` for `de-AT`). None if there is no translation."""
    key = str(found)
    while key:
        for known, value in translation.items():
            if known.casefold() == key.casefold():
                return value
        key = key.rpartition("-")[0]
    return None


def _mapped(name: str, translation: dict[str, Any], found: Any, request: CandidateRequest) -> Any:
    value = _translated(translation, found)
    if value is not None:
        return value
    text = problem_text(
        "setting_refused",
        model=request.model.title,
        value=repr(found),
        setting=name,
        accepted=", ".join(translation),
    )
    raise UserError("setting_refused", *text)
