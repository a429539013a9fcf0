"""Formatting of times, sizes, states and tables for people."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.table import Table

from client.episode_progress import AssetState
from client.models import Version

ASSET_STATES: dict[AssetState, tuple[str, str]] = {
    AssetState.NOTHING: ("·", "dim"),
    AssetState.QUEUED: ("queued", "dim"),
    AssetState.WORKING: ("working", "cyan"),
    AssetState.REVIEW: ("to review", "bold yellow"),
    AssetState.COMMITTING: ("accepted", "green"),
    AssetState.DONE: ("done", "green"),
    AssetState.REJECTED: ("rejected", "magenta"),
    AssetState.FAILED: ("failed", "bold red"),
    AssetState.STOPPED: ("stopped", "magenta"),
}
"""A word and a style for each state of an asset."""

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
    """A duration: 18.5 s, 4:02 min."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"


def size(count: float | None) -> str:
    """A size in bytes: 8.4 MB."""
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
    """The age in one unit: 2 min, 3 h."""
    if when is None:
        return "-"
    seconds = ((now or datetime.now(UTC)) - when).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"


def left(deadline: datetime | None, now: datetime | None = None) -> str:
    """The time until a deadline."""
    if deadline is None:
        return ""
    seconds = (deadline - (now or datetime.now(UTC))).total_seconds()
    if seconds <= 0:
        return "expired"
    minutes, rest = divmod(int(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d} h left"
    return f"{minutes}:{rest:02d} min left" if minutes else f"{rest} s left"


def table(*columns: str) -> Table:
    """A table without a box. A name that starts with # marks a column of numbers, one with = a column of ids, which
    are not wrapped."""
    created = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        is_id = name.startswith("=")
        created.add_column(
            name.lstrip("#="), justify="right" if name.startswith("#") else "left", overflow="fold", no_wrap=is_id
        )
    return created


def state(name: str | None) -> str:
    """A state in its colour, as markup."""
    words = (name or "-").replace("_", " ")
    style = STATES.get(name or "")
    return f"[{style}]{words}[/]" if style else words


def media(version: Version) -> str:
    """The facts of a file: 5.0 s · 1920x1080 · 16:9 · 3.4 MB."""
    facts = (
        clock(version.duration) if version.duration is not None else None,
        version.resolution,
        version.aspect_ratio,
        size(version.size) if version.size is not None else None,
    )
    return " · ".join(f for f in facts if f) or "-"


def quality(version: Version) -> str:
    """The quality scores, with the reasons of missing ones."""
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
