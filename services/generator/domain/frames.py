"""Widths and heights: from requested words (`720p`, `9:16`, `2K`, 1024x768) to pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.contracts.frame_sizes import parse_ratio, ratio_label, resolution_label
from shared.contracts.values import Output, Settings, SettingSource

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
