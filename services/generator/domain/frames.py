"""Widths and heights: from what was asked (`720p`, `9:16`, `2K`, 1024x768) to pixels, and from pixels to words."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Final

from shared.contracts.values import Output, Settings, SettingSource

RATIOS: Final = {
    name: int(name.split(":")[0]) / int(name.split(":")[1])
    for name in ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "21:9", "9:21", "2:1", "1:2")
}
SHORT_SIDES: Final = (360, 480, 720, 1080, 1440, 2160)
SAME: Final = 0.02  # models round to multiples of 16: 1920x1088 is 16:9 and 1080p
LONGEST: Final = 4096  # pixels; what H.264 at level 5.1 and browsers play


@dataclass(frozen=True)
class Frame:
    """Pixels, both even."""

    width: int
    height: int

    @property
    def aspect(self) -> float:
        return self.width / self.height

    @property
    def short_side(self) -> int:
        return min(self.width, self.height)


def frame_of(settings: Settings, output: Output) -> Frame:
    """The picture that the model is really asked for. A default that is the project's own shape or size in words
    means the project's output exactly; one that is not (a model that makes 720p for a project in 1080p) counts."""
    width, height = settings.get("width"), settings.get("height")
    if width and height:
        return _within_limits(width.value, height.value)
    asked_ratio = _asked(settings, "aspect_ratio", ratio_label(output.width, output.height))
    asked_size = _asked(settings, "resolution", resolution_label(output.width, output.height)) or _chosen(settings)
    if asked_ratio is None and asked_size is None:
        return Frame(output.width // 2 * 2, output.height // 2 * 2)
    aspect = parse_ratio(asked_ratio) if asked_ratio else output.width / output.height
    return _scaled(aspect, asked_size, min(output.width, output.height))


def _asked(settings: Settings, name: str, of_output: str) -> str | None:
    found = settings.get(name)
    if found is None or (found.source is SettingSource.DEFAULT and found.value == of_output):
        return None
    return str(found.value)


def _chosen(settings: Settings) -> str | None:
    """A size in K that somebody chose. A model's own is as good for any output: pictures are only ever made smaller."""
    found = settings.get("size")
    return None if found is None or found.source is SettingSource.DEFAULT else str(found.value)


def _scaled(aspect: float, size: str | None, output_short: int) -> Frame:
    if size and size.endswith("K"):
        long = 1024 * int(size[:-1])
        return _within_limits(long if aspect >= 1 else long * aspect, long / aspect if aspect >= 1 else long)
    short = int(size[:-1]) if size and size.endswith("p") else output_short
    return _within_limits(short * aspect if aspect >= 1 else short, short if aspect >= 1 else short / aspect)


def _within_limits(width: float, height: float) -> Frame:
    shrink = min(1.0, LONGEST / max(width, height))
    return Frame(max(2, 2 * round(width * shrink / 2)), max(2, 2 * round(height * shrink / 2)))


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
