"""How a picture of any aspect ratio is placed in the film's frame."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.values import Fit, Output

SAME_SHAPE = 0.02  # relative: such a small difference is always cropped away, as thin bars look like a mistake


@dataclass(frozen=True)
class FrameLayout:
    """The source is scaled to `width` x `height` (even pixels) and centred; anything outside the frame is cut.

    `fill`: the frame is not covered; what is left is black (pad) or a blurred enlargement of the picture (blur).
    """

    width: int
    height: int
    fill: Fit | None

    def covers(self, output: Output) -> bool:
        return self.width >= output.width and self.height >= output.height


def lay_out(width: float, height: float, output: Output) -> FrameLayout:
    """`width` x `height` is the source as displayed: rotated, with square pixels."""
    if width <= 0 or height <= 0:
        raise ValueError(f"a picture of {width}x{height} has no aspect ratio")
    across, down = output.width / width, output.height / height
    same = abs(across / down - 1) <= SAME_SHAPE
    if same or output.fit is Fit.CROP:
        scale = max(across, down)
        size = max(output.width, _even(width * scale)), max(output.height, _even(height * scale))
        return FrameLayout(*size, fill=None)
    scale = min(across, down)
    size = min(output.width, _even(width * scale)), min(output.height, _even(height * scale))
    return FrameLayout(*size, fill=output.fit)


def _even(pixels: float) -> int:
    """The nearest even number of pixels, as 4:2:0 requires; at least 2."""
    return max(2, 2 * round(pixels / 2))
