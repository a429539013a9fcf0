"""Computes which part of the picture each frame shows, from directions. Pure geometry, deterministic for a seed.

The unit of length is the frame: `extent` = (width, height) measures the whole picture, the canvas, in the largest
windows of the frame's shape that fit into it, so the smaller value is 1. A `Window` of size 1 shows as much as
possible.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.generator.providers.animatic.directions import Directions, Move
from services.generator.providers.animatic.vocabulary import Verb

# Frame widths per second of a pan at normal speed: a fifth of the picture in a 5 s shot is recognisable as a pan
# without being hasty. Where the picture is longer than the frame, nothing is cropped for the move, so it may be faster.
PAN_RATE, LONG_PAN_RATE = 0.042, 0.18
# Logarithm of the magnification per second: 1.28 times in a 5 s shot.
ZOOM_RATE = 0.05
PAN_LIMITS, ZOOM_LIMITS = (0.025, 0.6), (0.035, math.log(2.2))
# A static shot still moves slightly, or the film would seem to have stopped: 1.2% closer by the end of the shot.
BREATH = 0.012
HAND = 0.004


@dataclass(frozen=True)
class Window:
    """What one frame shows: centre and size on the canvas."""

    x: float
    y: float
    size: float


@dataclass(frozen=True)
class _Key:
    x: float
    y: float
    size: float


def camera_path(
    directions: Directions,
    *,
    seed: int,
    duration_s: float,
    frames: int,
    extent: tuple[float, float],
    focus: tuple[float, float] = (0.5, 0.5),
) -> list[Window]:
    """One window per frame, all inside the canvas, moving by smoothstep through each move.

    `focus` (shares of the canvas) stays in view, and zooms aim at it unless the directions name a target. The seed
    varies amounts and lateral drift by a few per cent and chooses what the directions leave open; it never contradicts
    them.
    """
    rng = random.Random(f"camera:{seed}")
    moves, speed = _settle(directions, rng, extent, focus)
    keys = _keys(moves, speed, duration_s / len(moves), extent, focus, rng)
    free = _interpolate(keys, frames)
    if directions.handheld:
        free = _shake(free, duration_s, rng)
    return _place(free, extent, focus)


def _settle(
    directions: Directions, rng: random.Random, extent: tuple[float, float], focus: tuple[float, float]
) -> tuple[list[Move], float]:
    """Chooses what the directions leave open: the whole move, or only its direction."""
    moves, speed = list(directions.moves), directions.speed
    if not moves:
        drift = Move(zoom=1, free=Verb.DRIFT, strength=0.6)
        moves = [rng.choice([Move(zoom=1), Move(zoom=1), Move(zoom=-1), drift, drift])]
        speed *= 0.75
    return [_with_way(move, rng, extent, focus) for move in moves], speed


def _with_way(move: Move, rng: random.Random, extent: tuple[float, float], focus: tuple[float, float]) -> Move:
    x, y = rng.choice((-1, 1)), rng.choice((-1, 1))
    match move.free:
        case Verb.PAN | Verb.ORBIT:
            return replace(move, pan=x)
        case Verb.TILT:
            return replace(move, tilt=y)
        case None:
            return move
        case _:  # a drift follows the longer side of the picture, with a little of the other
            tall = extent[1] > extent[0]
            y = -1 if focus[1] < 0.5 else 1  # towards the focus: never away from a face
            return replace(move, pan=0 if tall else x, tilt=y if tall or rng.random() < 0.5 else 0)


def _keys(
    moves: Sequence[Move],
    speed: float,
    seconds: float,
    extent: tuple[float, float],
    focus: tuple[float, float],
    rng: random.Random,
) -> list[_Key]:
    """Positions between the moves on an unbounded canvas; sizes are relative to the first."""
    keys = [_Key(0.0, 0.0, 1.0)]
    share = 1 / len(moves)  # of the distance that the whole shot may travel
    for move in moves:
        vary = rng.uniform(0.92, 1.08)
        pace = speed * seconds * move.strength * vary
        here = keys[-1]
        size = here.size * math.exp(-_zoom(move, pace, rng, share))
        mean = (here.size + size) / 2
        aim = move.focus or focus
        sideways = rng.uniform(-0.07, 0.07)
        long_rate = LONG_PAN_RATE if move.strength >= 1 else 2 * PAN_RATE  # a drift must not become a pan
        across = _travel(move.pan, pace, extent[0], share, long_rate)
        down = _travel(move.tilt, pace, extent[1], share, long_rate)
        x, y = across or sideways * abs(down), down or sideways * abs(across)
        towards_x = 0.0 if move.pan else _lean(aim[0] + rng.uniform(-0.04, 0.04))
        towards_y = 0.0 if move.tilt else _lean(aim[1] + rng.uniform(-0.04, 0.04))
        reach = (here.size - size) / 2  # how far the smaller window may be off centre within the larger one
        keys.append(_Key(here.x + x * mean + towards_x * reach, here.y + y * mean + towards_y * reach, size))
    return keys


def _zoom(move: Move, pace: float, rng: random.Random, share: float) -> float:
    """Logarithm of the magnification; a pan zooms slightly, so that it does not look like scrolling."""
    if move.zoom:
        return move.zoom * min(ZOOM_LIMITS[1] * share, max(ZOOM_LIMITS[0], ZOOM_RATE * pace))
    if move.pan or move.tilt:
        return rng.uniform(-0.004, 0.012)
    return BREATH


def _travel(sign: int, pace: float, extent: float, share: float, long_rate: float) -> float:
    distance = PAN_RATE * pace
    if extent > 1:
        distance = max(distance, min(extent - 1, long_rate * pace))
    return sign * min(max(PAN_LIMITS[1], extent - 1) * share, max(PAN_LIMITS[0], distance))


def _lean(share: float) -> float:
    return min(0.9, max(-0.9, 2.6 * (share - 0.5)))


def _interpolate(keys: Sequence[_Key], frames: int) -> list[Window]:
    windows = []
    for frame in range(frames):
        at = (frame / max(1, frames - 1)) * (len(keys) - 1)
        leg = min(int(at), len(keys) - 2)
        a, b = keys[leg], keys[leg + 1]
        u = smoothstep(at - leg)
        size = a.size ** (1 - u) * b.size**u  # constant magnification per second
        # Interpolating the position with the size keeps the target of a zoom fixed on the screen.
        share = (size - a.size) / (b.size - a.size) if abs(b.size - a.size) > 1e-6 else u
        windows.append(Window(a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share, size))
    return windows


def smoothstep(u: float) -> float:
    return u * u * (3 - 2 * u)


def _shake(path: Sequence[Window], duration_s: float, rng: random.Random) -> list[Window]:
    """The shake of a handheld camera: three slow oscillations per axis, none a multiple of another."""
    swings = [[(rng.uniform(0.3, 1.6), rng.uniform(0, math.tau), rng.uniform(0.5, 1)) for _ in range(3)] for _ in "xy"]

    def offset(swing: list[tuple[float, float, float]], seconds: float) -> float:
        return HAND * sum(a * math.sin(math.tau * f * seconds + p) for f, p, a in swing)

    step = duration_s / max(1, len(path))
    return [
        Window(w.x + offset(swings[0], i * step), w.y + offset(swings[1], i * step), w.size) for i, w in enumerate(path)
    ]


def _place(path: Sequence[Window], extent: tuple[float, float], focus: tuple[float, float]) -> list[Window]:
    """Scales and shifts the whole path so that every window lies on the canvas, as large and as near the focus as
    possible."""
    left, right = min(w.x - w.size / 2 for w in path), max(w.x + w.size / 2 for w in path)
    top, bottom = min(w.y - w.size / 2 for w in path), max(w.y + w.size / 2 for w in path)
    scale = min(1 / max(w.size for w in path), extent[0] / (right - left), extent[1] / (bottom - top))
    x = _within(focus[0] * extent[0], (right - left) * scale, extent[0]) - left * scale
    y = _within(focus[1] * extent[1], (bottom - top) * scale, extent[1]) - top * scale
    return [Window(w.x * scale + x, w.y * scale + y, w.size * scale) for w in path]


def _within(centre: float, length: float, extent: float) -> float:
    """The start of a span around `centre` that must lie between 0 and `extent`."""
    return min(max(0.0, centre - length / 2), max(0.0, extent - length))
