"""What a script says: its words without Markdown and markup, and the pauses that it asks for.

A pause is written as speech models write it, `<#1.5#>` (seconds), or as SSML does, `<break time="1s"/>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 99.99
"""What speech models take in `<#seconds#>`."""

# SSML 1.1, 3.2.3: without a time a break is of medium strength; its strengths are given no lengths there.
_STRENGTHS: Final = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 1.0, "x-strong": 1.5}
_PAUSE: Final = re.compile(
    r"""<\#\s*(?P<seconds>\d{1,4}(?:\.\d{1,6})?)\s*\#> | <break\b(?P<attributes>[^<>]{0,200}?)/?>(?:\s*</break\s*>)?""",
    re.VERBOSE | re.IGNORECASE,
)
_TIME: Final = re.compile(r"""\btime\s*=\s*["']?\s*\+?(\d{0,6}(?:\.\d{1,6})?)\s*(ms|s)\b""", re.IGNORECASE)
_STRENGTH: Final = re.compile(r"""\bstrength\s*=\s*["']?\s*([a-z-]{1,20})""", re.IGNORECASE)
_BLOCK_TAG: Final = re.compile(r"</?(?:speak|p|s|br|audio|mark)\b[^<>]{0,300}>", re.IGNORECASE)
_INLINE_TAG: Final = re.compile(
    r"</?(?:say-as|sub|emphasis|prosody|voice|lang|phoneme|b|i|u|em|strong|span|font)\b[^<>]{0,300}>", re.IGNORECASE
)
_READER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
# Indented text is a paragraph of the script and no listing.
_READER.disable(["code", "reference", "html_block", "html_inline", "autolink"])
_BLOCK_ENDS: Final = frozenset({"paragraph_close", "heading_close", "tr_close", "blockquote_close"})
_LATE_HEADING: Final = re.compile(r"(?<=\S)[ \t]+#{1,6}[ \t]+(?=[^\W\d])")  # scripts pasted into one line
_TIMES: Final = re.compile(r"(?<=\d)\*(?=\d)")
_LIST_NUMBER: Final = re.compile(r"^(\s{0,3})(\d{1,9})([.)])(?=\s)", re.MULTILINE)


@dataclass(frozen=True)
class Pause:
    """Silence that the script asks for."""

    seconds: float


def speech_parts(script: str) -> Iterator[str | Pause]:
    """The script in order: plain text, and the pauses in between. Lines stay lines and paragraphs paragraphs."""
    at = 0
    for found in _PAUSE.finditer(script):
        if text := plain_text(script[at : found.start()]):
            yield text
        if seconds := _seconds(found):
            yield Pause(seconds)
        at = found.end()
    if text := plain_text(script[at:]):
        yield text


def speech_text(script: str) -> str:
    """The script as plain text, without its pauses."""
    return plain_text(_PAUSE.sub(" ", script))


def with_pauses(script: str) -> str:
    """The script as plain text with its pauses as `<#seconds#>`, for models that take them so: between words only, and
    never two in a row."""
    said: list[str] = []
    pause = 0.0
    for part in speech_parts(script):
        if isinstance(part, Pause):
            pause += part.seconds
            continue
        if pause and said:
            said.append(f"<#{max(SHORTEST_PAUSE_S, min(round(pause, 2), LONGEST_PAUSE_S)):g}#>")
        said.append(part)
        pause = 0.0
    return " ".join(said)


def plain_text(text: str) -> str:
    """Markdown and speech markup as the text that a reader would see."""
    untagged = _INLINE_TAG.sub("", _BLOCK_TAG.sub(" ", text))
    unmarked = _LIST_NUMBER.sub(r"\1\2\\\3", untagged)  # "1. May" is a date, and a number is spoken
    unmarked = _TIMES.sub(r"\*", _LATE_HEADING.sub(" ", unmarked))
    lines: list[str] = []
    for token in _READER.parse(unmarked):
        if token.type == "inline":
            separator = " " if lines and lines[-1] and not lines[-1].endswith("\n") else ""
            lines.append(separator + "".join(map(_inline, token.children or [])))
        elif token.type in ("fence", "code_block"):
            lines.append(token.content)
        elif token.type in _BLOCK_ENDS:
            lines.append("\n" if token.hidden else "\n\n")
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]{2,}", " ", "".join(lines))).strip()


def _inline(token: Token) -> str:
    match token.type:
        case "text" | "code_inline" | "text_special":
            return token.content
        case "softbreak" | "hardbreak":
            return "\n"
        case "image":
            return "".join(map(_inline, token.children or []))
        case _:
            return ""


def _seconds(found: re.Match[str]) -> float:
    if found["seconds"] is not None:
        return min(float(found["seconds"]), LONGEST_PAUSE_S)
    attributes = found["attributes"] or ""
    if (time := _TIME.search(attributes)) and time[1] not in ("", "."):
        return min(float(time[1]) * (0.001 if time[2].lower() == "ms" else 1.0), LONGEST_PAUSE_S)
    strength = _STRENGTH.search(attributes)
    return _STRENGTHS.get(strength[1].lower() if strength else "medium", _STRENGTHS["medium"])
