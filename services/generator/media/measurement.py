"""Measures the quality of a video in the pass that decodes it: filters of that pass, and what they have printed.

Expensive measures sample a few frames a second. Blocks are visible only at full size, edges at 640 pixels as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.generator.domain.quality import NO_NEIGHBOUR, NO_STARTING_IMAGE
from services.generator.media.flashes import COLUMNS, MOST_RATE, ROWS, Span, find_flashes
from shared.contracts.photosensitivity import FLASHES, RED_FLASHES
from shared.core.errors import RetakeError
from shared.media.ffmpeg import run_ffmpeg
from shared.media.file_type import Form, sniff
from shared.media.graphs import Output, Stream, arguments, media_file, split
from shared.media.probe import Probe
from shared.media.sandbox import Option

WIDTH: Final = 640
SCAN_WIDTH: Final = 320  # pixels; black, frozen and flashing pictures are found at any size
SMALL_WIDTH, SMALL_HEIGHT = 64, 36  # for similarity, which ignores fine detail
CUT: Final = 10.0  # of 100: how much a picture must differ from the one before it to be a cut (the filter's default)
LAST_FRAME: Final = "last-frame.jpg"
CELLS: Final = "cells.rgb"
SAMPLES_PER_S: Final = 2.0
MIN_SAMPLES: Final = 8
FLASH_FRAMES: Final = 24  # the window of the flicker measure
LAST_FRAMES: Final = 3  # the frame count of a container may be off by one or two
_VALUE: Final = re.compile(r"=(-?[\d.]+)")


@dataclass(frozen=True)
class Measurement:
    """The outputs of the pass, which write files into the folder `work`. `rate`: pictures a second in `CELLS`."""

    outputs: list[Output]
    work: Path
    rate: float

    @property
    def last_frame(self) -> Path | None:
        """None if the file has fewer frames than its container states."""
        path = self.work / LAST_FRAME
        return path if path.exists() else None

    def values(self) -> tuple[dict[str, float | None], Sequence[Span]]:
        """The measures, and where it flashes. None for a measure that the filter could not take, for example without
        edges in any frame."""
        found = find_flashes(self.work / CELLS, self.rate)
        measures = {
            FLASHES: None if found is None else float(found.light),
            RED_FLASHES: None if found is None else float(found.red),
            "sharpness": read_median(self.work / "blur.txt"),
            "blockiness": read_median(self.work / "blocks.txt"),
            "flicker": max(_read(self.work / "flicker.txt"), default=None),
        }
        return measures, found.spans if found else ()


def measure(small: Stream, full: Stream, found: Probe, work: Path) -> Measurement:
    """`small` is the video at a width of 640 pixels, `full` at its own size."""
    frames, fps = found.frames or 1, found.fps or 24.0
    every = max(1, min(round(fps / SAMPLES_PER_S), frames // MIN_SAMPLES))
    scan, some, end, cells = split(small, 4)
    rate = min(fps, MOST_RATE)
    cells = cells.filter("fps", fps=f"{rate:.3f}").filter("scale", w=COLUMNS, h=ROWS, flags="area")
    cells = cells.filter("format", pix_fmts="rgb24")
    scan = scan.filter("scale", w=SCAN_WIDTH, h=-2, flags="fast_bilinear")
    scan = scan.filter("blackdetect", d=0.1).filter("freezedetect", d=0.5).filter("scdet", threshold=CUT)
    scan = scan.filter("photosensitivity", bypass=1, frames=FLASH_FRAMES)
    scan = _printed(scan, "lavfi.photosensitivity.badness", work / "flicker.txt")
    edges, thumbnail = split(sampled(some, every), 2)
    thumbnail = thumbnail.filter("scale", w=SMALL_WIDTH, h=SMALL_HEIGHT, flags="area").filter(
        "format", pix_fmts="rgb24"
    )
    # By number, or by time where the first frames cannot be decoded: those before the first key frame of a cut film.
    last_s = found.duration_s + found.shift_s - 1.5 / fps
    end = end.filter("select", expr=f"gte(n,{max(0, frames - LAST_FRAMES)})+gte(t,{last_s:.6f})")
    end = end.filter("scale", w="iw", h="ih").filter("setsar", sar=1)
    blocks = _printed(sampled(full, every).filter("blockdetect"), "lavfi.block", work / "blocks.txt")
    first: dict[str, Option] = {"frames:v": 1, "format": "rawvideo"}
    raw: dict[str, Option] = {"format": "rawvideo"}
    last: dict[str, Option] = {"q:v": 2, "format": "image2", "update": 1}
    outputs = [
        scan.output("-", format="null"),
        blur(edges, work / "blur.txt").output("-", format="null"),
        blocks.output("-", format="null"),
        thumbnail.output(str(work / "first.rgb"), **first),
        end.output(str(work / LAST_FRAME), **last),
        cells.output(str(work / CELLS), **raw),
    ]
    return Measurement(outputs, work, rate)


def sampled(pictures: Stream, every: int) -> Stream:
    """Every `every`th frame."""
    return pictures.filter("select", expr=f"not(mod(n,{every}))")


def blur(pictures: Stream, out: Path) -> Stream:
    """Prints the blur of each frame. Only blocks with edges count, so that sky and walls do not count as blurred."""
    measured = pictures.filter("blurdetect", block_width=32, block_height=32, block_pct=80)
    return _printed(measured, "lavfi.blur", out)


def _printed(pictures: Stream, key: str, out: Path) -> Stream:
    return pictures.filter("metadata", mode="print", key=key, file=str(out))


async def measure_similarities(
    work: Path, found: Probe, starting_image: Path | None, previous: Path | None
) -> tuple[dict[str, float | None], dict[str, str]]:
    """The similarity (0 to 1) of the first frame to the starting image and to the last frame of the segment before.

    Returns the measures, and the reasons for those that are None.
    """
    first, aspect = _raw(work / "first.rgb"), (found.width or 1) / (found.height or 1)
    measures: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name, path, reason in (
        ("first_frame_similarity", starting_image, NO_STARTING_IMAGE),
        ("continuity_previous", previous, NO_NEIGHBOUR),
    ):
        other = await _thumbnail(path, work / f"{name}.rgb", aspect) if path is not None else None
        measures[name] = None if other is None or first is None else similarity(other, first)
        if measures[name] is None:
            reasons[name] = reason if path is None else "A picture could not be read for the comparison."
    return measures, reasons


def similarity(whole: NDArray[np.uint8], part: NDArray[np.uint8]) -> float:
    """The correlation (0 to 1) of the pixels of two pictures, arrays of (height, width, 3).

    The best of several zooms into `whole` counts, because a camera may start close. Colour counts as much as luminance.
    """
    return max(0.0, max(_correlation(_zoomed(whole, zoom), part) for zoom in (1.0, 1.12, 1.25, 1.4)))


def _correlation(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    if norm < 1e-9:  # two pictures of one colour each are similar if it is the same colour
        return 1.0 if np.abs(a.astype(float) - b.astype(float)).mean() < 2 else 0.0
    return float(x @ y) / norm


def _zoomed(picture: NDArray[np.uint8], zoom: float) -> NDArray[np.uint8]:
    """The centre of the picture, enlarged to the same size by nearest neighbour."""
    height, width = picture.shape[:2]
    rows = ((np.arange(height) + 0.5 - height / 2) / zoom + height / 2).astype(int)
    columns = ((np.arange(width) + 0.5 - width / 2) / zoom + width / 2).astype(int)
    return picture[np.ix_(rows, columns)]


async def _thumbnail(path: Path, out: Path, aspect: float) -> NDArray[np.uint8] | None:
    """A picture, or the last frame of a video, as a thumbnail that is cropped to the video's aspect ratio.

    None if that fails: no version is lost because of a measure.
    """
    ending: dict[str, Option] = {} if sniff(path) is Form.PICTURE else {"sseof": -1}
    pictures = media_file(path, ending)["v:0"]
    pictures = pictures.filter("crop", w=f"min(iw,ih*{aspect:.4f})", h=f"min(ih,iw/{aspect:.4f})")
    pictures = pictures.filter("scale", w=SMALL_WIDTH, h=SMALL_HEIGHT, flags="area").filter("format", pix_fmts="rgb24")
    try:
        await run_ffmpeg(arguments(pictures.output(str(out), format="rawvideo", an=None)), timeout_s=60)
    except RetakeError:
        return None
    return _raw(out)


def _raw(path: Path) -> NDArray[np.uint8] | None:
    """The last picture in the file."""
    size = SMALL_WIDTH * SMALL_HEIGHT * 3
    data = path.read_bytes() if path.exists() else b""
    return np.frombuffer(data[-size:], np.uint8).reshape(SMALL_HEIGHT, SMALL_WIDTH, 3) if len(data) >= size else None


def _read(path: Path) -> list[float]:
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [float(match.group(1)) for line in lines if line.startswith("lavfi") and (match := _VALUE.search(line))]


def read_median(path: Path) -> float | None:
    """The median of the values that a filter printed; None if all are zero."""
    return _median(_read(path))


def _median(values: list[float]) -> float | None:
    positive = [value for value in values if value > 0]
    return float(np.median(positive)) if positive else None
