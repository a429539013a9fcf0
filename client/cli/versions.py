"""`retake versions`: list, compare, download and roll back the versions of an asset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.follow import check_run, follow_run
from client.cli.lookup import find_asset
from client.cli.options import EpisodeOption, Force, KindOption, ProjectOption, Target, check_output_file, parse_kind
from client.cli.screen import transfer
from client.cli.session import Session
from client.models import Asset, Version


@command
async def versions(
    session: Session,
    target: Target,
    kind: KindOption = None,
    rollback: Annotated[int | None, typer.Option("--rollback", metavar="N", help="Commit version N again.")] = None,
    compare: Annotated[
        str | None, typer.Option("--compare", metavar="N,M", help="Show the differences between two versions.")
    ] = None,
    save: Annotated[int | None, typer.Option("--save", metavar="N", help="Download version N.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="With --save: file to write.")
    ] = None,
    force: Force = False,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """List the versions of an asset, newest first; compare two; roll back to an accepted one; download one.

    Examples:

    * `retake versions 2`
    * `retake versions 2 --compare 1,3`
    * `retake versions music --rollback 1`
    * `retake versions 1 --kind starting_image --save 2 -o card.png`
    """
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        found, asset = await find_asset(client, target, asset_kind, episode, project)
        known = await client.assets.versions(asset.id)
        if rollback is not None:
            run = await client.versions.rollback(_numbered(known, rollback).id)
            run = await follow_run(session, client, found, run.id)
            session.emit(run)
            check_run(run)
            session.line(f"Version {rollback} is committed again.", style="green")
            return
        if compare is not None:
            await _compare(session, client, asset, known, compare)
            return
        if save is not None:
            await _save(session, client, _numbered(known, save), output, force)
            return
    if not session.as_json:
        _print(session, asset, known)
    session.emit({"asset_id": asset.id, "versions": known})


def _numbered(known: list[Version], number: int) -> Version:
    for version in known:
        if version.number == number:
            return version
    numbers = ", ".join(str(v.number) for v in known) or "none"
    raise UsageError(f"There is no version {number}.", f"Choose one of: {numbers}.")


async def _compare(session: Session, client: AsyncRetake, asset: Asset, known: list[Version], given: str) -> None:
    numbers = [n.strip() for n in given.split(",")]
    if len(numbers) != 2 or not all(n.isdigit() for n in numbers):
        raise UsageError(f"--compare {given!r} does not name two versions.", "Write it as --compare 1,3.")
    first, second = (_numbered(known, int(n)) for n in numbers)
    found = await client.assets.compare(asset.id, first.id, second.id)
    if not session.as_json:
        table = formatting.table("Field", f"Version {first.number}", f"Version {second.number}")
        for difference in found.differences:
            values = [Text("-" if v is None else str(v)) for v in difference.get("values", [])]
            table.add_row(str(difference.get("field")), *values)
        if found.differences:
            session.table(table)
        else:
            session.line("The versions do not differ.")
    session.emit(found)


async def _save(session: Session, client: AsyncRetake, version: Version, output: str | None, force: bool) -> None:
    if not version.url:
        raise UsageError(f"The file of version {version.number} was deleted.", "Regenerate the asset.")
    suffix = (version.content_type or "").rpartition("/")[2] or "bin"
    target = Path(output or f"version-{version.number}.{suffix}")
    check_output_file(target, force=force)
    with transfer(session, target.name) as on_progress:
        size = await client.download(version.url, target, on_progress=on_progress)
    session.line(f"{target}: {formatting.size(size)}", style="green")
    session.emit({"file": str(target.absolute()), "size": size, "version_id": version.id})


def _print(session: Session, asset: Asset, known: list[Version]) -> None:
    label = asset.label or asset.kind.words
    session.line(f"{label}  {asset.id}", style="bold")
    if not known:
        session.line("No versions yet.")
        return
    table = formatting.table("#N", "Status", "File", "Age", "Model", "Directions")
    for version in known:
        state = "[bold green]committed[/]" if version.committed else formatting.state(version.status)
        facts = (Text(formatting.media(version)), formatting.ago(version.created_at), version.model_slug or "-")
        table.add_row(str(version.number), state, *facts, Text(version.directions or ""))
    session.table(table)
