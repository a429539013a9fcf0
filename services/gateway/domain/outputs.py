"""Which films can be asked for: sizes and rates. The events' own bounds are wider, as older episodes may be odd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from services.gateway.domain.errors import invalid
from services.gateway.domain.validation_messages import said
from shared.contracts.values import Output

LEAST_SIDE: Final = 36  # pixels: 64x36, for tests and thumbnails of films; what is meant to be watched begins at 480
MOST_SHORT_SIDE: Final = 2160
MOST_SIDE: Final = 3840
RATES: Final = (12, 24, 25, 30, 50, 60)  # frames per second; 12 is for quick drafts, as half of 24
_RATES_SAID: Final = f"must be {', '.join(map(str, RATES[:-1]))} or {RATES[-1]} frames per second"


def output_problems(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each is (JSON pointer within the output, what is wrong there). What is left out has its default."""
    known = Output.model_fields
    if unknown := [name for name in value if name not in known]:
        return [(f"/{name}", f"is not known here; there is: {', '.join(known)}") for name in unknown]
    try:
        output = Output.model_validate(value)
    except ValidationError as e:
        return [("".join(f"/{part}" for part in p["loc"]), said(p)) for p in e.errors()]
    return [*_size_problems(output), *([("/fps", _RATES_SAID)] if output.fps not in RATES else [])]


def _size_problems(output: Output) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, pixels in (("width", output.width), ("height", output.height)):
        if pixels < LEAST_SIDE:
            found.append((f"/{name}", f"must be at least {LEAST_SIDE} pixels"))
        elif pixels % 2:
            found.append((f"/{name}", f"must be even: {pixels - 1} or {pixels + 1}"))
    if min(output.width, output.height) > MOST_SHORT_SIDE:
        shorter = "width" if output.width < output.height else "height"
        found.append((f"/{shorter}", f"must be at most {MOST_SHORT_SIDE} pixels; the longer side may have {MOST_SIDE}"))
    return found


def changed_output(now: Mapping[str, Any], changes: Mapping[str, Any]) -> Output:
    """Raises Refusal invalid. Without changes it stays as it is, whatever it is."""
    merged = {**now, **changes}
    if changes and (problems := output_problems(merged)):
        raise invalid(*((f"/output{at}", text) for at, text in problems))
    return Output(**merged)
