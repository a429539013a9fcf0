"""`retake versions`: an asset's history, and going back in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.cli import show
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.following import check_run, follow_run
from client.cli.options import EpisodeOption, KindOption, ProjectOption, Target, parse_kind
from client.cli.screen import transfer
from client.cli.session import Session
from client.cli.targets import find_asset
from client.models import Asset, Version


@command
async def versions(
    session: Session,
    target: Target,
    kind: KindOption = None,
    rollback: Annotated[int | None, typer.Option("--rollback", metavar="N", help="Commit version N again.")] = None,
    save: Annotated[int | None, typer.Option("--save", metavar="N", help="Download version N.")] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="With --save: where to.")] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """List an asset's versions, newest first; go back to an earlier accepted one; download one."""
    async with session.connect() as client:
        found, asset = await find_asset(client, target, parse_kind(kind), episode, project)
        known = await client.assets.versions(asset.id)
        if rollback is not None:
            run = await client.versions.rollback(_numbered(known, rollback).id)
            run = await follow_run(session, client, found, run.id)
            session.emit(run)
            check_run(run)
            session.line(f"Version {rollback} is committed again.", style="green")
            return
        if save is not None:
            await _save(session, client, _numbered(known, save), output)
            return
    if not session.as_json:
        _print(session, asset, known)
    session.emit({"asset_id": asset.id, "versions": known})


def _numbered(known: list[Version], number: int) -> Version:
    for version in known:
        if version.number == number:
            return version
    numbers = ", ".join(str(v.number) for v in known) or "none"
    raise UsageError(f"There is no version {number}.", f"There are: {numbers}.")


async def _save(session: Session, client: AsyncRetake, version: Version, output: str | None) -> None:
    if not version.url:
        raise UsageError(f"Version {version.number} has no file any more.", "Regenerate it.")
    suffix = (version.content_type or "").rpartition("/")[2] or "bin"
    target = Path(output or f"version-{version.number}.{suffix}")
    with transfer(session, target.name) as told:
        size = await client.download(version.url, target, on_progress=told)
    session.line(f"{target}: {show.size(size)}", style="green")
    session.emit({"file": str(target.absolute()), "size": size, "version_id": version.id})


def _print(session: Session, asset: Asset, known: list[Version]) -> None:
    label = asset.label or asset.kind.words
    session.line(f"{label}  {asset.id}", style="bold")
    if not known:
        session.line("No versions yet.")
        return
    table = show.table("#N", "State", "Made", "Age", "Model", "Directions")
    for version in known:
        state = "[bold green]committed[/]" if version.committed else show.state(version.status)
        facts = (Text(show.media(version)), show.ago(version.created_at), version.model_slug or "-")
        table.add_row(str(version.number), state, *facts, Text(version.directions or ""))
    session.table(table)
