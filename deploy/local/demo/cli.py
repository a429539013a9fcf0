"""`retake demo`: a plain function, which `retake` registers by entry point. What it needs is loaded late."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    photos: Annotated[
        Path | None, typer.Option("--photos", metavar="FOLDER", help="Your photographs instead of the demo's.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the film goes.")] = Path("out/demo"),
) -> None:
    """Make a film from four photographs with the whole system, reviewed, and check it by decoding it."""
    from deploy.local.demo.command import run

    run(photos, out)
