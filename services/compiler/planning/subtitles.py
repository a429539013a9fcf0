"""Captions as text: WebVTT (W3C), SubRip, and Advanced SubStation Alpha for drawing them on pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from services.compiler.planning.caption_text import LINE
from services.compiler.planning.captions import Caption
from shared.contracts.values import Output
from shared.media.fonts import CJK_FAMILY, CJK_HEIGHT, LATIN_HEIGHT, runs

LETTER_EM: Final = 0.56  # the mean width of a letter in running English in DejaVu Sans, with a tenth to spare
SHORTEST_ROW: Final = 8.0  # letters: three Chinese ones

_JOINER = "\u2060"  # has no width, and keeps text from being read as markup

_ASS = """[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 2
ScaledBorderAndShadow: yes
YCbCr Matrix: TV.709

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: {style}

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def to_vtt(captions: Iterable[Caption], language: str | None = None) -> str:
    head = "WEBVTT" + (
        f"\n\nNOTE Language: {language}" if language else ""
    )  # WebVTT requires an empty line after the header
    cues = [f"{_clock(c.start, '.')} --> {_clock(c.end, '.')}\n{_vtt(c.text)}" for c in captions]
    return "\n\n".join([head, *cues]) + "\n"


def to_srt(captions: Iterable[Caption]) -> str:
    return "\n".join(
        f"{n}\n{_clock(c.start, ',')} --> {_clock(c.end, ',')}\n{_srt(c.text)}\n" for n, c in enumerate(captions, 1)
    )


def letters_per_row(output: Output) -> float:
    """How many Latin letters fit on a row of burned captions: as many as everywhere, or fewer in a narrow picture."""
    return max(SHORTEST_ROW, min(LINE, _room(output) / (_size(output) / LATIN_HEIGHT * LETTER_EM)))


def _size(output: Output) -> int:
    """The height of a row."""
    return max(10, round(min(output.width, output.height) / 15))


def _room(output: Output) -> int:
    """The widest that a row may be, in pixels: the picture without its margins and the outline of the letters."""
    return output.width - 2 * (output.width // 20) - 2 * _edge(output)


def _edge(output: Output) -> int:
    return max(1, round(_size(output) / 14))


def to_ass(captions: Sequence[Caption], output: Output, width_em: Callable[[str], float], family: str) -> str:
    """White with a dark outline near the bottom, with a row height of 1/15 of the shorter side. The rows are those of
    the captions; one that would still be wider than the picture makes its caption smaller. Chinese, Japanese and Korean
    are set in a font of their own, the rest in `family`. `width_em`: the width of a row in em of its letters."""
    size = _size(output)
    edge = _edge(output)
    style = ["Default", family, size, "&H00FFFFFF", "&H00FFFFFF", "&H00101010", "&H80000000", *(0,) * 4]
    style += [
        100,
        100,
        0,
        0,
        1,
        edge,
        0,
        2,
        output.width // 20,
        output.width // 20,
        round(output.height / 18),
        -1,
    ]  # -1: the text determines its direction
    head = _ASS.format(width=output.width, height=output.height, style=",".join(map(str, style)))
    lines = []
    for caption in captions:
        widest = max(width_em(row) for row in caption.lines) * size / LATIN_HEIGHT
        fitted = size * min(1.0, _room(output) / widest) if widest else size
        rows = "\\N".join(_ass_row(row, fitted, fitted < size) for row in caption.lines)
        lines.append(f"Dialogue: 0,{_ass_clock(caption.start)},{_ass_clock(caption.end)},Default,,0,0,0,,{rows}")
    return head + "\n".join(lines) + "\n"


def _ass_row(row: str, size: float, smaller: bool) -> str:
    """libass scales a font by the height of its lines, so that of the CJK font has to be made larger."""
    tagged = f"{{\\fs{size:.1f}}}" if smaller else ""
    for run, cjk in runs(row):
        if cjk:
            tagged += f"{{\\fn{CJK_FAMILY}\\fs{size * CJK_HEIGHT / LATIN_HEIGHT:.1f}}}{_ass(run)}{{\\r}}"
            tagged += f"{{\\fs{size:.1f}}}" if smaller else ""
        else:
            tagged += _ass(run)
    return tagged


def _clock(ms: int, point: str) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def _ass_clock(ms: int) -> str:
    return f"{ms // 3_600_000}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000 // 10:02}"


def _vtt(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt(text: str) -> str:
    """Breaks up what players would take for markup: SubRip has no escapes."""
    return re.sub(r"<(?=[A-Za-z/])|\{(?=\\)|--(?=>)", lambda found: found[0] + _JOINER, text)


def _ass(text: str) -> str:
    return text.replace("\\", "\\" + _JOINER).replace("{", "\\{").replace("}", "\\}").replace("\n", "\\N")
