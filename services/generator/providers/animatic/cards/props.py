"""People and things as silhouettes with a rim of light. Positions are shares of the canvas, sizes of its height."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np

from services.generator.providers.animatic.cards.paint import Canvas, Colour, Plane, Points, mix, rgb
from services.generator.providers.animatic.cards.scene import Palette, Scene

# A figure seen from behind: (across, up) in eighths of its height, down the right side and up the left. It wears a coat
# instead of showing limbs, because a silhouette is recognised by its outline.
_FIGURE = (
    (0.0, 6.98), (0.24, 6.95), (0.3, 6.72), (0.62, 6.55), (1.02, 6.38), (1.22, 6.05), (1.3, 5.4), (1.36, 4.7),
    (1.3, 4.0), (1.22, 3.72), (1.06, 3.8), (1.02, 4.3), (1.0, 3.2), (0.94, 2.6), (0.86, 1.4), (0.82, 0.3),
    (1.0, 0.06), (0.98, 0.0), (0.36, 0.0), (0.34, 0.3), (0.26, 1.6), (0.08, 2.55), (-0.1, 1.5), (-0.24, 0.3),
    (-0.24, 0.0), (-0.88, 0.0), (-0.9, 0.08), (-0.72, 0.32), (-0.84, 1.5), (-0.98, 2.7), (-1.02, 3.3), (-1.06, 4.3),
    (-1.12, 3.78), (-1.28, 3.74), (-1.34, 4.1), (-1.36, 4.8), (-1.28, 5.5), (-1.18, 6.08), (-0.98, 6.38),
    (-0.6, 6.55), (-0.3, 6.72), (-0.24, 6.95),
)  # fmt: skip


def _figure(canvas: Canvas, x: float, ground: float, height: float, turn: float, child: bool) -> list[Points]:
    """`turn`, from -1 to 1, mirrors and narrows the figure, so that no two are alike."""
    unit = height / 8
    side = 1 if turn >= 0 else -1
    wide = (0.9 + 0.12 * abs(turn)) * (1.05 if child else 1)
    body = [(across * wide * side, up) for across, up in _smooth(_FIGURE)]
    head = 0.7 if child else 0.52
    crown = [(head * 0.84 * math.cos(a), 7.42 + head * 1.08 * math.sin(a)) for a in np.linspace(0, math.tau, 40)]
    return [[(x + across * unit / canvas.aspect, ground - up * unit) for across, up in part] for part in (body, crown)]


def _smooth(points: Points) -> list[tuple[float, float]]:
    """Chaikin's corner cutting, twice, rounds the polygon."""
    result = list(points)
    for _ in range(2):
        following = [*result[1:], result[0]]
        pairs = zip(result, following, strict=True)
        result = [(a[0] * (1 - t) + b[0] * t, a[1] * (1 - t) + b[1] * t) for a, b in pairs for t in (0.25, 0.75)]
    return result


def add_people(canvas: Canvas, scene: Scene, subject: float, ground: float, rng: random.Random) -> None:
    """Dark figures. One or two stand near the camera, cropped by the frame; a crowd stands further away on `ground`."""
    if not scene.people:
        return
    near = scene.people <= 2
    height = (0.66 if near else 0.24) * (0.78 if scene.child else 1)
    parts: list[Points] = []
    for index in range(scene.people):
        tall = height * rng.uniform(0.94, 1.04)
        apart = (index - (scene.people - 1) / 2) * (0.27 if near else 0.125) + (0 if near else rng.uniform(-0.02, 0.02))
        foot = 1.12 if near else ground - 0.04 + rng.uniform(0, 0.03)
        parts += _figure(canvas, subject + apart / canvas.aspect, foot, tall, rng.uniform(-1, 1), scene.child)
    palette = scene.palette
    rim = mix(rgb(palette.light), rgb(palette.accent), 0.4)
    for body, crown in zip(parts[::2], parts[1::2], strict=True):
        _cut_out(canvas, canvas.shape(body, crown), rgb(palette.near) * 0.45, rim, subject < 0.5)


def _cut_out(
    canvas: Canvas, mask: Plane, colour: Colour, rim: Colour, light_right: bool, strength: float = 0.7
) -> None:
    """A silhouette with a rim of light on the side that faces it."""
    shift = max(1, round(canvas.height * 0.0032))
    inner = np.roll(mask, -shift if light_right else shift, axis=1)
    canvas.blend(colour, mask)
    canvas.light(rim, np.clip(mask - inner, 0, 1) * strength)


def add_trees(
    canvas: Canvas, colour: Colour, line: Plane, rng: random.Random, *, count: int, tall: float, keep_clear: float
) -> None:
    """Conifers along a ridge, fewer around the subject."""
    parts: list[Points] = []
    for _ in range(count):
        x = rng.uniform(-0.02, 1.02)
        if keep_clear >= 0 and abs(x - keep_clear) < 0.13:
            continue
        ground = float(line[min(canvas.width - 1, max(0, int(x * canvas.width)))]) + 0.01
        height = tall * rng.uniform(0.6, 1.15)
        parts += _conifer(canvas, x, ground, height, rng)
    if parts:
        canvas.blend(colour, canvas.shape(*parts))


def _conifer(canvas: Canvas, x: float, ground: float, height: float, rng: random.Random) -> list[Points]:
    parts: list[Points] = []
    width = height * rng.uniform(0.16, 0.22) / canvas.aspect
    tiers = 6
    for tier in range(tiers):
        top = ground - height * (1 - tier / (tiers + 1.2))
        base = top + height * 0.27
        half = width * (0.28 + 0.72 * (tier + 1) / tiers)
        notch, drop = half * 0.35, base - height * 0.03
        parts.append([(x, top), (x + half, base), (x + notch, drop), (x - notch, drop), (x - half, base)])
    trunk = width * 0.12
    parts.append(
        [
            (x - trunk, ground - height * 0.2),
            (x + trunk, ground - height * 0.2),
            (x + trunk, ground),
            (x - trunk, ground),
        ]
    )
    return parts


def add_birds(canvas: Canvas, colour: Colour, rng: random.Random) -> None:
    cx, cy = rng.uniform(0.35, 0.65), rng.uniform(0.16, 0.28)
    lines = []
    for _ in range(9):
        x, y, s = cx + rng.uniform(-0.14, 0.14), cy + rng.uniform(-0.08, 0.08), rng.uniform(0.01, 0.02)
        wing = [(x - s / canvas.aspect, y - s * 0.35), (x - 0.4 * s / canvas.aspect, y - s * 0.42), (x, y)]
        lines.append([*wing, (x + 0.4 * s / canvas.aspect, y - s * 0.42), (x + s / canvas.aspect, y - s * 0.35)])
    canvas.blend(colour, canvas.strokes(lines, 0.0026))


def _placed(canvas: Canvas, x: float, ground: float, size: float) -> Callable[[Points], Points]:
    """Converts a drawing's own units (across, up; 1 is its height) to those of the canvas."""
    return lambda points: [(x + across * size / canvas.aspect, ground - up * size) for across, up in points]


def add_house(canvas: Canvas, palette: Palette, x: float, ground: float, size: float) -> None:
    at = _placed(canvas, x, ground, size)
    wall = mix(rgb(palette.near), rgb(palette.far), 0.25)
    canvas.blend(wall, canvas.shape(at([(-0.55, 0), (-0.55, 0.55), (0.55, 0.55), (0.55, 0)])))
    roof = at([(-0.7, 0.52), (-0.4, 1.0), (0.4, 1.0), (0.7, 0.52)])
    canvas.blend(
        rgb(palette.near) * 0.7, canvas.shape(roof, at([(0.2, 0.95), (0.2, 1.15), (0.33, 1.15), (0.33, 0.95)]))
    )
    panes = canvas.shape(
        *[at([(left, 0.2), (left, 0.4), (left + 0.18, 0.4), (left + 0.18, 0.2)]) for left in (-0.4, -0.08, 0.24)]
    )
    glow = rgb(palette.accent if palette.dark else palette.low)
    canvas.blend(glow, panes * (0.95 if palette.dark else 0.5))
    if palette.dark:
        canvas.light(glow, canvas.blurred(panes, 0.02) * 0.9)


def add_rocket(canvas: Canvas, palette: Palette, x: float, ground: float, size: float) -> None:
    at = _placed(canvas, x, ground, size)
    side = [(0.0, 1.0), (0.03, 0.95), (0.055, 0.87), (0.062, 0.78), (0.062, 0.12)]
    hull = at(side + [(-a, u) for a, u in reversed(side)])
    fins = [at([(s * 0.06, 0.28), (s * 0.13, 0.05), (s * 0.13, 0.0), (s * 0.05, 0.12)]) for s in (-1, 1)]
    nozzle = at([(-0.035, 0.12), (0.035, 0.12), (0.05, 0.05), (-0.05, 0.05)])
    canvas.light(rgb(palette.accent), np.exp(-canvas.distance(x, ground) * 9) * 0.8)
    flame = canvas.blurred(
        canvas.shape(at([(-0.04, 0.06), (0.04, 0.06), (0.015, -0.16), (0, -0.22), (-0.015, -0.16)])), 0.006
    )
    canvas.light(rgb(0xFFF1C9), flame)
    canvas.blend(mix(rgb(palette.near), rgb(0x3A3F4A), 0.5), canvas.shape(*fins, nozzle))
    mask = canvas.shape(hull)
    shade = np.clip(0.5 + (canvas.x - x) * canvas.aspect / (0.124 * size), 0, 1) * np.ones_like(canvas.y)
    body = mix(rgb(0xF1EFE9), rgb(palette.low), 0.3)
    canvas.blend(body * (1 - 0.55 * shade[..., None]), mask)
    canvas.blend(
        rgb(palette.accent) * 0.85, mask * canvas.shape(at([(-0.1, 1.1), (0.1, 1.1), (0.1, 0.88), (-0.1, 0.88)]))
    )
    port = at([(0.028 * math.cos(a), 0.7 + 0.028 * math.sin(a)) for a in np.linspace(0, math.tau, 24)])
    canvas.blend(rgb(0x1B2740), canvas.shape(port))


def add_boat(canvas: Canvas, palette: Palette, x: float, ground: float, size: float) -> None:
    at = _placed(canvas, x, ground, size)
    canvas.blend(rgb(palette.near) * 0.6, canvas.shape(at([(-0.5, 0.13), (0.55, 0.15), (0.38, 0), (-0.38, 0)])))
    canvas.blend(rgb(palette.near) * 0.5, canvas.strokes([at([(0.02, 0.1), (0.02, 1.0)])], 0.003))
    sails = canvas.shape(at([(0.05, 0.98), (0.05, 0.2), (0.46, 0.2)]), at([(-0.02, 0.9), (-0.02, 0.22), (-0.34, 0.22)]))
    canvas.blend(mix(rgb(palette.light), rgb(palette.low), 0.4), sails * 0.92)
    mirror = canvas.shape(at([(-0.35, -0.02), (0.36, -0.02), (0.06, -0.5), (0.0, -0.45)]))
    canvas.blend(rgb(palette.near), canvas.blurred(mirror, 0.008) * 0.4)


def add_car(canvas: Canvas, palette: Palette, x: float, ground: float, size: float) -> None:
    at = _placed(canvas, x, ground, size)
    body = at(
        [(-1.3, 0.25), (-1.25, 0.6), (-0.75, 0.66), (-0.45, 1.0), (0.45, 1.0), (0.8, 0.66), (1.25, 0.58), (1.32, 0.25)]
    )
    canvas.blend(rgb(palette.accent) * 0.55, canvas.shape(body))
    glass = canvas.shape(
        at([(-0.62, 0.66), (-0.38, 0.92), (-0.04, 0.92), (-0.04, 0.66)]),
        at([(0.04, 0.66), (0.04, 0.92), (0.38, 0.92), (0.64, 0.66)]),
    )
    canvas.blend(mix(rgb(palette.low), rgb(palette.near), 0.4), glass)
    wheels = [
        at([(cx + 0.24 * math.cos(a), 0.22 + 0.24 * math.sin(a)) for a in np.linspace(0, math.tau, 24)])
        for cx in (-0.8, 0.8)
    ]
    canvas.blend(rgb(0x0B0B0E), canvas.shape(*wheels))
    if palette.dark:
        beam = canvas.blurred(canvas.shape(at([(1.3, 0.5), (5.5, 0.95), (5.5, 0.0)])), 0.008)
        canvas.light(rgb(0xFFF3CF), beam * np.exp(-canvas.distance(x + 1.3 * size / canvas.aspect, ground) * 9) * 0.7)


def add_cup(canvas: Canvas, palette: Palette, x: float, ground: float, size: float) -> None:
    """A cup on its saucer, with steam."""
    at = _placed(canvas, x, ground, size)

    def oval(cy: float, rx: float, ry: float) -> Points:
        return at([(rx * math.cos(a), cy + ry * math.sin(a)) for a in np.linspace(0, math.tau, 48)])

    porcelain = mix(rgb(0xF3EEE6), rgb(palette.light), 0.25)
    canvas.blend(rgb(0x1A120D), canvas.blurred(canvas.shape(oval(0.0, 0.95, 0.14)), 0.01) * 0.6)
    canvas.blend(porcelain * 0.82, canvas.shape(oval(0.06, 0.85, 0.13)))
    handle = at([(0.45 + 0.24 * math.cos(a), 0.52 + 0.2 * math.sin(a)) for a in np.linspace(-1.9, 1.9, 24)])
    canvas.blend(porcelain * 0.8, canvas.strokes([handle], 0.075 * size))
    side = [(0.55, 0.85), (0.53, 0.55), (0.42, 0.25), (0.28, 0.1)]
    body = canvas.shape(at(side + [(-a, u) for a, u in reversed(side)]))
    shade = np.clip(0.5 + (canvas.x - x) * canvas.aspect / (1.2 * size), 0, 1) * np.ones_like(canvas.y)
    canvas.blend(porcelain * (1 - 0.35 * shade[..., None]), body)
    canvas.blend(porcelain, canvas.shape(oval(0.85, 0.55, 0.12)))
    canvas.blend(rgb(0x3B2114), canvas.shape(oval(0.84, 0.48, 0.09)))
    for side_ in (-0.16, 0.14):
        wisp = at([(side_ + 0.09 * math.sin(u * 5 + side_ * 9), 1.0 + u) for u in np.linspace(0, 1.1, 24)])
        canvas.light(rgb(0xFFFFFF), canvas.blurred(canvas.strokes([wisp], 0.05 * size), 0.008) * 0.35)
