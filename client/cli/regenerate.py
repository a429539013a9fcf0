"""`retake regenerate`: a new version of one asset."""

from __future__ import annotations

from typing import Annotated

import typer

from client.cleanup import stopping
from client.cli.command import command
from client.cli.following import follow_run, tell_run
from client.cli.options import EpisodeOption, KindOption, ProjectOption, Target, pairs, parse_kind
from client.cli.session import Session
from client.cli.targets import find_asset


@command
async def regenerate(
    session: Session,
    target: Target,
    kind: KindOption = None,
    directions: Annotated[
        str | None, typer.Option("--directions", "-d", metavar="TEXT", help="What to make.  [default: the draft's]")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--change",
            "-c",
            metavar="KEY=VALUE",
            help="A change to what there is: prompt_modifications, "
            "style_adjustments, character_prompt. May be repeated.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="See `retake models`.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of the model, such as seed=7. May be repeated."),
    ] = None,
    variants: Annotated[int | None, typer.Option("--variants", min=1, max=4, help="Several to choose from.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the preview; Ctrl-C then cancels the run.")
    ] = True,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Make a new version of a video, starting image, narration or music; what is committed stays until you accept."""
    wanted = parse_kind(kind)
    settings, changes = pairs(setting, "--set"), pairs(change, "--change")
    async with session.connect() as client:
        found, asset = await find_asset(client, target, wanted, episode, project)
        start = client.assets.regenerate(
            asset.id,
            directions=directions,
            model=model,
            settings=settings or None,
            variants=variants,
            suggested_changes=changes or None,
        )
        async with stopping(start, lambda started: client.runs.cancel(started.id)) as run:
            if wait:
                run = await follow_run(session, client, found, run.id)
    tell_run(session, run, found, asset)
