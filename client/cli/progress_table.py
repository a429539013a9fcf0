"""The progress of an episode as a table of text, for screens of any width."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from client.cli import formatting
from client.episode_progress import AssetProgress, AssetState, EpisodeProgress, SegmentProgress, WorkProgress
from client.models import AssetKind

NARROW = 60  # columns: below, no titles and no bars
WIDE = 110  # columns: from here on, all kinds side by side
_KINDS = (AssetKind.STARTING_IMAGE, AssetKind.VIDEO, AssetKind.NARRATION)
_LABELS = {
    AssetKind.STARTING_IMAGE: "image", AssetKind.VIDEO: "video", AssetKind.NARRATION: "narration",
    AssetKind.MUSIC: "music",
}  # fmt: skip
_WIDTHS = {AssetKind.STARTING_IMAGE: 15, AssetKind.VIDEO: 20, AssetKind.NARRATION: 19}  # of the longest cell of each
_BAR = 8
_CELL_WIDTH = 19  # "narration to review"
_CELL_WITH_BAR_WIDTH = 28  # a kind, a bar, a percentage
_PRIORITY = (
    (AssetState.REVIEW,),
    (AssetState.WORKING, AssetState.COMMITTING),
    (AssetState.FAILED, AssetState.REJECTED),
    (AssetState.QUEUED,),
)
"""Which asset of a segment is shown where there is room for one."""


def progress_table(progress: EpisodeProgress, width: int) -> Table:
    """One row per segment and one column per kind; on a narrow screen only the most important asset of each segment."""
    wide, titles = width >= WIDE, width >= NARROW
    table = Table(box=None, pad_edge=False, show_header=False, width=width)
    table.add_column(justify="right", width=len(str(len(progress.segments))), style="bold")
    if titles:
        longest = max([len(s.title) for s in progress.segments], default=0)
        table.add_column(no_wrap=True, width=max(5, min(longest, 24 if wide else 18)))
    for column_width in _WIDTHS.values() if wide else [_CELL_WITH_BAR_WIDTH if titles else _CELL_WIDTH]:
        table.add_column(no_wrap=True, width=column_width)
    table.add_column(no_wrap=True, ratio=1)
    for segment in progress.segments:
        title = [Text(segment.title, style="dim")] if titles else []
        table.add_row(Text(str(segment.number) if segment.number else "♪"), *title, *_cells(segment, wide, titles))
    for film in progress.films.values():
        title = [Text("Film", style="dim")] if titles else []
        before = [Text()] if wide else []
        after = [Text()] if wide else []
        table.add_row(Text("▶"), *title, *before, _film_cell(film, titles), *after, Text(film.message, style="dim"))
    return table


def _cells(segment: SegmentProgress, wide: bool, bars: bool) -> list[Text]:
    shown = _most_important(segment)
    message = _message(shown) if shown else Text()
    if not wide:
        return [_cell(shown, bars) if shown else Text("·", style="dim"), message]
    if segment.number == 0:
        return [Text(), _cell(segment.assets.get(AssetKind.MUSIC), bars), Text(), message]
    return [*(_cell(segment.assets.get(k), bars and k is AssetKind.VIDEO) for k in _KINDS), message]


def _message(asset: AssetProgress) -> Text:
    if asset.state is AssetState.FAILED:
        return Text(" ".join(t for t in (asset.message, asset.recovery) if t), style="red")
    if asset.state is AssetState.REVIEW and asset.deadline:
        return Text(f"{formatting.left(asset.deadline)}  {asset.message}", style="yellow")
    return Text(asset.message, style="dim")


def _most_important(segment: SegmentProgress) -> AssetProgress | None:
    assets = [segment.assets[k] for k in _LABELS if k in segment.assets]
    for states in _PRIORITY:
        for asset in assets:
            if asset.state in states:
                return asset
    done = [a for a in assets if a.state is AssetState.DONE and a.kind is not AssetKind.STARTING_IMAGE]
    return done[-1] if done else (assets[0] if assets else None)


def _cell(asset: AssetProgress | None, with_bar: bool) -> Text:
    if asset is None:
        return Text()
    word, style = formatting.ASSET_STATES[asset.state]
    text = Text(f"{_LABELS.get(asset.kind, asset.kind)} ", style="dim")
    if asset.state is AssetState.WORKING:
        return text + (bar(asset.percent, _BAR) if with_bar else Text()) + Text(f" {asset.percent:3.0f}%", style="cyan")
    return text + Text("✓" if asset.state is AssetState.DONE else word, style=style)


def _film_cell(film: WorkProgress, with_bar: bool) -> Text:
    if film.status == "completed":
        return Text("done", style="green")
    if film.status in ("failed", "cancelled"):
        return Text(film.status, style="bold red")
    return (bar(film.percent, _BAR) if with_bar else Text()) + Text(f" {film.percent:3.0f}%", style="cyan")


def bar(percent: float, cells: int) -> Text:
    """A bar of this many cells, with a resolution of half a cell; readable without colours, too."""
    halves = round(min(100.0, max(0.0, percent)) / 100 * cells * 2)
    full, half = divmod(halves, 2)
    return Text("━" * full + ("╸" if half else ""), style="cyan") + Text(
        "─" * (cells - full - half), style="bright_black"
    )
