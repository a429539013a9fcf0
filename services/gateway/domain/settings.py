"""A project's settings. Only what was set is stored; defaults are added when settings are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic import ValidationError

from services.gateway.domain.errors import invalid
from services.gateway.domain.open_objects import size_problem
from services.gateway.domain.outputs import merged_output, output_problems
from services.gateway.domain.validation_messages import describe_error
from shared.contracts.values import Character, ObjectRef, Output, ProjectSettings, SpendCap

DEADLINE: Final = "deadline_minutes"
DEADLINE_MINUTES: Final = 30.0
MAX_DEADLINE_MINUTES: Final = 60.0 * 24 * 365
STEP_BY_STEP, MONOLITHIC = WORKFLOWS = ("step_by_step", "monolithic")
OWNERS_ONLY: Final = frozenset({"review", "spend_cap"})
MAX_CAP: Final = 1_000_000_000
MAX_BYTES: Final = 700_000
"""Of the settings that a run's request carries, as JSON: room for 50 descriptions of 4,000 Chinese characters each."""
MAX_AMOUNT: Final = 20  # characters
VIDEO: Final = ("model", "resolution", "duration", "aspect_ratio", "seed", "image_model")
_SECTIONS: Final = ("video", "image", "narration", "music")
_NESTED: Final = (*_SECTIONS, "output", "review")


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of the API's Settings; null if it was not set and has no default."""
    review = {"deadline_minutes": DEADLINE_MINUTES} | (settings.get("review") or {})
    return {
        "output": Output(**(settings.get("output") or {})).model_dump(mode="json"),
        "video": dict.fromkeys(VIDEO) | (settings.get("video") or {}),
        "image": dict(settings.get("image") or {}),
        "narration": dict(settings.get("narration") or {}),
        "music": dict(settings.get("music") or {}),
        "style": settings.get("style"),
        "characters": [{"description": None, "upload_ids": []} | c for c in settings.get("characters") or []],
        "review": review,
        "workflow": settings.get("workflow") or STEP_BY_STEP,
        "spend_cap": settings.get("spend_cap"),
    }


def workflow_of(settings: Mapping[str, Any], project_id: str, step_by_step_share: float) -> str:
    """The workflow that was set, else the default: step by step for `step_by_step_share` (0-1) of all projects.

    A hash of the project's id decides, so the default is stable, and a project keeps step by step when the share grows.
    """
    place = int.from_bytes(hashlib.sha256(project_id.encode()).digest()[:8], "big") / 2**64
    return str(settings.get("workflow") or (STEP_BY_STEP if place < step_by_step_share else MONOLITHIC))


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch, one level deep in the sections; null removes a setting (a null deadline means no deadline).

    Raises Refusal invalid, one error per field.
    """
    result = dict(settings)
    for name, value in changes.items():
        if name in _NESTED and isinstance(value, Mapping):
            section = {**(settings.get(name) or {}), **value}
            if name == "output":
                section = merged_output(settings.get(name) or {}, value)
            kept = section if name == "review" else {k: v for k, v in section.items() if v is not None}
            result[name] = kept
        elif value is None:
            result.pop(name, None)
        else:
            result[name] = value
    if isinstance(cap := result.get("spend_cap"), Mapping):
        result["spend_cap"] = {**cap, "amount": _as_string(cap.get("amount"))}
    if problems := _problems(result, with_output="output" in changes):
        raise invalid(*problems)
    return result


def _problems(settings: Mapping[str, Any], *, with_output: bool) -> list[tuple[str, str]]:
    """(JSON pointer, what is wrong there). `with_output` False: an output that was valid when it was set is not checked
    against today's limits."""
    found: list[tuple[str, str]] = []
    known = with_defaults({}).keys()
    found += [
        (f"/{name}", f"is not a setting; choose one of: {', '.join(known)}") for name in settings if name not in known
    ]
    found += [(f"/{name}", "must be an object") for name in _NESTED if not isinstance(settings.get(name, {}), Mapping)]
    if found:
        return found
    found += [(f"/{name}", problem) for name in _SECTIONS if (problem := size_problem(settings.get(name) or {}))]
    found += _length_problems(settings)
    if with_output:
        found += [(f"/output{at}", text) for at, text in output_problems(settings.get("output") or {})]
    if settings.get("spend_cap") is not None:
        found += _cap_problems(settings["spend_cap"])
    if not found and (cap := settings.get("spend_cap")) and not _is_amount(cap["amount"]):
        found.append(("/spend_cap/amount", f"must be a decimal number from 0 to {MAX_CAP}, as a string"))
    if not found and (cap := settings.get("spend_cap")) and len(cap.get("currency", "USD")) != 3:
        found.append(("/spend_cap/currency", "must be a currency code of three letters, such as USD"))
    if settings.get("workflow") not in (None, *WORKFLOWS):
        found.append(("/workflow", f"must be one of {', '.join(WORKFLOWS)}"))
    found += [
        (f"/review/{name}", f"is not a setting; choose one of: {DEADLINE}")
        for name in settings.get("review") or {}
        if name != DEADLINE
    ]
    deadline = (settings.get("review") or {}).get("deadline_minutes", DEADLINE_MINUTES)
    if problem := deadline_problem(deadline):
        found.append(("/review/deadline_minutes", problem))
    return found


def deadline_problem(minutes: Any) -> str | None:
    """None: the deadline is valid; null means no deadline."""
    if minutes is None:
        return None
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 < minutes <= MAX_DEADLINE_MINUTES:
        return f"must be null or a number of minutes above 0 and at most {MAX_DEADLINE_MINUTES:.0f}"
    return None


def _length_problems(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every run's request carries these settings, so together they have to leave room for the rest of it."""
    carried = {name: settings.get(name) for name in (*_SECTIONS, "style", "characters")}
    size = len(json.dumps(carried, ensure_ascii=False, default=str).encode(errors="replace"))
    if size <= MAX_BYTES:
        return []
    where = "/characters" if settings.get("characters") else ""
    problem = f"must be shorter: a run's settings have {size} bytes in all, of which a request holds {MAX_BYTES}"
    return [(where, problem)]


def _cap_problems(value: Any) -> list[tuple[str, str]]:
    try:
        SpendCap.model_validate(value)
    except ValidationError as e:
        return [
            ("/".join(["/spend_cap", *(str(part) for part in error["loc"])]), describe_error(error))
            for error in e.errors()
        ]
    return []


def _as_string(amount: Any) -> Any:
    """Amounts may be sent as numbers; they are stored as strings, so that no cent is lost."""
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    return str(Decimal(str(amount))) if is_number else amount


def _is_amount(text: Any) -> bool:
    try:
        return len(str(text)) <= MAX_AMOUNT and 0 <= Decimal(str(text)) <= MAX_CAP
    except InvalidOperation:
        return False


def review_timeout_s(settings: Mapping[str, Any]) -> int | None:
    """The deadline for decisions on the project's previews, in seconds; None: there is none."""
    return timeout_s(with_defaults(settings)["review"]["deadline_minutes"])


def timeout_s(minutes: float | None) -> int | None:
    return None if minutes is None else max(1, round(minutes * 60))


def snapshot(settings: Mapping[str, Any], output: Output, references: Mapping[str, ObjectRef]) -> ProjectSettings:
    """The project's settings as a run gets them; `output` is its episode's, `references` are uploads by id."""
    full = with_defaults(settings)
    return ProjectSettings(
        **{name: {k: v for k, v in full[name].items() if v is not None} for name in _SECTIONS},
        output=output,
        style=full["style"],
        characters=[_character(c, references) for c in full["characters"]],
        spend_cap=SpendCap(**full["spend_cap"]) if full["spend_cap"] else None,
    )


def _character(character: Mapping[str, Any], references: Mapping[str, ObjectRef]) -> Character:
    images = [references[u] for u in character.get("upload_ids") or [] if u in references]
    return Character(name=character["name"], description=character.get("description") or "", reference_images=images)


def reference_ids(settings: Mapping[str, Any]) -> list[str]:
    """The uploads that the characters name."""
    return [u for c in settings.get("characters") or [] for u in c.get("upload_ids") or []]


def cap_of(settings: Mapping[str, Any], now: datetime) -> tuple[SpendCap, datetime | None] | None:
    """The spend cap and the start of its period (None: it has no period), or None without a cap."""
    if not settings.get("spend_cap"):
        return None
    cap = SpendCap(**settings["spend_cap"])
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return cap, month if cap.period == "month" else None
