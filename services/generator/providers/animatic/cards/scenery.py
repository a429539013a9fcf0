"""Paints a scene in flat layers: sky, light, land from far to near, weather."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from services.generator.providers.animatic.cards.air import (
    WHITE,
    add_planet,
    add_rain,
    add_snow,
    add_stars,
    paint_ridges,
    paint_sky,
)
from services.generator.providers.animatic.cards.paint import Canvas, Colour, mix, rgb
from services.generator.providers.animatic.cards.props import (
    add_birds,
    add_boat,
    add_car,
    add_cup,
    add_house,
    add_people,
    add_rocket,
    add_trees,
)
from services.generator.providers.animatic.cards.scene import Palette, Scene


def paint_scene(canvas: Canvas, scene: Scene, rng: random.Random) -> None:
    """Everything except the words. The light and the subject are placed by the rule of thirds, on opposite sides."""
    sun = rng.choice((0.3, 0.7)) + rng.uniform(-0.05, 0.05)
    subject = 1 - sun
    _PLACES[scene.place](canvas, scene, rng, sun, subject)
    if scene.fog:
        mist = canvas.clouds(2.5, 4, stretch=3) * np.clip((canvas.y - 0.35) * 2.2, 0, 0.75)
        canvas.blend(mix(rgb(scene.palette.low), WHITE, 0.2), mist)
    if scene.rain:
        add_rain(canvas, rng)
    if scene.snow:
        add_snow(canvas, rng)


Painter = Callable[[Canvas, Scene, random.Random, float, float], None]


def _hills(canvas: Canvas, scene: Scene, rng: random.Random, sun: float, subject: float) -> None:
    palette = scene.palette
    paint_sky(canvas, palette, sun, 0.62)
    paint_ridges(canvas, palette, sun, [(0.52, 0.17, 6), (0.60, 0.13, 6), (0.69, 0.09, 5)])
    _things(canvas, scene, rng, subject, 0.76)
    near = canvas.ridge(0.86, 0.06, 5)
    add_trees(canvas, rgb(palette.near), near, rng, count=26, tall=0.1, keep_clear=subject)
    canvas.blend(rgb(palette.near) * 0.75, canvas.below(near))
    add_people(canvas, scene, subject, 0.87, rng)


def _field(canvas: Canvas, scene: Scene, rng: random.Random, sun: float, subject: float) -> None:
    palette = scene.palette
    paint_sky(canvas, palette, sun, 0.58)
    paint_ridges(canvas, palette, sun, [(0.55, 0.05, 5), (0.585, 0.03, 5)])
    ground = canvas.below(canvas.ridge(0.605, 0.008, 3))
    canvas.blend(mix(rgb(palette.far), rgb(palette.near), 0.6), ground)
    shade = np.clip((canvas.y - 0.6) / 0.4, 0, 1)
    canvas.blend(rgb(palette.near) * 0.8, ground * shade * 0.85)
    # A road leads to the vanishing point below the light.
    end = (sun, 0.603)
    road = canvas.shape([end, (sun + 0.004, 0.603), (subject + 0.16, 1.0), (subject - 0.22, 1.0)])
    canvas.blend(mix(rgb(palette.low), rgb(palette.near), 0.55), road * (0.35 + 0.45 * (1 - shade)))
    grass = canvas.clouds(30, 3, stretch=0.35) - 0.5
    canvas.pixels += (grass * ground * shade * (1 - road) * 0.10)[..., None]
    _things(canvas, scene, rng, subject, 0.66)
    add_people(canvas, scene, subject, 0.9, rng)


def _sea(canvas: Canvas, scene: Scene, rng: random.Random, sun: float, subject: float) -> None:
    palette = scene.palette
    horizon = 0.58
    paint_sky(canvas, palette, sun, horizon)
    paint_ridges(canvas, palette, sun, [(0.572, 0.035, 5)], haze=0.3)
    water = np.clip((canvas.y - horizon) * canvas.height + 0.5, 0, 1) * np.ones_like(canvas.x)
    depth = np.clip((canvas.y - horizon) / (1 - horizon), 0, 1)
    rows = np.clip((2 * horizon * canvas.height - np.arange(canvas.height)).astype(int), 0, canvas.height - 1)
    mirrored = canvas.softened(0.03)[rows]  # soft, so that only glitter of the light is reflected
    canvas.blend(mirrored * 0.72 + rgb(palette.near) * 0.2, water)
    canvas.blend(rgb(palette.near), water * depth**0.8 * 0.72)
    waves = canvas.clouds(26, 4, stretch=7) - 0.5
    canvas.pixels += (waves * water * (0.05 + 0.12 * depth))[..., None]
    path = np.exp(-(((canvas.x - sun) * canvas.aspect / (0.03 + 0.2 * depth)) ** 2))
    glitter = np.clip((canvas.clouds(48, 3, stretch=9) - 0.47) * 9, 0, 1)
    canvas.light(rgb(palette.light), water * path * glitter * (0.75 - 0.35 * depth))
    _things(canvas, scene, rng, subject, 0.64)
    if scene.people:
        shore = canvas.ridge(0.9, 0.035, 4)
        canvas.blend(rgb(palette.near) * 0.7, canvas.below(shore))
        add_people(canvas, scene, subject, 0.905, rng)


def _city(canvas: Canvas, scene: Scene, rng: random.Random, sun: float, subject: float) -> None:
    palette = scene.palette
    paint_sky(canvas, palette, sun, 0.68)
    for depth in range(4):
        share = depth / 3
        colour = mix(rgb(palette.far), rgb(palette.near), share)
        _skyline(canvas, palette, colour, share, rng)
        mist = np.clip((canvas.y - 0.45) * 2.2, 0, 1) * (0.30 * (1 - share))
        canvas.blend(rgb(palette.low), mist * np.ones_like(canvas.x))
    ground = np.clip((canvas.y - 0.86) * canvas.height + 0.5, 0, 1) * np.ones_like(canvas.x)
    canvas.blend(rgb(palette.near) * 0.7, ground)
    canvas.light(
        rgb(palette.accent if palette.dark else palette.light), ground * np.exp(-canvas.distance(sun, 0.86) * 4) * 0.3
    )
    _things(canvas, scene, rng, subject, 0.88)
    add_people(canvas, scene, subject, 0.93, rng)


def _skyline(canvas: Canvas, palette: Palette, colour: Colour, share: float, rng: random.Random) -> None:
    towers, windows = [], []
    x = -0.02
    while x < 1.02:
        width = rng.uniform(0.05, 0.12) / canvas.aspect * (0.8 + share)
        top = 0.86 - rng.uniform(0.14, 0.5) * (1 - 0.35 * share)
        towers.append([(x, 1.0), (x, top), (x + width, top), (x + width, 1.0)])
        if rng.random() < 0.25:
            towers.append([(x + width * 0.46, top), (x + width * 0.5, top - 0.06), (x + width * 0.54, top)])
        step = 0.017 + 0.007 * share
        for row in range(int((0.84 - top) / step)):
            for column in range(max(1, int(width * canvas.aspect / step) - 1)):
                if rng.random() < (0.42 if palette.dark else 0.2):
                    left, high = x + (column + 0.75) * step / canvas.aspect, top + (row + 0.6) * step
                    wide, tall = 0.42 * step / canvas.aspect, 0.5 * step
                    windows.append([(left, high), (left + wide, high), (left + wide, high + tall), (left, high + tall)])
        x += width * rng.uniform(0.92, 1.25)
    canvas.blend(colour, canvas.shape(*towers))
    if share > 0.2:
        lit = canvas.shape(*windows)
        if palette.dark:
            canvas.light(rgb(palette.accent), np.clip(lit * 0.75 + canvas.blurred(lit, 0.012) * 0.5, 0, 1) * share)
        else:
            canvas.light(rgb(palette.light), lit * 0.16)


def _forest(canvas: Canvas, scene: Scene, rng: random.Random, sun: float, subject: float) -> None:
    palette = scene.palette
    paint_sky(canvas, palette, sun, 0.8)
    green = rgb(0x2C5A46)
    for depth in range(5):
        share = depth / 4
        colour = mix(
            mix(rgb(palette.far), rgb(palette.low), 0.35 * (1 - share)), mix(rgb(palette.near), green, 0.25), share
        )
        line = canvas.ridge(0.66 + 0.06 * depth, 0.035, 4)
        add_trees(
            canvas,
            colour,
            line,
            rng,
            count=34 - 5 * depth,
            tall=0.16 + 0.12 * depth,
            keep_clear=subject if depth > 1 else -1,
        )
        canvas.blend(colour, canvas.below(line))
        beam = np.exp(-np.abs((canvas.x - sun) * canvas.aspect + (canvas.y - 0.3) * 0.35) * 3.5) * (1 - canvas.y)
        canvas.light(rgb(palette.light), beam * 0.14 * (1 - share) * np.ones_like(canvas.x))
    _things(canvas, scene, rng, subject, 0.86)
    add_people(canvas, scene, subject, 0.93, rng)


def _desert(canvas: Canvas, scene: Scene, rng: random.Random, sun: float, subject: float) -> None:
    palette = scene.palette
    paint_sky(canvas, palette, sun, 0.6)
    for depth in range(4):
        share = depth / 3
        edge = canvas.ridge(0.6 + 0.1 * depth, 0.07, 2, 0.35)
        mask = canvas.below(edge)
        colour = mix(rgb(palette.far), rgb(palette.near), share * 0.8)
        canvas.blend(colour, mask)
        slope = np.gradient(edge) * canvas.width / canvas.aspect
        lit = np.clip((slope if sun < 0.5 else -slope) * 1.6, -1, 1)[None, :] * np.exp(
            -np.clip(canvas.y - edge[None, :], 0, 1) * 7
        )
        canvas.pixels += (mask * lit * 0.16)[..., None] * rgb(palette.light)
        ripples = np.sin((canvas.y - edge[None, :] * 0.7) * 240 / (0.6 + share) + canvas.clouds(3, 3) * 9)
        canvas.pixels += (mask * ripples * 0.014 * share)[..., None]
    _things(canvas, scene, rng, subject, 0.74)
    add_people(canvas, scene, subject, 0.9, rng)


def _space(canvas: Canvas, scene: Scene, rng: random.Random, sun: float, subject: float) -> None:
    palette = scene.palette
    canvas.sky([(0, rgb(palette.top)), (0.6, rgb(palette.middle)), (1, rgb(palette.low))])
    hues = (0x5B3FA8, 0x2F6FB8, 0xB8456B)
    for hue in rng.sample(hues, 2):
        cloud = np.clip((canvas.clouds(1.6, 6) - 0.45) * 2.6, 0, 1) ** 1.5
        canvas.light(
            rgb(hue), cloud * np.exp(-canvas.distance(rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.7)) * 1.4) * 0.75
        )
    add_stars(canvas, 0.0009, 1.0)
    radius = rng.uniform(0.24, 0.32)
    x, y = sun, 0.52 + rng.uniform(-0.06, 0.06)
    add_planet(canvas, rgb(rng.choice((0x3F78B5, 0xB5713F, 0x6B8F71, 0x8A6BB0))), x, y, radius)
    if scene.things & {"rocket"}:
        add_rocket(canvas, palette, _beside(scene, subject), 0.66, 0.34)
    if scene.people:
        canvas.blend(rgb(0x0A0C18), canvas.below(canvas.ridge(0.9, 0.03, 4)))
        add_people(canvas, scene, subject, 0.91, rng)


def _room(canvas: Canvas, scene: Scene, rng: random.Random, sun: float, subject: float) -> None:
    """A wall with a window through which the palette's light falls, a floor, a table."""
    palette = scene.palette
    warm = mix(rgb(0x8A6A54), rgb(palette.middle), 0.25) * (0.42 if palette.dark else 0.8)
    canvas.sky([(0, warm * 0.55), (0.5, warm), (0.72, warm * 0.8), (0.721, warm * 0.45), (1, warm * 0.22)])
    wide, left, top, bottom = 0.42 / canvas.aspect, sun - 0.21 / canvas.aspect, 0.14, 0.56
    pane = canvas.shape([(left, top), (left + wide, top), (left + wide, bottom), (left, bottom)])
    height = np.clip((canvas.y - top) / (bottom - top), 0, 1)[..., None]
    view = rgb(palette.top) * (1 - height) + rgb(palette.low) * height
    canvas.blend(np.broadcast_to(view, canvas.pixels.shape), pane)
    canvas.blend(rgb(palette.far), pane * canvas.below(canvas.ridge(0.47, 0.05, 5)))
    canvas.light(rgb(palette.light), pane * np.exp(-canvas.distance(sun + 0.05, 0.3) * 6) * 0.8)
    bars = [[(left, top), (left + wide, top), (left + wide, bottom), (left, bottom), (left, top)]]
    bars += [[(sun, top), (sun, bottom)], [(left, 0.32), (left + wide, 0.32)]]
    canvas.blend(warm * 0.35, canvas.strokes(bars, 0.012))
    fall = 0.34 * (1 if sun < 0.5 else -1)
    patch = [
        (left + fall * 0.6, 0.76),
        (left + wide + fall * 0.6, 0.76),
        (left + wide + fall * 1.4, 0.97),
        (left + fall * 1.1, 0.97),
    ]
    beam = [(left, top), (left + wide, bottom), (left + wide + fall * 1.4, 0.97), (left + fall * 1.1, 0.97)]
    canvas.light(rgb(palette.light), canvas.blurred(canvas.shape(patch), 0.012) * 0.4)
    canvas.light(rgb(palette.light), canvas.blurred(canvas.shape(beam), 0.05) * 0.13)
    table = [(subject - 0.26 / canvas.aspect, 0.73), (subject + 0.3 / canvas.aspect, 0.73)]
    depth = 0.035
    board = [table[0], table[1], (table[1][0] + 0.03, 0.73 + depth), (table[0][0] - 0.03, 0.73 + depth)]
    legs = [
        [(x, 0.75), (x + 0.012, 0.75), (x + 0.01, 0.95), (x + 0.002, 0.95)] for x in (table[0][0], table[1][0] - 0.012)
    ]
    canvas.blend(warm * 0.28, canvas.shape(*legs))
    canvas.blend(mix(rgb(0x6B4630), rgb(palette.light), 0.15), canvas.shape(board))
    canvas.blend(
        rgb(0x2A1A12),
        canvas.shape([board[3], board[2], (board[2][0], board[2][1] + 0.012), (board[3][0], board[3][1] + 0.012)]),
    )
    if "cup" in scene.things or not scene.people:
        add_cup(canvas, palette, subject, 0.745, 0.1)
    if palette.dark:
        canvas.light(rgb(palette.accent), np.exp(-canvas.distance(subject, 0.5) * 3.2) * 0.5)
    if scene.people:
        add_people(canvas, scene, subject + (0.2 if subject < 0.5 else -0.2), 0.93, rng)


_PLACES: dict[str, Painter] = {
    "hills": _hills,
    "field": _field,
    "sea": _sea,
    "city": _city,
    "forest": _forest,
    "desert": _desert,
    "space": _space,
    "room": _room,
}


def _things(canvas: Canvas, scene: Scene, rng: random.Random, subject: float, ground: float) -> None:
    palette = scene.palette
    if "birds" in scene.things:
        add_birds(canvas, rgb(palette.near), rng)
    if "house" in scene.things:
        add_house(canvas, palette, subject + (0.16 if subject < 0.5 else -0.16), ground, 0.19)
    if "rocket" in scene.things:
        add_rocket(canvas, palette, _beside(scene, subject), ground + 0.04, 0.42)
    if "boat" in scene.things and scene.place == "sea":
        add_boat(canvas, palette, subject, ground + 0.03, 0.2)
    if "car" in scene.things and scene.place in ("city", "field", "desert", "hills"):
        add_car(canvas, palette, 0.5, ground + 0.07, 0.09)
    if "cup" in scene.things:
        add_cup(canvas, palette, subject, ground + 0.1, 0.13)


def _beside(scene: Scene, subject: float) -> float:
    """The position of a thing that a person at the subject's position would hide: closer to the middle."""
    return subject + (0.15 if subject < 0.5 else -0.15) if 0 < scene.people <= 2 else subject
