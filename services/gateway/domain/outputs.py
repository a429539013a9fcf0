"""The output formats that a film can have: sizes and frame rates. The events allow more, for older episodes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from pydantic import ValidationError

from services.gateway.domain.errors import invalid
from services.gateway.domain.validation_messages import describe_error
from shared.contracts.frame_rates import NTSC, exact_rate, nominal_rate, rate_number
from shared.contracts.values import Output

MIN_SIDE: Final = 36  # pixels: allows 64x36, for tests and thumbnails
MAX_SHORT_SIDE: Final = 2160
MAX_SIDE: Final = 3840
FRAME_RATES: Final = tuple(sorted((*map(Fraction, (12, 24, 25, 30, 50, 60)), *NTSC)))
"""Frames per second; 12, half of 24, is for quick drafts."""
SHOWN_RATES: Final = [rate_number(rate) for rate in FRAME_RATES]
SAME_RATE: Final = 0.01  # relative
_RATES_PROBLEM: Final = (
    f"must be {', '.join(f'{n:g}' for n in SHOWN_RATES[:-1])} or {SHOWN_RATES[-1]:g} frames per second"
)
_RATE: Final = ("fps", "frame_rate")


def output_problems(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(JSON pointer into the output, what is wrong there); fields that are left out have their defaults."""
    known = Output.model_fields
    if unknown := [name for name in value if name not in known]:
        return [(f"/{name}", f"is not a known field; choose one of: {', '.join(known)}") for name in unknown]
    if problem := _rate_problem(value):
        return [problem]
    try:
        output = Output.model_validate(value)
    except ValidationError as e:
        return [("".join(f"/{part}" for part in p["loc"]), describe_error(p)) for p in e.errors()]
    return _size_problems(output)


def _rate_problem(value: Mapping[str, Any]) -> tuple[str, str] | None:
    rates: list[Fraction] = []
    for name in _RATE:
        written = value.get(name)
        if written is None:
            continue
        try:
            is_text = isinstance(written, str)
            if isinstance(written, bool) or is_text is not (name == "frame_rate"):
                raise ValueError(written)
            rates.append(exact_rate(written))
            if rates[-1] not in FRAME_RATES:
                raise ValueError(written)
        except (ValueError, TypeError):
            text = f"{_RATES_PROBLEM}, written as 24000/1001 or 24" if name == "frame_rate" else _RATES_PROBLEM
            return f"/{name}", text
    if len(rates) == 2 and rates[0] not in (rates[1], nominal_rate(rates[1])):
        return "/frame_rate", "contradicts fps; give one of them"
    return None


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


def merged_output(current: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A new rate replaces the old one, whichever of the two fields it is given in."""
    given = [name for name in _RATE if changes.get(name) is not None]
    return {n: v for n, v in {**current, **changes}.items() if not given or n not in _RATE or n in given}


def output_of_source(width: int | None, height: int | None, fps: float | None) -> dict[str, Any]:
    """The output that follows a film: its shape and, up to the largest size, its pixels; its rate, if films have it.
    Empty for what is not known."""
    output: dict[str, Any] = {}
    if width and height:
        scale = min(1.0, MAX_SIDE / max(width, height), MAX_SHORT_SIDE / min(width, height))
        scale = max(scale, MIN_SIDE / min(width, height))
        if scale * max(width, height) <= MAX_SIDE:  # otherwise no film has this shape
            output |= {"width": _even(width * scale), "height": _even(height * scale)}
    if fps:
        output["frame_rate"] = str(nearest_rate(fps))
    return output


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)


def nearest_rate(fps: float) -> Fraction:
    """The rate of films for media of this rate: the same to a per cent (phones vary), else one that shows every frame
    equally long, else the least one that shows every frame, else the highest."""
    best = min(FRAME_RATES, key=lambda rate: abs(float(rate) / fps - 1))
    if abs(float(best) / fps - 1) <= SAME_RATE:
        return best
    for times in range(2, 6):
        if (multiple := exact_rate(round(times * fps, 3))) in FRAME_RATES:
            return multiple
    return next((rate for rate in FRAME_RATES if rate >= fps), FRAME_RATES[-1])


def changed_output(current: Mapping[str, Any], changes: Mapping[str, Any]) -> Output:
    """The output with the changes merged in; without changes it is not checked. Raises Refusal invalid."""
    merged = merged_output(current, changes)
    if changes and (problems := output_problems(merged)):
        raise invalid(*((f"/output{at}", text) for at, text in problems))
    return Output(**merged)
