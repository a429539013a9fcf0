"""A model's inputs from an order, as the model's row of data says. Refuses what the model does not take, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from services.generator.commands.ports import Order
from services.generator.domain.problems import directions_too_long, starting_image_missing
from shared.contracts.catalogue import Input
from shared.contracts.values import AssetKind
from shared.core.errors import UserError
from shared.media.language import guess_language

MEDIA: Final = frozenset({"starting_image", "last_frame", "reference_images"})


@dataclass(frozen=True)
class Inputs:
    """`plain` is sent as it is; `image` and `references` name the inputs that the starting image and the characters'
    pictures go into."""

    plain: dict[str, Any]
    image: str | None = None
    references: str | None = None


def inputs_of(order: Order) -> Inputs:
    """Raises UserError, naming every value that the model does not take and the ones that it does."""
    _check(order)
    plain: dict[str, Any] = {}
    image = references = None
    for name, spec in order.model.inputs.items():
        if spec.source in MEDIA:
            if spec.source == "starting_image" and order.starting_image is not None:
                image = name
            if spec.source == "reference_images" and order.references:
                references = name
            continue
        value = _value(name, spec, order)
        if value is not None:
            plain[name] = value
    if order.kind is AssetKind.VIDEO and image is None and _takes_starting_image(order):
        raise starting_image_missing()
    # A video model takes either the frame that it begins with or pictures to be guided by: it begins with ours.
    return Inputs(plain, image, None if image else references)


def _takes_starting_image(order: Order) -> bool:
    return any(spec.source == "starting_image" for spec in order.model.inputs.values())


def _check(order: Order) -> None:
    model = order.model
    wrong = [
        said for name, value in order.settings.items() if value is not None and (said := model.problem_of(name, value))
    ]
    has = {name for name in ("width", "height") if order.settings.get(name) is not None}
    if len(has) == 1:
        wrong.append("width and height go together.")
    if wrong:
        raise UserError("setting_refused", " ".join(wrong)[:2000], "Change the setting, or choose another model.")
    if not order.directions.strip():
        raise UserError("directions_missing", "There is nothing to work from.", "Write directions, then regenerate.")
    longest = model.max_prompt_chars
    if longest and max(len(order.directions), len(order.prompt)) > longest:
        raise directions_too_long(longest, model.title)


def _value(name: str, spec: Input, order: Order) -> Any:
    for setting, instead in spec.if_set.items():
        if order.settings.get(setting) is not None:
            return instead
    match spec.source:
        case None:
            return spec.value
        case "directions":
            found: Any = order.directions
        case "prompt":
            found = order.prompt
        case "seed":
            found = order.seed
        case source:
            found = order.settings.get(source.removeprefix("settings."))
    if found is None and spec.source == "settings.language":
        return _translated(spec.map or {}, guess_language(order.directions))  # one that it does not know is not said
    if found is None or spec.map is None:
        return found
    return _mapped(name, spec.map, found, order)


def _translated(translation: dict[str, Any], found: Any) -> Any:
    """By the value, or, for a language tag, by its beginning (de-AT by de). None for what there is not."""
    key = str(found)
    while key:
        for known, value in translation.items():
            if known.casefold() == key.casefold():
                return value
        key = key.rpartition("-")[0]
    return None


def _mapped(name: str, translation: dict[str, Any], found: Any, order: Order) -> Any:
    value = _translated(translation, found)
    if value is not None:
        return value
    raise UserError(
        "setting_refused",
        f"{order.model.title} does not take {found!r} for {name}. It takes: {', '.join(translation)}.",
        "Change the setting, or choose another model.",
    )
