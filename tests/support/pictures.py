"""Test photographs made from noise and shapes, and measures of what moved between two frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.floating[Any]]


def texture(width: int, height: int, seed: int = 1) -> Image.Image:
    """A picture with detail at every scale and none of it repeated, so that any motion can be measured."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((6, 1.0), (18, 0.7), (60, 0.5)):
        rows = max(2, round(cells * height / max(width, height)))
        columns = max(2, round(cells * width / max(width, height)))
        small = Image.fromarray(rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8))
        total += weight * np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray(np.clip(total / 2.2, 0, 255).astype(np.uint8))


def save_texture(path: Path, width: int, height: int, seed: int = 1) -> Path:
    texture(width, height, seed).save(path)
    return path


def displacement(first: Plane, last: Plane) -> tuple[float, float]:
    """(right, down) in pixels by which the content of `first` is moved in `last`, by phase correlation."""
    window = np.outer(np.hanning(first.shape[0]), np.hanning(first.shape[1]))
    a = np.fft.fft2((first - first.mean()) * window)
    b = np.fft.fft2((last - last.mean()) * window)
    cross = b * np.conj(a)
    peak = np.abs(np.fft.ifft2(cross / (np.abs(cross) + 1e-9)))
    row, column = np.unravel_index(int(peak.argmax()), peak.shape)
    height, width = peak.shape
    down = row - height if row > height // 2 else row
    right = column - width if column > width // 2 else column
    return float(right), float(down)


def magnification(first: Plane, last: Plane) -> float:
    """How much larger the content of `first` is in `last`, when both look at about the same place."""
    height, width = first.shape
    image = Image.fromarray(first.astype(np.float32))
    best, found = -2.0, 1.0
    for zoom in np.arange(0.6, 1.7, 0.02):
        # The middle of both, as the camera sees it at this magnification.
        half = (width * 0.28, height * 0.28)
        box = (
            width / 2 - half[0] / zoom,
            height / 2 - half[1] / zoom,
            width / 2 + half[0] / zoom,
            height / 2 + half[1] / zoom,
        )
        if box[0] < 0 or box[1] < 0:
            continue
        size = (round(2 * half[0]), round(2 * half[1]))
        expected = np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box))
        top, left = (height - size[1]) // 2, (width - size[0]) // 2
        seen = last[top : top + size[1], left : left + size[0]]
        right, down = displacement(expected, seen)
        moved = np.roll(expected, (round(down), round(right)), axis=(0, 1))
        alike = float(np.corrcoef(moved.ravel(), seen.ravel())[0, 1])
        if alike > best:
            best, found = alike, float(zoom)
    return found
