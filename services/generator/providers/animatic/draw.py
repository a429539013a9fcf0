"""Child process: draws a camera move over a photograph and writes raw yuv420p frames to stdout."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from services.generator.media.photographs import load_photograph
from services.generator.media.worker_process import Job, serve
from services.generator.providers.animatic.camera import Window, camera_path
from services.generator.providers.animatic.directions import Directions, read_directions
from services.generator.providers.animatic.grade import apply_grade, read_grade
from services.generator.providers.animatic.photograph import (
    STAGE_MOST,
    Fit,
    Stage,
    build_stage,
    canvas_extent,
    choose_fit,
    cut_frame,
    find_focus,
    set_on_panel,
)

_SET_PIPE_SIZE = 1031  # Linux F_SETPIPE_SZ: fewer switches between drawing and encoding


def draw(job: Job) -> None:
    """Job: image, directions, seed, duration_s, frames, width, height. Deterministic."""
    frame = (int(job["width"]), int(job["height"]))
    image, directions = Path(job["image"]), str(job["directions"])
    stage, path = prepare(image, directions, job["seed"], job["duration_s"], job["frames"], frame)
    out = sys.stdout.buffer
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.fcntl(out.fileno(), _SET_PIPE_SIZE, 1 << 20)
    for window in path:
        for plane in cut_frame(stage, window, frame):
            out.write(plane)
    out.flush()


def prepare(
    image: Path, directions: str, seed: int, duration_s: float, frames: int, frame: tuple[int, int]
) -> tuple[Stage, list[Window]]:
    """All work that is done once: reads the directions and the photograph, fits it, plans the path, resamples."""
    moves = read_directions(directions)
    photo = load_photograph(image, at_least=2 * max(frame))
    focus = find_focus(photo)
    photo = apply_grade(photo, read_grade(directions))
    fit = choose_fit(photo.size, frame, moves)
    if fit is Fit.PANEL:
        focus = _on_panel(photo.size, frame, focus)
        photo = set_on_panel(photo, frame, _closest(moves, seed, duration_s, frames))
        extent = (1.0, 1.0)
    else:
        extent = canvas_extent(photo.size, frame)
    path = camera_path(moves, seed=seed, duration_s=duration_s, frames=frames, extent=extent, focus=focus)
    return build_stage(photo, path, extent, frame), path


def _closest(moves: Directions, seed: int, duration_s: float, frames: int) -> float:
    """The magnification at which the panel must be drawn, so that its closest window is sharp."""
    path = camera_path(moves, seed=seed, duration_s=duration_s, frames=frames, extent=(1.0, 1.0))
    return min(STAGE_MOST, 1 / min(w.size for w in path))


def _on_panel(size: tuple[int, int], frame: tuple[int, int], focus: tuple[float, float]) -> tuple[float, float]:
    """A point of the photograph, as shares of the panel on which it is centred."""
    ratio = (size[0] / size[1]) / (frame[0] / frame[1])
    width, height = min(1.0, ratio), min(1.0, 1 / ratio)
    return 0.5 + (focus[0] - 0.5) * width, 0.5 + (focus[1] - 0.5) * height


if __name__ == "__main__":
    serve(draw)
