"""Child process: draws the storyboard card of a segment without an image, a painted scene with a caption."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from services.generator.media.worker_process import Job, serve
from services.generator.providers.animatic.cards.lettering import Lettering
from services.generator.providers.animatic.cards.paint import Canvas, mix, rgb
from services.generator.providers.animatic.cards.scene import Palette, read_scene
from services.generator.providers.animatic.cards.scenery import paint_scene

TAG = "STORYBOARD"


def draw_card(job: Job) -> Job:
    """Job: prompt, title, location, seed, width, height, out. Result: warnings about characters that no font has."""
    prompt, title, location = str(job["prompt"]), str(job["title"] or ""), str(job["location"] or "")
    scene = read_scene(prompt, location, job["seed"])
    canvas = Canvas(job["width"], job["height"], job["seed"])
    paint_scene(canvas, scene, random.Random(f"paint:{job['seed']}"))
    lettering = Lettering(prompt + (title + location).upper() + TAG)
    layout = _Layout(canvas.width, canvas.height)
    lines = lettering.wrap(prompt, layout.text, layout.measure, layout.most)
    _shade(canvas, layout, len(lines))
    card = canvas.finish()
    _letter(card, lettering, layout, scene.palette, lines, title, location)
    _save(card, Path(job["out"]))
    missing = "".join(lettering.missing)
    return {"warnings": [f"No font on this machine has these characters: {missing}"] if missing else []}


class _Layout:
    """Sizes relative to the shorter side, within the title-safe area (SMPTE ST 2046-1: a margin of 5% on each side)."""

    def __init__(self, width: int, height: int) -> None:
        short = min(width, height)
        self.edge = round(0.055 * short) + round(0.02 * max(0, width - short))
        self.label = max(9, round(0.024 * short))
        self.text = max(11, round(0.036 * short))
        self.leading = round(self.text * 1.36)
        self.measure = min(width - 2 * self.edge, 34 * self.text)
        self.most = 3 if width >= height else 6
        self.bottom = height - self.edge


def _shade(canvas: Canvas, layout: _Layout, lines: int) -> None:
    """Darkens the area of the words, so that they are legible on any picture."""
    reach = (lines * layout.leading + 2.2 * layout.edge) / canvas.height
    foot = np.clip((canvas.y - (1 - reach)) / reach, 0, 1) ** 1.2 if lines else canvas.y * 0
    head = np.clip(1 - canvas.y / (3.4 * layout.edge / canvas.height), 0, 1) ** 1.5
    canvas.pixels *= (1 - 0.72 * foot - 0.45 * head)[..., None]


def _letter(
    card: Image.Image,
    lettering: Lettering,
    layout: _Layout,
    palette: Palette,
    lines: list[str],
    title: str,
    location: str,
) -> None:
    accent = tuple(round(255 * float(v)) for v in mix(rgb(palette.accent), rgb(0xFFFFFF), 0.25))
    white, soft = (250, 248, 243), (214, 212, 208)
    _corners(card, layout)
    baseline = layout.edge + layout.label
    x = float(layout.edge + layout.label)
    room = card.width - 2 * x - lettering.width(TAG, layout.label) - 2 * layout.label
    for words, colour in ((title.upper(), accent), (location.upper(), soft)):
        fitted = lettering.wrap(words, layout.label, max(layout.label * 4, room), 1)
        if not fitted:
            continue
        lettering.draw(card, (x, baseline + layout.label * 0.4), fitted[0], layout.label, colour)
        used = lettering.width(fitted[0], layout.label) + 1.6 * layout.label
        x, room = x + used, room - used
        if room < layout.label * 4:
            break
    right = card.width - layout.edge - layout.label - lettering.width(TAG, layout.label)
    lettering.draw(card, (right, baseline + layout.label * 0.4), TAG, layout.label, soft)
    y = layout.bottom - layout.label - (len(lines) - 1) * layout.leading
    for line in lines:
        lettering.draw(card, (layout.edge + layout.label, y), line, layout.text, white)
        y += layout.leading


def _corners(card: Image.Image, layout: _Layout) -> None:
    """Viewfinder marks at the corners of the title-safe area."""
    pen = ImageDraw.Draw(card)
    arm, thick = layout.label * 1.2, max(1, round(layout.label / 11))
    for x, sx in ((layout.edge, 1), (card.width - layout.edge, -1)):
        for y, sy in ((layout.edge, 1), (card.height - layout.edge, -1)):
            pen.line([(x, y + sy * arm), (x, y), (x + sx * arm, y)], fill=(235, 232, 226), width=thick)


def _save(card: Image.Image, out: Path) -> None:
    if out.suffix.lower() in (".jpg", ".jpeg"):
        card.save(out, quality=93, subsampling=0)
    else:
        card.save(out, compress_level=3)


if __name__ == "__main__":
    serve(draw_card)
