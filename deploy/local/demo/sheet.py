"""The contact sheet: the film at a glance, made from the film itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from deploy.local.demo.decode import Picture
from deploy.local.demo.timeline import Timeline

COLUMNS = 4
GAP = 12
BAND = 26  # the caption below a picture
HEAD = 64
PAPER, INK, FAINT = (17, 19, 23), (232, 234, 237), (150, 156, 166)


def frames_of(plan: Timeline, rows: int = 3) -> list[int]:
    """Which frames to show, evenly from the first to the last."""
    count = COLUMNS * rows
    return [round(i * (plan.frames - 1) / (count - 1)) for i in range(count)]


def contact_sheet(
    target: Path, plan: Timeline, pictures: Mapping[int, Picture], frames: Sequence[int], title: str, facts: str
) -> None:
    """Write a PNG of these frames, each with its time."""
    height, width = pictures[frames[0]].shape[:2]
    rows = -(-len(frames) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + GAP) + GAP, HEAD + rows * (height + BAND + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 14), title, INK, font=_font(28))
    draw.text((sheet.width - GAP, 24), facts, FAINT, font=_font(18), anchor="ra")
    for index, frame in enumerate(frames):
        row, column = divmod(index, COLUMNS)
        x, y = GAP + column * (width + GAP), HEAD + row * (height + BAND + GAP)
        sheet.paste(Image.fromarray(pictures[frame]), (x, y))
        draw.text((x + 2, y + height + 5), _caption(plan, frame), FAINT, font=_font(15))
    sheet.save(target, optimize=True)


def _caption(plan: Timeline, frame: int) -> str:
    shown = [s.number for s in plan.shots if s.start <= frame < s.start + s.frames]
    segments = " to ".join(str(n) for n in shown)
    return f"{frame / plan.fps:5.2f} s   segment {segments}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
