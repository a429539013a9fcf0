"""`retake asset` and `retake draft`: the assets of an episode, and the drafts for their next runs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.lookup import find_asset, find_episode, find_segment
from client.cli.options import EpisodeOption, KindOption, ProjectOption, Target, parse_kind, parse_pairs
from client.cli.session import Session
from client.models import Asset, AssetKind

app = typer.Typer(no_args_is_help=True, help="Assets: list, add an image.")
draft_app = typer.Typer(no_args_is_help=True, help="Drafts: directions and settings for the next run of an asset.")

ORDER = (
    AssetKind.STARTING_IMAGE,
    AssetKind.VIDEO,
    AssetKind.NARRATION,
    AssetKind.MUSIC,
    AssetKind.IMAGE,
    AssetKind.UNKNOWN,
)


@app.command("list")
@command
async def list_(
    session: Session,
    kind: Annotated[str | None, typer.Option("--kind", "-k", help="Only assets of this kind.")] = None,
    stale: Annotated[bool, typer.Option("--stale", help="Only assets whose inputs have changed since.")] = False,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """List the assets of an episode: committed versions, active runs, drafts."""
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        assets = await client.episodes.assets(found.id, kind=asset_kind, stale="true" if stale else None)
    if not session.as_json:
        table = formatting.table("#Seg", "Kind", "=Asset", "Committed", "Active run", "Draft")
        for asset in sorted(assets, key=lambda a: (a.segment_number or 1_000, ORDER.index(a.kind))):
            version = f"version {asset.committed.number}" if asset.committed else "-"
            version += " (stale)" if asset.stale else ""
            active = "generating" if asset.active_run_id else ""
            active = formatting.state(asset.preview.status) if asset.preview else active
            draft = Text((asset.draft.directions if asset.draft else None) or "")
            table.add_row(str(asset.segment_number or ""), asset.kind.words, asset.id, version, active, draft)
        if assets:
            session.table(table)
        else:
            session.line("No assets.")
    session.emit({"episode_id": found.id, "assets": assets})


@app.command("add")
@command
async def add(
    session: Session,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="Name of the image.")],
    segment: Annotated[
        str | None, typer.Option("--segment", metavar="N", help="Number or id of its segment.  [default: none]")
    ] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Add an image to an episode or a segment. Generate it with `retake regenerate ASSET --directions ...`."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        segment_id = (await find_segment(client, segment, found.id, None)).id if segment else None
        created = await client.episodes.add_asset(found.id, label, segment_id=segment_id)
    session.line(f"Image {created.label}  {created.id}", style="green")
    session.emit(created)


@draft_app.command("show")
@command
async def show_draft(
    session: Session, target: Target, kind: KindOption = None, episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:  # fmt: skip
    """Show the draft of an asset, and the source of each setting of its next run."""
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        _, asset = await find_asset(client, target, asset_kind, episode, project)
    _print(session, asset)


@draft_app.command("set")
@command
async def set_draft(
    session: Session,
    target: Target,
    kind: KindOption = None,
    directions: Annotated[str | None, typer.Option("--directions", "-d", metavar="TEXT", help="Directions.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Setting such as seed=7, model=...; repeatable."),
    ] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Change the draft of an asset. Nothing is generated."""
    if directions is None and not setting:
        raise UsageError("Nothing to change.", "Give --directions or --set.")
    new_settings = parse_pairs(setting, "--set")
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        _, asset = await find_asset(client, target, asset_kind, episode, project)
        before = asset.draft
        if directions is None and before:
            directions = before.directions
        settings = {**(before.settings if before else {}), **new_settings}
        settings = {k: v for k, v in settings.items() if v is not None}
        asset = await client.assets.save_draft(
            asset.id, directions=directions, settings=settings, revision=asset.revision
        )
    _print(session, asset)


@draft_app.command("discard")
@command
async def discard(
    session: Session, target: Target, kind: KindOption = None, episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:  # fmt: skip
    """Discard the draft of an asset. Its next run starts from the committed version."""
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        _, asset = await find_asset(client, target, asset_kind, episode, project)
        await client.assets.discard_draft(asset.id)
    session.line("Discarded the draft.")
    session.emit({"asset_id": asset.id, "draft": None})


def _print(session: Session, asset: Asset) -> None:
    if not session.as_json:
        session.line(f"{asset.label or asset.kind.words}  {asset.id}", style="bold")
        draft = asset.draft
        settings = " · ".join(f"{k} {v}" for k, v in draft.settings.items()) if draft else ""
        summary = " · ".join(t for t in ((draft.directions or "") if draft else "", settings) if t)
        session.line(f"Draft: {summary or 'none'}")
        table = formatting.table("Setting", "Value", "Source")
        for name, setting in asset.defaults.items():
            if setting.value is not None:
                table.add_row(name, Text(str(setting.value)), setting.source_text)
        if asset.defaults:
            session.table(table)
    session.emit({"asset_id": asset.id, "draft": asset.draft, "defaults": asset.defaults})
