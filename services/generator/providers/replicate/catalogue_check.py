"""Compares the catalogue's models with the schemas that Replicate publishes, because models change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from services.generator.providers.replicate.api import NotFound, ReplicateApi
from shared.contracts.catalogue import Input, Model
from shared.core.errors import RetakeError

log = structlog.get_logger(__name__)

_BOUNDS: Final = ("minimum", "maximum")


async def compare(api: ReplicateApi, models: Iterable[Model]) -> dict[str, list[str]]:
    """Descriptions of the differences by model, which are also logged. Stops if Replicate is unavailable."""
    found: dict[str, list[str]] = {}
    for model in models:
        try:
            schema = _input_schema(await api.model(model.slug))
            differing = differences(model, schema) if schema else []
        except NotFound:
            differing = ["Replicate does not offer this model"]
        except RetakeError as e:
            log.warning("catalogue.not_compared", model=model.slug, code=e.code, cause=e.cause)
            return found
        if differing:
            log.warning("catalogue.differs", model=model.slug, differences=differing)
            found[model.slug] = differing
    return found


def differences(model: Model, published: Mapping[str, Any]) -> list[str]:
    """What our row sends that the model does not accept, and what it requires that the row does not send."""
    accepted: Mapping[str, Any] = published.get("properties", {})
    found = [f"it has no input {name!r}" for name in model.inputs if name not in accepted]
    found += [
        f"it requires {name!r}, which the row does not send"
        for name in published.get("required", [])
        if name not in model.inputs
    ]
    for name, spec in model.inputs.items():
        if name in accepted:
            found += _input_differences(name, spec, model, accepted[name])
    return found


def _input_differences(name: str, spec: Input, model: Model, published: Mapping[str, Any]) -> list[str]:
    allowed = _enum(published)
    sent = _values(spec, model)
    found = [f"{name}: it does not accept {value!r}" for value in sent if allowed and value not in allowed]
    own = model.properties.get((spec.source or "").removeprefix("settings."), {}) if spec.map is None else {}
    for bound in _BOUNDS:
        ours, theirs = own.get(bound), published.get(bound)
        if ours is None or theirs is None:
            continue
        if (ours < theirs) if bound == "minimum" else (ours > theirs):
            found.append(f"{name}: its {bound} is {theirs}, the row's {ours}")
    return found


def _values(spec: Input, model: Model) -> list[Any]:
    """Every value that the row may send, if they are enumerable."""
    if spec.source is None:
        return [spec.value]
    if spec.map is not None:
        return list(spec.map.values())
    return list(model.properties.get(spec.source.removeprefix("settings."), {}).get("enum", []))


def _enum(schema: Mapping[str, Any]) -> list[Any]:
    """In the schema itself, or in the parts of its `allOf`, whose references are resolved already."""
    parts = [schema, *(p for p in schema.get("allOf", []) if isinstance(p, dict))]
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
    """Replicate publishes enums as separate schemas: {"allOf": [{"$ref": "#/components/schemas/NAME"}]}."""
    parts = [schemas.get(str(p.get("$ref", "")).rpartition("/")[2], p) for p in rule.get("allOf", [])]
    return dict(rule) | ({"allOf": parts} if parts else {})
