"""Within a job: sets captions in lines that fit, as FreeType measures them. `renderer` orders it."""

from __future__ import annotations

from pathlib import Path

from services.compiler.planning.captions import Caption
from services.compiler.rendering.fonts import write_script
from shared.contracts.values import Output
from shared.sandbox.channel import Job


def work(job: Job) -> Job:
    """Job: the `path` of the script, the `captions` with their fields, and the `output`. Writes the script."""
    captions = [Caption(c["start"], c["end"], tuple(c["lines"])) for c in job["captions"]]
    write_script(Path(job["path"]), captions, Output.model_validate(job["output"]))
    return {}
