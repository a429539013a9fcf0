"""`retake upload`: a file of the user's as a new version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.follow import follow_run, report_run
from client.cli.lookup import find_asset
from client.cli.options import EpisodeOption, KindOption, ProjectOption, Target, parse_kind
from client.cli.screen import transfer
from client.cli.session import Session
from client.file_types import content_type, media_kind
from client.models import Asset, AssetKind


@command
async def upload(
    session: Session,
    target: Target,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file, or an http(s) URL that the gateway downloads.")],
    kind: KindOption = None,
    directions: Annotated[
        str | None, typer.Option("--directions", "-d", metavar="TEXT", help="Description of the content.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the preview is ready.")] = True,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Upload your own file as a new version of an asset. It is reviewed like any other.

    Examples:

    * `retake upload 2 take.mov`
    * `retake upload 1 photo.jpg --kind starting_image`
    * `retake upload music song.flac`
    """
    is_url = file.startswith(("http://", "https://"))
    path = Path(file)
    if not is_url and not path.is_file():
        raise UsageError(f"{file}: no such file.", "Give a file, or an http(s) URL.")
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        found, asset = await find_asset(client, target, asset_kind, episode, project)
        if is_url:
            run = await client.assets.add_version(asset.id, url=file, directions=directions)
        else:
            _check_media_type(path, asset)
            with transfer(session, f"Uploading {path.name}") as on_progress:
                uploaded = await client.uploads.create(found.project_id or "", path, on_progress=on_progress)
            run = await client.assets.add_version(asset.id, upload_id=uploaded.id, directions=directions)
        if wait:
            run = await follow_run(session, client, found, run.id)
    report_run(session, run, found, asset)


def _check_media_type(file: Path, asset: Asset) -> None:
    """Raise UsageError before a file is uploaded that the gateway would refuse."""
    found = media_kind(content_type(file))
    needed = {AssetKind.VIDEO: "video", AssetKind.NARRATION: "audio", AssetKind.MUSIC: "audio"}.get(asset.kind, "image")
    if found is not None and found != needed:
        raise UsageError(
            f"{file.name} is {_with_article(found)} file; {asset.kind.words} needs {_with_article(needed)} file.",
            "Choose another file, or select the asset with --kind.",
        )


def _with_article(word: str) -> str:
    return f"a {word}" if word == "video" else f"an {word}"
