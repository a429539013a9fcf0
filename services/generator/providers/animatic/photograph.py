"""Prepares a photograph of any size and shape as planes from which frames are cut.

Its aspect ratio divided by the frame's determines how it is fitted:

* 0.6 to 1/0.6 (from 1.07:1 to 2.96:1 in a 16:9 frame, so 5:4, 4:3 and 3:2): it covers the frame and is cropped;
* smaller (square, portrait): for a tilt it covers the frame and the camera travels over its height; for any other move
  the whole photograph is placed on a dark, blurred fill of itself. In a portrait frame the same applies to wide
  photographs and a pan.

The aspect ratio of the photograph is never distorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from services.generator.media.photographs import COVER_LEAST
from services.generator.providers.animatic.camera import Window
from services.generator.providers.animatic.directions import Directions
from services.generator.providers.animatic.vocabulary import Verb

LANCZOS, BICUBIC, BILINEAR = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
# The maximum size of a stage relative to the frame: beyond it, a zoom shows pixels and no more detail.
STAGE_MOST = 2.2

# ITU-R BT.709, 8 bit, limited range: rows for Y, Cb, Cr over R, G, B in 0-255 and an offset.
_KR, _KG, _KB = 0.2126, 0.7152, 0.0722
_Y, _C = 219 / 255, 224 / 255
_TO_YCBCR = (
    *(_Y * _KR, _Y * _KG, _Y * _KB, 16.0),
    *(-_C * _KR / 1.8556, -_C * _KG / 1.8556, _C * (1 - _KB) / 1.8556, 128.0),
    *(_C * (1 - _KR) / 1.5748, -_C * _KG / 1.5748, -_C * _KB / 1.5748, 128.0),
)


class Fit(StrEnum):
    COVER = "cover"
    PANEL = "panel"


@dataclass(frozen=True)
class Stage:
    """The part of the canvas that a path visits, as planes: luma in full, chroma at half the size.

    `left`, `top` are its corner on the canvas in frames; `unit` is (width, height) of one frame in luma pixels.
    """

    luma: Image.Image
    chroma: tuple[Image.Image, Image.Image]
    left: float
    top: float
    unit: tuple[float, float]


def choose_fit(size: tuple[int, int], frame: tuple[int, int], directions: Directions) -> Fit:
    """Applies the rule in the module docstring."""
    ratio = (size[0] / size[1]) / (frame[0] / frame[1])
    if COVER_LEAST <= ratio <= 1 / COVER_LEAST:
        return Fit.COVER
    along = [bool(m.tilt or m.free is Verb.TILT) if ratio < 1 else bool(m.pan or m.free) for m in directions.moves]
    return Fit.COVER if along and any(along) else Fit.PANEL


def canvas_extent(size: tuple[int, int], frame: tuple[int, int]) -> tuple[float, float]:
    """Width and height of a picture in units of the largest frame that fits into it."""
    ratio = (size[0] / size[1]) / (frame[0] / frame[1])
    return (ratio, 1.0) if ratio >= 1 else (1.0, 1 / ratio)


def set_on_panel(photo: Image.Image, frame: tuple[int, int], zoom: float) -> Image.Image:
    """The whole photograph on a blurred, darkened fill of itself, in the frame's shape and `zoom` times its size."""
    size = (round(frame[0] * zoom), round(frame[1] * zoom))
    fill = ImageOps.fit(photo, (size[0] // 8, size[1] // 8), BICUBIC)
    fill = fill.filter(ImageFilter.GaussianBlur(min(size) / 8 / 22))
    fill = ImageEnhance.Color(ImageEnhance.Brightness(fill).enhance(0.5)).enhance(0.85)
    panel = _dithered(fill.resize(size, BICUBIC))
    inner = ImageOps.contain(photo, size, LANCZOS)
    corner = ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2)
    _shadow(panel, corner, inner.size)
    panel.paste(inner, corner)
    return panel


def _dithered(image: Image.Image) -> Image.Image:
    """Hides the banding of a smooth fill by one step of fixed noise, which survives the encoder."""
    noise = np.random.default_rng(709).integers(-1, 2, (image.height, image.width, 1), dtype=np.int16)
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.int16) + noise, 0, 255).astype(np.uint8))


def _shadow(panel: Image.Image, corner: tuple[int, int], size: tuple[int, int]) -> None:
    """A soft shadow around the photograph, drawn at a reduced size because it has no detail."""
    small = (max(1, panel.width // 8), max(1, panel.height // 8))
    mask = Image.new("L", small, 0)
    box = [v // 8 for v in (corner[0], corner[1], corner[0] + size[0], corner[1] + size[1])]
    mask.paste(150, (box[0], box[1], box[2], box[3]))
    mask = mask.filter(ImageFilter.GaussianBlur(min(small) / 36)).resize(panel.size, BICUBIC)
    panel.paste((0, 0, 0), (0, 0), mask)


def find_focus(photo: Image.Image) -> tuple[float, float]:
    """The focus of attention, as shares of width and height: contrast, colour and skin tones, weighted to the middle.

    In portrait and square pictures the weight is higher up, because most of them show people.
    """
    small = photo.resize((96, max(8, round(96 * photo.height / photo.width))), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32)
    wide = np.asarray(small.filter(ImageFilter.GaussianBlur(14)), dtype=np.float32)
    near = np.asarray(small.filter(ImageFilter.GaussianBlur(1.5)), dtype=np.float32)
    interest = np.sqrt(((near - wide) ** 2).sum(axis=2)) + 0.4 * np.abs(pixels - near).sum(axis=2)
    _, cb, cr = (np.asarray(plane) for plane in small.filter(ImageFilter.GaussianBlur(1)).convert("YCbCr").split())
    skin = (cb >= 77) & (cb <= 127) & (cr >= 133) & (cr <= 173)  # Chai and Ngan, 1999
    interest *= 1 + 1.2 * skin
    rows, columns = np.mgrid[0 : small.height, 0 : small.width]
    x, y = (columns + 0.5) / small.width, (rows + 0.5) / small.height
    middle = 0.44 if photo.width > 1.2 * photo.height else 0.36
    interest *= np.exp(-((x - 0.5) ** 2 + (y - middle) ** 2) / (2 * 0.26**2))
    interest = np.where(interest >= np.quantile(interest, 0.85), interest, 0) + 1e-6
    total = float(interest.sum())
    return float((interest * x).sum()) / total, float((interest * y).sum()) / total


def build_stage(
    picture: Image.Image, path: Sequence[Window], extent: tuple[float, float], frame: tuple[int, int]
) -> Stage:
    """Resamples the area that the path visits, at about one pixel per pixel of the frame for its closest window."""
    margin = 0.004  # room for the chroma shift and for rounding
    left = max(0.0, min(w.x - w.size / 2 for w in path) - margin)
    top = max(0.0, min(w.y - w.size / 2 for w in path) - margin)
    right = min(extent[0], max(w.x + w.size / 2 for w in path) + margin)
    bottom = min(extent[1], max(w.y + w.size / 2 for w in path) + margin)
    magnify = min(STAGE_MOST, 1 / min(w.size for w in path))
    across, down = picture.width / extent[0], picture.height / extent[1]  # pixels of the picture per frame
    size = (
        max(2, 2 * round((right - left) * frame[0] * magnify / 2)),
        max(2, 2 * round((bottom - top) * frame[1] * magnify / 2)),
    )
    box = (left * across, top * down, min(picture.width, right * across), min(picture.height, bottom * down))
    drawn = picture.resize(size, LANCZOS, box=box, reducing_gap=3.0)
    enlarged = size[0] / (box[2] - box[0])
    if enlarged > 1.3:  # a small photograph: restores some of the sharpness that was lost by enlarging
        drawn = drawn.filter(ImageFilter.UnsharpMask(radius=min(4.0, enlarged * 0.8), percent=45, threshold=2))
    luma, cb, cr = drawn.convert("RGB", _TO_YCBCR).split()
    half = (size[0] // 2, size[1] // 2)
    chroma = (cb.resize(half, Image.Resampling.BOX), cr.resize(half, Image.Resampling.BOX))
    return Stage(luma, chroma, left, top, (size[0] / (right - left), size[1] / (bottom - top)))


def cut_frame(stage: Stage, window: Window, frame: tuple[int, int]) -> tuple[bytes, bytes, bytes]:
    """One frame as planes of yuv420p, resampled at sub-pixel precision."""
    width, height = window.size * stage.unit[0], window.size * stage.unit[1]
    x = (window.x - stage.left) * stage.unit[0] - width / 2
    y = (window.y - stage.top) * stage.unit[1] - height / 2
    luma = stage.luma.resize(frame, BICUBIC, box=_inside(x, y, width, height, stage.luma.size))
    # H.264 chroma samples are sited at the left luma sample of each pair, half a luma pixel off the middle.
    shift = width / frame[0] / 2
    half = (frame[0] // 2, frame[1] // 2)
    box = _inside((x - shift) / 2, y / 2, width / 2, height / 2, stage.chroma[0].size)
    cb, cr = (plane.resize(half, BILINEAR, box=box) for plane in stage.chroma)
    return luma.tobytes(), cb.tobytes(), cr.tobytes()


def _inside(
    x: float, y: float, width: float, height: float, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """The box moved into the plane without changing its size, because rounding may push it over the edge."""
    width, height = min(width, size[0]), min(height, size[1])
    x, y = min(max(0.0, x), size[0] - width), min(max(0.0, y), size[1] - height)
    return x, y, min(float(size[0]), x + width), min(float(size[1]), y + height)
