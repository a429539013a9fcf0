"""An episode's board as a table of text, for screens of any width."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from client.board import Board, Cell, Look, Row, Work
from client.cli import show
from client.models import Kind

NARROW = 60  # columns: below, no bars
WIDE = 100  # columns: from here on, all kinds side by side
_ORDER = (Kind.STARTING_IMAGE, Kind.VIDEO, Kind.NARRATION, Kind.MUSIC)
_SHORT = {Kind.STARTING_IMAGE: "image", Kind.VIDEO: "video", Kind.NARRATION: "narration", Kind.MUSIC: "music"}


def board_table(board: Board, width: int) -> Table:
    """Segments down, what is made for them across; on a narrow screen only what is newest of each."""

    table = Table(box=None, pad_edge=False, show_header=False, expand=False)
    table.add_column(justify="right", no_wrap=True, style="bold")
    if width >= NARROW:
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=22 if width < WIDE else 30)
    wide = width >= WIDE
    for _ in _ORDER[:3] if wide else [0]:
        table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for row in board.rows:
        title = [Text(row.title, style="dim")] if width >= NARROW else []
        table.add_row(Text(str(row.number) if row.number else "♪"), *title, *_row_cells(row, wide, width))
    for film in board.films.values():
        title = [Text("Film", style="dim")] if width >= NARROW else []
        cells = [_film_cell(film, width), Text(film.message, style="dim")]
        table.add_row(Text("▶"), *title, *([Text()] * 2 if wide else []), *cells)
    return table


def _row_cells(row: Row, wide: bool, width: int) -> list[Text]:

    newest = _spotlight(row)
    message = Text((newest.recovery or newest.message) if newest else "", style="dim")
    if wide:
        kinds = (Kind.MUSIC, None, None) if row.number == 0 else _ORDER[:3]
        return [_cell(row.cells.get(k), width) if k else Text() for k in kinds] + [message]
    return [_cell(newest, width) if newest else Text("·", style="dim"), message]


def _spotlight(row: Row) -> Cell | None:
    """The cell to show where there is room for one: what is going on, what went wrong, what was done last."""
    cells = [row.cells[k] for k in _ORDER if k in row.cells]
    for wanted in ((Look.REVIEW,), (Look.WORKING, Look.COMMITTING), (Look.FAILED, Look.REJECTED), (Look.QUEUED,)):
        for cell in cells:
            if cell.look in wanted:
                return cell
    made = [c for c in cells if c.look is Look.DONE and c.kind is not Kind.STARTING_IMAGE]
    return made[-1] if made else (cells[0] if cells else None)


def _cell(cell: Cell | None, width: int) -> Text:

    if cell is None:
        return Text()
    word, style = show.LOOKS[cell.look]
    text = Text(f"{_SHORT.get(cell.kind, cell.kind)} ", style="dim")
    if cell.look is Look.WORKING:
        return (
            text + (bar(cell.percent, 12) if width >= NARROW else Text()) + Text(f" {cell.percent:3.0f}%", style="cyan")
        )
    text += Text("✓" if cell.look is Look.DONE else word, style=style)
    if cell.look is Look.REVIEW and cell.deadline:
        text += Text(f" {show.left(cell.deadline)}", style="dim")
    return text


def _film_cell(film: Work, width: int) -> Text:

    if film.status == "completed":
        return Text("done", style="green")
    if film.status in ("failed", "cancelled"):
        return Text(film.status, style="bold red")
    return (bar(film.percent, 12) if width >= NARROW else Text()) + Text(f" {film.percent:3.0f}%", style="cyan")


def bar(percent: float, cells: int) -> Text:
    """A bar of this many cells, half a cell fine."""

    halves = round(min(100.0, max(0.0, percent)) / 100 * cells * 2)
    full, half = divmod(halves, 2)
    drawn = "━" * full + ("╸" if half else "")
    return Text(drawn, style="cyan") + Text("━" * (cells - full - half), style="bright_black")
