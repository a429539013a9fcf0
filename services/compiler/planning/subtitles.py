"""Captions as text: WebVTT (W3C), SubRip, and Advanced SubStation Alpha for drawing them on pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from services.compiler.planning.captions import Caption
from shared.contracts.values import Output

_JOINER = "\u2060"  # has no width, and keeps text from being read as markup

_ASS = """[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 0
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


def to_ass(captions: Sequence[Caption], output: Output) -> str:
    """White with a dark outline near the bottom, with a font size of 1/15 of the shorter side."""
    size = max(10, round(min(output.width, output.height) / 15))
    edge = max(1, round(size / 14))
    style = ["Default", "DejaVu Sans", size, "&H00FFFFFF", "&H00FFFFFF", "&H00101010", "&H80000000", *(0,) * 4]
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
    lines = [f"Dialogue: 0,{_ass_clock(c.start)},{_ass_clock(c.end)},Default,,0,0,0,,{_ass(c.text)}" for c in captions]
    return head + "\n".join(lines) + "\n"


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
