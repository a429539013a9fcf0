"""`retake completion`, and what the shell offers for the names of episodes and projects."""

from __future__ import annotations

from typing import Annotated

import typer

SHELLS = ("bash", "zsh", "fish")
PATIENCE_S = 1.5  # a key press must not hang
NAMES = 50


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print what makes your shell complete `retake`'s commands, options, and episodes.

    bash: `retake completion bash > ~/.local/share/bash-completion/completions/retake` ·
    zsh: `retake completion zsh > ~/.zfunc/_retake` (a folder of your fpath) ·
    fish: `retake completion fish > ~/.config/fish/completions/retake.fish`
    """
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        typer.echo(f"Error: {shell!r} is no shell that is known here. Choose one of: {', '.join(SHELLS)}.", err=True)
        raise typer.Exit(2)
    typer.echo(get_completion_script(prog_name="retake", complete_var="_RETAKE_COMPLETE", shell=shell))


def episodes(incomplete: str) -> list[str]:
    """The newest project's titles. Without a gateway: none."""
    return _offered(incomplete, of_projects=False)


def projects(incomplete: str) -> list[str]:
    return _offered(incomplete, of_projects=True)


def _offered(incomplete: str, *, of_projects: bool) -> list[str]:
    import asyncio

    try:
        names = asyncio.run(asyncio.wait_for(_names(of_projects), PATIENCE_S))
    except Exception:  # whatever it is: the shell is no place to tell it
        return []
    return [n for n in dict.fromkeys(names) if n.lower().startswith(incomplete.lower())]


async def _names(of_projects: bool) -> list[str]:
    from client.api import AsyncRetake

    async with AsyncRetake.locate() as client:
        projects = await client.projects.all(NAMES if of_projects else 1)
        if of_projects:
            return [p.name for p in projects]
        return [e.title for p in projects for e in await client.episodes.all(p.id, NAMES)]
