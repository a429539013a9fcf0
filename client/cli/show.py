"""How things look to people: times, sizes, states, tables."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.table import Table

from client.board import Look
from client.models import Version

LOOKS: dict[Look, tuple[str, str]] = {
    Look.NOTHING: ("·", "dim"),
    Look.QUEUED: ("waiting", "dim"),
    Look.WORKING: ("working", "cyan"),
    Look.REVIEW: ("to review", "bold yellow"),
    Look.COMMITTING: ("accepted", "green"),
    Look.DONE: ("done", "green"),
    Look.REJECTED: ("rejected", "magenta"),
    Look.FAILED: ("failed", "bold red"),
    Look.STOPPED: ("stopped", "magenta"),
}
"""A word and a style for each look."""

STATES = {
    "preview_ready": "bold yellow",
    "complete": "green",
    "completed": "green",
    "approved": "green",
    "failed": "bold red",
    "rejected": "magenta",
    "expired": "magenta",
    "cancelled": "magenta",
    "generating": "cyan",
    "processing": "cyan",
}


def clock(seconds: float | None) -> str:
    """18.5 s, 4:02 min."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"


def size(count: float | None) -> str:
    """8.4 MB."""
    if count is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def count(number: int, thing: str) -> str:
    """`1 segment`, `2 segments`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def ago(when: datetime | None, now: datetime | None = None) -> str:
    """How long since, in one unit: 2 min, 3 h."""
    if when is None:
        return "-"
    seconds = ((now or datetime.now(UTC)) - when).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"


def left(deadline: datetime | None, now: datetime | None = None) -> str:
    """How long until, for a deadline."""
    if deadline is None:
        return ""
    seconds = (deadline - (now or datetime.now(UTC))).total_seconds()
    if seconds <= 0:
        return "time is up"
    minutes, rest = divmod(int(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d} h left"
    return f"{minutes}:{rest:02d} min left" if minutes else f"{rest} s left"


def table(*columns: str) -> Table:
    """A table without a box. A column whose name starts with # holds numbers, with = ids, which stay whole."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        is_id = name.startswith("=")
        made.add_column(
            name.lstrip("#="), justify="right" if name.startswith("#") else "left", overflow="fold", no_wrap=is_id
        )
    return made


def state(name: str | None) -> str:
    """A state with its colour, as markup."""
    words = (name or "-").replace("_", " ")
    style = STATES.get(name or "")
    return f"[{style}]{words}[/]" if style else words


def media(version: Version) -> str:
    """5.0 s · 1920x1080 · 16:9 · 3.4 MB."""
    facts = (
        clock(version.duration) if version.duration is not None else None,
        version.resolution,
        version.aspect_ratio,
        size(version.size) if version.size is not None else None,
    )
    return " · ".join(f for f in facts if f) or "-"


def quality(version: Version) -> str:
    """The scores; where one is missing, why."""
    scores = ("overall_score", "visual_quality", "consistency_score")
    found = [f"{_plain(n)} {value:.2f}" for n in scores if (value := version.quality_metrics.get(n)) is not None]
    reasons: dict[str, list[str]] = {}
    for name in scores:
        if version.quality_metrics.get(name) is None and (reason := version.unmeasured.get(name)):
            reasons.setdefault(reason, []).append(_plain(name))
    for reason, names in reasons.items():
        found.append(reason if len(names) == len(scores) else f"{', '.join(names)}: {reason}")
    return " · ".join(found)


def _plain(score: str) -> str:
    return score.removesuffix("_score").replace("_", " ")
