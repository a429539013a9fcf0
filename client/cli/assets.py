"""`retake asset` and `retake draft`: the slots that runs fill, and what the next run is made from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import show
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.options import EpisodeOption, KindOption, ProjectOption, Target, pairs, parse_kind
from client.cli.session import Session
from client.cli.targets import find_asset, find_episode, find_segment
from client.models import Asset, Kind

app = typer.Typer(no_args_is_help=True, help="Assets: list them, add an image.")
draft_app = typer.Typer(no_args_is_help=True, help="Drafts: what the next run of an asset is made from.")

ORDER = (Kind.STARTING_IMAGE, Kind.VIDEO, Kind.NARRATION, Kind.MUSIC, Kind.IMAGE, Kind.UNKNOWN)


@app.command("list")
@command
async def list_(
    session: Session,
    kind: Annotated[str | None, typer.Option("--kind", "-k", help="Only of this kind.")] = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="Only those whose inputs changed since they were made.")
    ] = False,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """List an episode's assets: what is committed, what waits, what is stale."""
    wanted = parse_kind(kind)
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        assets = await client.episodes.assets(found.id, kind=wanted, stale="true" if stale else None)
    if not session.as_json:
        table = show.table("#Seg", "Kind", "=Asset", "Committed", "Now", "Draft")
        for asset in sorted(assets, key=lambda a: (a.segment_number or 1_000, ORDER.index(a.kind))):
            version = f"version {asset.committed.number}" if asset.committed else "-"
            version += " (stale)" if asset.stale else ""
            now = show.state(asset.preview.status) if asset.preview else ("being made" if asset.active_run_id else "")
            draft = asset.draft.directions if asset.draft else None
            table.add_row(str(asset.segment_number or ""), asset.kind.words, asset.id, version, now, Text(draft or ""))
        if assets:
            session.table(table)
        else:
            session.line("None.")
    session.emit({"episode_id": found.id, "assets": assets})


@app.command("add")
@command
async def add(
    session: Session,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="What the image is called.")],
    segment: Annotated[str | None, typer.Option("--segment", metavar="N", help="Of this segment.")] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Add an image to an episode or a segment; make it with `retake regenerate ASSET --directions ...`."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        of = (await find_segment(client, segment, found.id, None)).id if segment else None
        made = await client.episodes.add_asset(found.id, label, segment_id=of)
    session.line(f"Image {made.label}  {made.id}", style="green")
    session.emit(made)


@draft_app.command("show")
@command
async def show_draft(
    session: Session, target: Target, kind: KindOption = None, episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:  # fmt: skip
    """Show an asset's draft, and where each setting of its next run comes from."""
    async with session.connect() as client:
        _, asset = await find_asset(client, target, parse_kind(kind), episode, project)
    _print(session, asset)


@draft_app.command("set")
@command
async def set_draft(
    session: Session,
    target: Target,
    kind: KindOption = None,
    directions: Annotated[str | None, typer.Option("--directions", "-d", metavar="TEXT", help="What to make.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as seed=7, model=... May be repeated.")
    ] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Change an asset's draft; nothing is made by it."""
    if directions is None and not setting:
        raise UsageError("Nothing to change.", "Give --directions or --set.")
    given = pairs(setting, "--set")
    async with session.connect() as client:
        _, asset = await find_asset(client, target, parse_kind(kind), episode, project)
        before = asset.draft
        kept = before.directions if before and directions is None else directions
        settings = {**(before.settings if before else {}), **given}
        settings = {k: v for k, v in settings.items() if v is not None}
        asset = await client.assets.save_draft(asset.id, directions=kept, settings=settings, revision=asset.revision)
    _print(session, asset)


@draft_app.command("discard")
@command
async def discard(
    session: Session, target: Target, kind: KindOption = None, episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:  # fmt: skip
    """Drop an asset's draft: its next run takes what is committed."""
    async with session.connect() as client:
        _, asset = await find_asset(client, target, parse_kind(kind), episode, project)
        await client.assets.discard_draft(asset.id)
    session.line("The draft is gone.")
    session.emit({"asset_id": asset.id, "draft": None})


def _print(session: Session, asset: Asset) -> None:
    if not session.as_json:
        session.line(f"{asset.label or asset.kind.words}  {asset.id}", style="bold")
        draft = asset.draft
        settings = " · ".join(f"{k} {v}" for k, v in draft.settings.items()) if draft else ""
        told = " · ".join(t for t in ((draft.directions or "") if draft else "", settings) if t)
        session.line(f"Draft: {told or 'none'}")
        table = show.table("Setting", "Value", "From")
        for name, setting in asset.defaults.items():
            if setting.value is not None:
                table.add_row(name, Text(str(setting.value)), setting.source)
        if asset.defaults:
            session.table(table)
    session.emit({"asset_id": asset.id, "draft": asset.draft, "defaults": asset.defaults})
