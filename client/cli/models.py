"""`retake models`: what can make an asset."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import show
from client.cli.command import command
from client.cli.options import parse_kind
from client.cli.session import Session
from client.models import CatalogueModel


@command
async def models(
    session: Session,
    kind: Annotated[str | None, typer.Option("--kind", "-k", help="Only those that make this.")] = None,
) -> None:
    """List the models, what they make, and their settings."""
    wanted = parse_kind(kind)
    async with session.connect() as client:
        found = [m for m in await client.catalogue.models() if wanted is None or wanted in m.makes]
    if not session.as_json:
        table = show.table("Model", "Makes", "Settings")
        for model in found:
            makes = ", ".join(k.replace("_", " ") for k in model.makes)
            table.add_row(model.slug, makes, Text(_settings(model)))
        session.table(table)
    session.emit({"models": found})


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
