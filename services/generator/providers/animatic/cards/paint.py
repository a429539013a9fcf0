"""A canvas of floats: gradients, soft lights, masks with clean edges, clouds and grain. Colours are RGB in 0-1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Plane = NDArray[np.floating[Any]]
Colour = NDArray[np.floating[Any]]
Points = Sequence[tuple[float, float]]


def rgb(colour: int) -> Colour:
    return np.array([colour >> 16 & 255, colour >> 8 & 255, colour & 255], np.float32) / 255


def mix(a: Colour, b: Colour, share: float) -> Colour:
    return np.asarray(a + (b - a) * np.float32(share), dtype=np.float32)


class Canvas:
    """Width and height in pixels. In methods, positions are shares of them, and sizes are shares of the height."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self.width, self.height = width, height
        self.rng = np.random.default_rng([seed & 0xFFFFFFFF, 4])
        self.pixels = np.zeros((height, width, 3), np.float32)
        self.x = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
        self.y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def blend(self, colour: Colour, mask: Plane | float) -> None:
        """Blends a colour, or an image of colours, over the canvas with the mask as opacity."""
        share = np.asarray(mask, dtype=np.float32)
        self.pixels += (colour - self.pixels) * (share[..., None] if share.ndim == 2 else share)

    def light(self, colour: Colour, mask: Plane) -> None:
        """Adds light by screen blending, which never exceeds white."""
        glow = mask[..., None] * colour
        self.pixels += glow * (1 - self.pixels)

    def sky(self, stops: Sequence[tuple[float, Colour]]) -> None:
        """A vertical gradient through (share of the height, colour)."""
        at = [stop for stop, _ in stops]
        bands = [np.interp(self.y[:, 0], at, [float(c[i]) for _, c in stops]) for i in range(3)]
        self.pixels[:] = np.stack(bands, axis=1)[:, None, :]

    def distance(self, x: float, y: float) -> Plane:
        """The distance from a point, in heights."""
        return np.asarray(np.hypot((self.x - x) * self.aspect, self.y - y), dtype=np.float32)

    def disc(self, x: float, y: float, radius: float) -> Plane:
        return np.asarray(np.clip((radius - self.distance(x, y)) * self.height + 0.5, 0, 1))

    def below(self, edge: Plane) -> Plane:
        """The area below a line, given as one height per column, with a smooth edge."""
        return np.clip((self.y - edge[None, :]) * self.height + 0.5, 0, 1)

    def shape(self, *polygons: Points) -> Plane:
        """A mask of polygons, drawn at double size for smooth edges."""
        return self._drawn(polygons, ())

    def strokes(self, lines: Sequence[Points], thickness: float) -> Plane:
        return self._drawn((), lines, thickness)

    def _drawn(self, polygons: Sequence[Points], lines: Sequence[Points], thickness: float = 0.0) -> Plane:
        big = Image.new("L", (self.width * 2, self.height * 2), 0)
        pen = ImageDraw.Draw(big)
        for points in polygons:
            pen.polygon([(x * big.width, y * big.height) for x, y in points], fill=255)
        for points in lines:
            width = max(1, round(thickness * big.height))
            pen.line([(x * big.width, y * big.height) for x, y in points], fill=255, width=width, joint="curve")
        return np.asarray(big.reduce(2), dtype=np.float32) / 255

    def blurred(self, mask: Plane, radius: float) -> Plane:
        """Blurred by a share of the height; computed at a reduced size for large radii, which leave no detail."""
        small = max(1, round(radius * self.height / 4))
        image = Image.fromarray(np.asarray(mask * 255, dtype=np.uint8))
        size = (max(1, self.width // small), max(1, self.height // small))
        soft = image.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(radius * self.height / small))
        return np.asarray(soft.resize((self.width, self.height), Image.Resampling.BICUBIC), dtype=np.float32) / 255

    def softened(self, radius: float) -> Plane:
        """The picture so far, blurred by a share of the height."""
        return np.stack([self.blurred(np.clip(self.pixels[..., i], 0, 1), radius) for i in range(3)], axis=2)

    def ridge(self, level: float, height: float, detail: int, roughness: float = 0.5) -> Plane:
        """A line of hills, one height per column: octaves of smooth noise."""
        columns = np.linspace(0, 1, self.width, dtype=np.float32)
        line = np.zeros(self.width, np.float32)
        weight, total = 1.0, 0.0
        for octave in range(detail):
            count = max(2, round(2.2 * self.aspect * 2**octave))
            knots = self.rng.uniform(-1, 1, count + 3)
            at = columns * count
            whole = at.astype(int)
            part = at - whole
            part = part * part * (3 - 2 * part)
            line += weight * (knots[whole] * (1 - part) + knots[whole + 1] * part)
            total += weight
            weight *= roughness
        return np.asarray(level - height * line / total, dtype=np.float32)

    def clouds(self, cells: float, octaves: int = 5, stretch: float = 1.0) -> Plane:
        """Noise between 0 and 1; `stretch` widens it horizontally."""
        field = np.zeros((self.height, self.width), np.float32)
        weight, total = 1.0, 0.0
        for octave in range(octaves):
            size = (max(2, round(cells * self.aspect / stretch * 2**octave)), max(2, round(cells * 2**octave)))
            grain = Image.fromarray(self.rng.random((size[1], size[0]), dtype=np.float32))
            field += weight * np.asarray(grain.resize((self.width, self.height), Image.Resampling.BICUBIC))
            total += weight
            weight *= 0.5
        return np.asarray(np.clip(field / total, 0, 1))

    def finish(self) -> Image.Image:
        """Adds a vignette and a little grain, and converts to 8 bits."""
        dark = self.distance(0.5, 0.5) / (0.5 * np.hypot(self.aspect, 1))
        self.pixels *= (1 - 0.28 * np.clip(dark - 0.45, 0, 1) ** 1.5)[..., None]
        grain = self.rng.normal(0, 0.011, (self.height, self.width, 1)).astype(np.float32)
        return Image.fromarray((np.clip(self.pixels + grain, 0, 1) * 255 + 0.5).astype(np.uint8))
