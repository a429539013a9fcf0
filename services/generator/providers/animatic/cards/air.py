"""What most scenes have in common: sky with its light, ridges in haze, stars, a planet, rain and snow."""

from __future__ import annotations

import random

import numpy as np

from services.generator.providers.animatic.cards.paint import Canvas, Colour, mix, rgb
from services.generator.providers.animatic.cards.scene import Palette

WHITE = rgb(0xFFFFFF)


def paint_sky(canvas: Canvas, palette: Palette, sun: float, horizon: float) -> float:
    """Gradient, clouds, stars, sun or moon with its glow. Returns the height of the light."""
    top, middle, low = rgb(palette.top), rgb(palette.middle), rgb(palette.low)
    canvas.sky([(0, top), (horizon * 0.55, middle), (horizon, low), (1, low)])
    night = palette.dark
    if night:
        add_stars(canvas, 0.00018, horizon)
    height = horizon * (0.32 if night else 0.62)
    light = rgb(palette.light)
    far = canvas.distance(sun, height)
    canvas.light(light, np.exp(-far * 2.6) * (0.28 if night else 0.55))
    canvas.light(light, np.exp(-far * 11) * 0.5)
    veil = np.clip((canvas.clouds(3, 5, stretch=3.2) - 0.52) * 4, 0, 1) * np.clip(
        (horizon - canvas.y) / horizon * 1.6, 0, 1
    )
    canvas.blend(mix(low, light, 0.45), veil * (0.16 if night else 0.42))
    canvas.blend(light, canvas.disc(sun, height, 0.045 if night else 0.055))
    return height


def add_stars(canvas: Canvas, density: float, horizon: float) -> None:
    count = int(density * canvas.width * canvas.height)
    xs = canvas.rng.integers(0, canvas.width, count)
    ys = (canvas.rng.random(count) ** 1.3 * horizon * canvas.height).astype(int)
    mask = np.zeros((canvas.height, canvas.width), np.float32)
    mask[np.clip(ys, 0, canvas.height - 1), xs] = canvas.rng.random(count) ** 3
    size = max(0.0006, 1 / canvas.height)
    canvas.light(WHITE, np.clip(mask + canvas.blurred(mask, size) * 6, 0, 1))


def paint_ridges(
    canvas: Canvas, palette: Palette, sun: float, levels: list[tuple[float, float, int]], haze: float = 0.5
) -> list[Colour]:
    """Ridges from far to near, each lit from behind, with haze at its foot."""
    colours = []
    for index, (level, height, detail) in enumerate(levels):
        share = (index / max(1, len(levels) - 1)) ** 1.1
        colour = mix(rgb(palette.far), rgb(palette.near), share)
        edge = canvas.ridge(level, height, detail)
        mask = canvas.below(edge)
        canvas.blend(colour, mask)
        rim = np.exp(-np.abs((canvas.x - sun) * canvas.aspect) * 2.2) * np.exp(
            -np.clip(canvas.y - edge[None, :], 0, 1) * 26
        )
        canvas.light(rgb(palette.light), mask * rim * 0.34 * (1 - share))
        foot = np.clip((canvas.y - level) * 5, 0, 1) * mask * haze * (1 - share)
        canvas.blend(mix(rgb(palette.low), colour, 0.25), foot)
        colours.append(colour)
    return colours


def add_planet(canvas: Canvas, colour: Colour, x: float, y: float, radius: float) -> None:
    far = canvas.distance(x, y)
    canvas.light(mix(colour, WHITE, 0.4), np.exp(-np.clip(far - radius, 0, 9) * 16) * (far > radius * 0.98) * 0.55)
    disc = canvas.disc(x, y, radius)
    bands = canvas.clouds(7, 5, stretch=4)
    surface = colour * (0.65 + 0.7 * bands[..., None])
    side = ((canvas.x - x) * canvas.aspect * -0.7 + (canvas.y - y) * -0.5) / radius
    round_ = np.sqrt(np.clip(1 - (far / radius) ** 2, 0, 1))
    lit = np.clip(0.15 + 0.75 * (side + 0.5 * round_), 0.02, 1.15)
    canvas.blend(np.clip(surface * lit[..., None], 0, 1), disc)


def add_rain(canvas: Canvas, rng: random.Random) -> None:
    lines = []
    for _ in range(int(260 * canvas.aspect)):
        x, y, length = rng.uniform(-0.05, 1.05), rng.uniform(-0.1, 1), rng.uniform(0.02, 0.06)
        lines.append([(x, y), (x - length * 0.2 / canvas.aspect, y + length)])
    canvas.light(WHITE, canvas.strokes(lines, 0.0012) * 0.3)


def add_snow(canvas: Canvas, rng: random.Random) -> None:
    for count, size, strength in ((420, 0.0022, 0.6), (90, 0.005, 0.75)):
        flakes = []
        for _ in range(int(count * canvas.aspect)):
            x, y = rng.random(), rng.random()
            r = size * rng.uniform(0.6, 1.3)
            flakes.append(
                [(x + r * np.cos(a) / canvas.aspect, y + r * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 9)]
            )
        canvas.light(WHITE, canvas.shape(*flakes) * strength)
