"""What Replicate publishes of a model, beside our row of it: models change, and rows are data that somebody wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx
import structlog

from services.generator.providers.replicate.api import Api
from shared.contracts.catalogue import Input, Model
from shared.core.errors import RetakeError

log = structlog.get_logger(__name__)

_BOUNDS: Final = ("minimum", "maximum")


async def compare(api: Api, models: Iterable[Model]) -> dict[str, list[str]]:
    """Differences in words, by model; each is logged. Models that cannot be asked about are left out."""
    found: dict[str, list[str]] = {}
    for model in models:
        try:
            schema = _input_schema(await api.get(f"models/{model.slug}"))
            said = differences(model, schema) if schema else []
        except httpx.HTTPStatusError:
            said = ["Replicate has no such model (any more)"]
        except RetakeError as e:
            log.warning("catalogue.not_compared", model=model.slug, code=e.code, cause=e.cause)
            return found
        if said:
            log.warning("catalogue.differs", model=model.slug, differences=said)
            found[model.slug] = said
    return found


def differences(model: Model, published: Mapping[str, Any]) -> list[str]:
    """What our row sends that the model does not take, and what it wants that the row does not send."""
    takes: Mapping[str, Any] = published.get("properties", {})
    found = [f"it has no input {name!r}" for name in model.inputs if name not in takes]
    found += [
        f"it requires {name!r}, which the row does not send"
        for name in published.get("required", [])
        if name not in model.inputs
    ]
    for name, spec in model.inputs.items():
        if name in takes:
            found += _of_input(name, spec, model, takes[name])
    return found


def _of_input(name: str, spec: Input, model: Model, taken: Mapping[str, Any]) -> list[str]:
    allowed = _enum(taken)
    sent = _values(spec, model)
    found = [f"{name}: it does not take {value!r}" for value in sent if allowed and value not in allowed]
    own = model.properties.get((spec.source or "").removeprefix("settings."), {}) if spec.map is None else {}
    for bound in _BOUNDS:
        ours, theirs = own.get(bound), taken.get(bound)
        if ours is None or theirs is None:
            continue
        if (ours < theirs) if bound == "minimum" else (ours > theirs):
            found.append(f"{name}: its {bound} is {theirs}, the row's {ours}")
    return found


def _values(spec: Input, model: Model) -> list[Any]:
    """Every value that the row may send, where they can be counted."""
    if spec.source is None:
        return [spec.value]
    if spec.map is not None:
        return list(spec.map.values())
    return list(model.properties.get(spec.source.removeprefix("settings."), {}).get("enum", []))


def _enum(taken: Mapping[str, Any]) -> list[Any]:
    """Published in place, or as `allOf` of a schema of its own that is resolved already."""
    parts = [taken, *(p for p in taken.get("allOf", []) if isinstance(p, dict))]
    return next((list(p["enum"]) for p in parts if isinstance(p.get("enum"), list)), [])


def _input_schema(body: Any) -> Mapping[str, Any] | None:
    try:
        schemas = body["latest_version"]["openapi_schema"]["components"]["schemas"]
        found: dict[str, Any] = dict(schemas["Input"])
        properties = {name: _resolved(rule, schemas) for name, rule in found.get("properties", {}).items()}
    except (TypeError, KeyError, AttributeError):
        return None
    return found | {"properties": properties}


def _resolved(rule: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Replicate puts enums into schemas of their own: {"allOf": [{"$ref": "#/components/schemas/NAME"}]}."""
    parts = [schemas.get(str(p.get("$ref", "")).rpartition("/")[2], p) for p in rule.get("allOf", [])]
    return dict(rule) | ({"allOf": parts} if parts else {})
