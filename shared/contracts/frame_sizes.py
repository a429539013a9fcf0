"""Shapes and sizes of pictures in words: `16:9`, `1080p`."""

from __future__ import annotations

from math import gcd
from typing import Final

RATIOS: Final = {
    name: int(name.split(":")[0]) / int(name.split(":")[1])
    for name in ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "21:9", "9:21", "2:1", "1:2")
}
SHORT_SIDES: Final = (360, 480, 720, 1080, 1440, 2160)
SAME: Final = 0.02  # models round to multiples of 16: 1920x1088 is 16:9 and 1080p


def parse_ratio(text: str) -> float:
    """`16:9` as a number."""
    across, down = text.split(":")
    return int(across) / int(down)


def ratio_label(width: int, height: int) -> str:
    """`16:9` for anything within 2% of it; unusual shapes as the smallest whole numbers."""
    aspect = width / height
    name = min(RATIOS, key=lambda known: abs(RATIOS[known] / aspect - 1))
    if abs(RATIOS[name] / aspect - 1) <= SAME:
        return name
    common = gcd(width, height)
    return f"{width // common}:{height // common}"


def resolution_label(width: int, height: int) -> str:
    """`1080p` by the short side, for anything within 2% of a usual one."""
    short = min(width, height)
    usual = min(SHORT_SIDES, key=lambda known: abs(known - short))
    return f"{usual}p" if abs(usual / short - 1) <= SAME else f"{short}p"


def nearest_ratio(choices: list[str], width: int, height: int) -> str:
    """The choice whose shape is closest to a frame's, as a proportion."""
    aspect = width / height
    return min(choices, key=lambda c: max(parse_ratio(c) / aspect, aspect / parse_ratio(c)))


def nearest_resolution(choices: list[str], width: int, height: int) -> str:
    short = min(width, height)
    return min(choices, key=lambda c: abs(int(c.rstrip("p")) - short))
