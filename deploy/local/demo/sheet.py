"""The contact sheet: frames of the film in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from deploy.local.demo.decode import Picture
from deploy.local.demo.timeline import Shot, Timeline

MOST_ROWS = 8
GAP = 12
BAND = 26  # the caption below a picture
HEAD = 60
PAPER, INK, FAINT = (17, 19, 23), (232, 234, 237), (150, 156, 166)


def rows_of(plan: Timeline) -> list[list[int]]:
    """The frames to show: for each segment two of its own, and the middle of the transition to the next one."""
    shots = list(plan.shots)
    if len(shots) > MOST_ROWS:
        shots = [shots[round(i * (len(shots) - 1) / (MOST_ROWS - 1))] for i in range(MOST_ROWS)]
    return [[s.start + s.frames // 5, s.start + s.frames * 3 // 5, _last(plan, s)] for s in shots]


def frames_of(plan: Timeline) -> frozenset[int]:
    return frozenset(frame for row in rows_of(plan) for frame in row)


def contact_sheet(target: Path, plan: Timeline, pictures: Mapping[int, Picture], title: str, facts: str) -> None:
    """Write a PNG of these frames, each with its time. A missing frame stays empty."""
    rows = rows_of(plan)
    height, width = next(iter(pictures.values())).shape[:2]
    columns = len(rows[0])
    size = (columns * (width + GAP) + GAP, HEAD + len(rows) * (height + BAND + GAP))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 14), title, INK, font=ImageFont.load_default(26))
    draw.text((sheet.width - GAP, 22), facts, FAINT, font=ImageFont.load_default(17), anchor="ra")
    for y, row in enumerate(rows):
        for x, frame in enumerate(row):
            place = (GAP + x * (width + GAP), HEAD + y * (height + BAND + GAP))
            if frame in pictures:
                sheet.paste(Image.fromarray(pictures[frame]), place)
            draw.text(
                (place[0] + 2, place[1] + height + 5), _caption(plan, frame), FAINT, font=ImageFont.load_default(15)
            )
    sheet.save(target, optimize=True)


def _last(plan: Timeline, shot: Shot) -> int:
    """The middle of the transition to the next segment; for the last segment, the last frame."""
    following = [s for s in plan.shots if s.number == shot.number + 1]
    end = shot.start + shot.frames
    return (following[0].start + end) // 2 if following else end - 1


def _caption(plan: Timeline, frame: int) -> str:
    shown = " to ".join(str(s.number) for s in plan.shots if s.start <= frame < s.start + s.frames)
    return f"{frame / plan.fps:5.2f} s   segment {shown}"
