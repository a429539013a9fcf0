"""Compatibility of two versions of a schema: only optional additions are allowed."""

from __future__ import annotations

from typing import Any


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Every change that breaks a reader or a writer of `old`; empty if there is none."""
    return list(_object(old, new, old.get("$defs", {}), new.get("$defs", {}), "", set()))


def _object(
    old: dict[str, Any],
    new: dict[str, Any],
    old_defs: dict[str, Any],
    new_defs: dict[str, Any],
    path: str,
    seen: set[tuple[str, str]],
) -> list[str]:
    old, old_name = _resolve(old, old_defs)
    new, new_name = _resolve(new, new_defs)
    if (old_name, new_name) in seen and old_name:
        return []
    seen = seen | {(old_name, new_name)}
    found: list[str] = []
    if old.get("type") != new.get("type"):
        found.append(f"{path or '/'}: type {old.get('type')} became {new.get('type')}")
    if removed := set(old.get("enum", [])) - set(new.get("enum", [])):
        found.append(f"{path or '/'}: values {sorted(map(str, removed))} were removed")
    if old.get("const") != new.get("const"):
        found.append(f"{path or '/'}: {old.get('const')!r} became {new.get('const')!r}")
    old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
    for name in old_fields:
        if name not in new_fields:
            found.append(f"{path}/{name}: field was removed")
        else:
            found += _object(old_fields[name], new_fields[name], old_defs, new_defs, f"{path}/{name}", seen)
    found += [
        f"{path}/{name}: a field became required"
        for name in set(new.get("required", [])) - set(old.get("required", [])) - _always_written(old, new)
    ]
    for inner in ("items", "additionalProperties"):
        if isinstance(old.get(inner), dict) and isinstance(new.get(inner), dict):
            found += _object(old[inner], new[inner], old_defs, new_defs, f"{path}/{inner}", seen)
    return found + _choices(old, new, old_defs, new_defs, path, seen)


def _always_written(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    """New fields with a default. A serialisation schema lists them as required because they are always written."""
    return {
        name
        for name, field in new.get("properties", {}).items()
        if "default" in field and name not in old.get("properties", {})
    }


def _choices(
    old: dict[str, Any],
    new: dict[str, Any],
    old_defs: dict[str, Any],
    new_defs: dict[str, Any],
    path: str,
    seen: set[tuple[str, str]],
) -> list[str]:
    """Every alternative that was allowed must still be allowed."""
    found = []
    for choice in old.get("anyOf", []):
        candidates = new.get("anyOf", [new])
        if not any(not _object(choice, c, old_defs, new_defs, path, seen) for c in candidates):
            found.append(f"{path or '/'}: an alternative was removed: {choice}")
    return found


def _resolve(schema: dict[str, Any], defs: dict[str, Any]) -> tuple[dict[str, Any], str]:
    reference = schema.get("$ref")
    if not reference:
        return schema, ""
    name = reference.rsplit("/", 1)[-1]
    return {**defs[name], **{k: v for k, v in schema.items() if k != "$ref"}}, name
