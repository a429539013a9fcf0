"""The output formats that a film can have: sizes and frame rates. The events allow more, for older episodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from services.gateway.domain.errors import invalid
from services.gateway.domain.validation_messages import describe_error
from shared.contracts.values import Output

MIN_SIDE: Final = 36  # pixels: allows 64x36, for tests and thumbnails
MAX_SHORT_SIDE: Final = 2160
MAX_SIDE: Final = 3840
FRAME_RATES: Final = (12, 24, 25, 30, 50, 60)  # frames per second; 12, half of 24, is for quick drafts
_RATES_PROBLEM: Final = f"must be {', '.join(map(str, FRAME_RATES[:-1]))} or {FRAME_RATES[-1]} frames per second"


def output_problems(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(JSON pointer into the output, what is wrong there); fields that are left out have their defaults."""
    known = Output.model_fields
    if unknown := [name for name in value if name not in known]:
        return [(f"/{name}", f"is not a known field; choose one of: {', '.join(known)}") for name in unknown]
    try:
        output = Output.model_validate(value)
    except ValidationError as e:
        return [("".join(f"/{part}" for part in p["loc"]), describe_error(p)) for p in e.errors()]
    return [*_size_problems(output), *([("/fps", _RATES_PROBLEM)] if output.fps not in FRAME_RATES else [])]


def _size_problems(output: Output) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, pixels in (("width", output.width), ("height", output.height)):
        if pixels < MIN_SIDE:
            found.append((f"/{name}", f"must be at least {MIN_SIDE} pixels"))
        elif pixels % 2:
            found.append((f"/{name}", f"must be even: {pixels - 1} or {pixels + 1}"))
    if min(output.width, output.height) > MAX_SHORT_SIDE:
        shorter = "width" if output.width < output.height else "height"
        found.append((f"/{shorter}", f"must be at most {MAX_SHORT_SIDE} pixels; the longer one may have {MAX_SIDE}"))
    return found


def changed_output(current: Mapping[str, Any], changes: Mapping[str, Any]) -> Output:
    """The output with the changes merged in; without changes it is not checked. Raises Refusal invalid."""
    merged = {**current, **changes}
    if changes and (problems := output_problems(merged)):
        raise invalid(*((f"/output{at}", text) for at, text in problems))
    return Output(**merged)
