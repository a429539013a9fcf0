"""`retake completion`, and shell completion of the names of episodes and projects."""

from __future__ import annotations

from typing import Annotated

import typer

SHELLS = ("bash", "zsh", "fish")
TIMEOUT_S = 1.5  # a key press must not hang
MAX_NAMES = 50


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="Shell: bash, zsh or fish.")],
) -> None:
    """Print a completion script for your shell.

    It completes commands, options, and the names of episodes and projects.

    * bash: `retake completion bash > ~/.local/share/bash-completion/completions/retake`
    * zsh: `retake completion zsh > ~/.zfunc/_retake` (a folder of your fpath)
    * fish: `retake completion fish > ~/.config/fish/completions/retake.fish`
    """
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        typer.echo(f"Error: Unknown shell: {shell!r}. Choose one of: {', '.join(SHELLS)}.", err=True)
        raise typer.Exit(2)
    typer.echo(get_completion_script(prog_name="retake", complete_var="_RETAKE_COMPLETE", shell=shell))


def episodes(incomplete: str) -> list[str]:
    """The titles of the newest project's episodes; none without a gateway."""
    return _complete(incomplete, of_projects=False)


def projects(incomplete: str) -> list[str]:
    """The names of the projects; none without a gateway."""
    return _complete(incomplete, of_projects=True)


def _complete(incomplete: str, *, of_projects: bool) -> list[str]:
    import asyncio

    try:
        names = asyncio.run(asyncio.wait_for(_names(of_projects), TIMEOUT_S))
    except Exception:  # whatever it is, a shell completion must not print errors
        return []
    return [n for n in dict.fromkeys(names) if n.lower().startswith(incomplete.lower())]


async def _names(of_projects: bool) -> list[str]:
    from client.api import AsyncRetake

    async with AsyncRetake.locate() as client:
        projects = await client.projects.all(MAX_NAMES if of_projects else 1)
        if of_projects:
            return [p.name for p in projects]
        return [e.title for p in projects for e in await client.episodes.all(p.id, MAX_NAMES)]
