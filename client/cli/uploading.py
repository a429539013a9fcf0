"""`retake upload`: one's own file as a version."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Annotated

import typer

from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.following import follow_run, tell_run
from client.cli.options import EpisodeOption, KindOption, ProjectOption, Target, parse_kind
from client.cli.screen import transfer
from client.cli.session import Session
from client.cli.targets import find_asset
from client.models import Asset, Kind


@command
async def upload(
    session: Session,
    target: Target,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file, or an http(s) address that the gateway fetches.")
    ],
    kind: KindOption = None,
    directions: Annotated[
        str | None, typer.Option("--directions", "-d", metavar="TEXT", help="What it shows or says.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it can be reviewed.")] = True,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Offer your own file as a version of an asset: it is reviewed like any other.

    Examples:

    * `retake upload 2 take.mov`
    * `retake upload 1 photo.jpg --kind starting_image`
    * `retake upload music song.flac`
    """
    wanted, is_url = parse_kind(kind), file.startswith(("http://", "https://"))
    path = Path(file)
    if not is_url and not path.is_file():
        raise UsageError(f"{file}: there is no such file.", "Name a file, or an http(s) address.")
    async with session.connect() as client:
        found, asset = await find_asset(client, target, wanted, episode, project)
        if not is_url:
            _check_fits(path, asset)
        if is_url:
            run = await client.assets.add_version(asset.id, url=file, directions=directions)
        else:
            with transfer(session, f"Uploading {path.name}") as told:
                sent = await client.uploads.create(found.project_id or "", path, on_progress=told)
            run = await client.assets.add_version(asset.id, upload_id=sent.id, directions=directions)
        if wait:
            run = await follow_run(session, client, found, run.id)
    tell_run(session, run, found, asset)


def _check_fits(file: Path, asset: Asset) -> None:
    """Before gigabytes are sent to be refused."""
    found = (mimetypes.guess_type(file.name)[0] or "").partition("/")[0]
    needed = {Kind.VIDEO: "video", Kind.NARRATION: "audio", Kind.MUSIC: "audio"}.get(asset.kind, "image")
    if found in ("image", "video", "audio") and found != needed:
        raise UsageError(
            f"{file.name} is {_article(found)}, but a {asset.kind.words} needs {_article(needed)}.",
            "Choose another file, or name the asset that it is for with --kind.",
        )


def _article(word: str) -> str:
    return {"image": "an image", "audio": "sound"}.get(word, f"a {word}")
