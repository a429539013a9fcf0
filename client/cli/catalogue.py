"""`retake models`: the catalogue of models."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import formatting
from client.cli.command import command
from client.cli.options import parse_kind
from client.cli.session import Session
from client.models import CatalogueModel


@command
async def models(
    session: Session,
    kind: Annotated[str | None, typer.Option("--kind", "-k", help="Only models for this kind of asset.")] = None,
) -> None:
    """List the models with their kinds of assets, prices, limits and settings."""
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        found = [m for m in await client.catalogue.models() if asset_kind is None or asset_kind in m.makes]
    if not session.as_json:
        table = formatting.table("Model", "Kinds", "Price", "Limits", "Settings")
        for model in found:
            kinds = ", ".join(k.replace("_", " ") for k in model.makes)
            style = "" if model.usable else "dim"
            name = model.slug if model.usable else f"{model.slug} *"
            table.add_row(Text(name, style), kinds, _price(model), _limits(model), Text(_settings(model), style))
        session.table(table)
        for reason in sorted({m.unusable_reason for m in found if m.unusable_reason}):
            session.line(f"* not available: {reason}")
    session.emit({"models": found})


def _price(model: CatalogueModel) -> str:
    """`0.03 USD/image`, `0.018-0.072 USD/second`."""
    if not isinstance(model.price, dict):
        return "free"
    amounts = sorted(model.price.get("amounts", {}).values(), key=float) or [model.price.get("amount") or "?"]
    unit = {"thousand_characters": "1000 characters"}.get(model.price["unit"], model.price["unit"])
    spread = amounts[0] if amounts[0] == amounts[-1] else f"{amounts[0]}-{amounts[-1]}"
    return f"{spread} {model.price.get('currency', 'USD')}/{unit}"


def _limits(model: CatalogueModel) -> str:
    units = {"per_minute": "/min", "at_once": " concurrent"}
    return ", ".join(f"{n:g}{units[name]}" for name, n in model.limits.items() if n is not None and name in units)


def _settings(model: CatalogueModel) -> str:
    properties = (model.settings_schema or {}).get("properties") or {}
    return "; ".join(_setting(name, rule) for name, rule in properties.items())


def _setting(name: str, rule: object) -> str:
    """`duration 2-12`, `resolution 480p, 720p`."""
    if not isinstance(rule, dict):
        return name
    if isinstance(rule.get("enum"), list):
        return f"{name} {', '.join(str(v) for v in rule['enum'])}"
    low, high = rule.get("minimum"), rule.get("maximum")
    return f"{name} {low}-{high}" if low is not None and high is not None else name
