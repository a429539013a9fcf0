"""Frame sizes in pixels, from settings such as `720p`, `9:16`, `2K` or 1024x768."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.contracts.frame_sizes import parse_ratio, ratio_label, resolution_label
from shared.contracts.values import Output, Settings, SettingSource

LONGEST_SIDE: Final = 4096  # pixels; the limit of H.264 level 5.1 and of browsers


@dataclass(frozen=True)
class Frame:
    """A size in pixels, both even."""

    width: int
    height: int

    @property
    def aspect(self) -> float:
        return self.width / self.height

    @property
    def short_side(self) -> int:
        return min(self.width, self.height)


def frame_of(settings: Settings, output: Output) -> Frame:
    """The size that the model is asked for.

    A default that names the project's own aspect ratio or resolution stands for exactly the project's output. Any other
    default (a model that generates 720p for a project in 1080p) counts as a choice.
    """
    width, height = settings.get("width"), settings.get("height")
    if width and height:
        return _within_limits(width.value, height.value)
    chosen_ratio = _chosen(settings, "aspect_ratio", ratio_label(output.width, output.height))
    chosen_size = _chosen(settings, "resolution", resolution_label(output.width, output.height)) or _chosen_size(
        settings
    )
    if chosen_ratio is None and chosen_size is None:
        return Frame(output.width // 2 * 2, output.height // 2 * 2)
    aspect = parse_ratio(chosen_ratio) if chosen_ratio else output.width / output.height
    return _scaled(aspect, chosen_size, min(output.width, output.height))


def _chosen(settings: Settings, name: str, of_output: str) -> str | None:
    setting = settings.get(name)
    if setting is None or (setting.source is SettingSource.DEFAULT and setting.value == of_output):
        return None
    return str(setting.value)


def _chosen_size(settings: Settings) -> str | None:
    """A size such as `2K`. A model's default fits any output, because pictures are only made smaller later."""
    setting = settings.get("size")
    return None if setting is None or setting.source is SettingSource.DEFAULT else str(setting.value)


def _scaled(aspect: float, size: str | None, output_short: int) -> Frame:
    if size and size.endswith("K"):
        long = 1024 * int(size[:-1])
        return _within_limits(long if aspect >= 1 else long * aspect, long / aspect if aspect >= 1 else long)
    short = int(size[:-1]) if size and size.endswith("p") else output_short
    return _within_limits(short * aspect if aspect >= 1 else short, short if aspect >= 1 else short / aspect)


def _within_limits(width: float, height: float) -> Frame:
    shrink = min(1.0, LONGEST_SIDE / max(width, height))
    return Frame(max(2, 2 * round(width * shrink / 2)), max(2, 2 * round(height * shrink / 2)))
