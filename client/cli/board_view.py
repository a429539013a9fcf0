"""An episode's board as a table of text, for screens of any width."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from client.board import Board, Cell, Look, Row, Work
from client.cli import show
from client.models import Kind

NARROW = 60  # columns: below, no titles and no bars
WIDE = 110  # columns: from here on, all kinds side by side
_ORDER = (Kind.STARTING_IMAGE, Kind.VIDEO, Kind.NARRATION, Kind.MUSIC)
_SHORT = {Kind.STARTING_IMAGE: "image", Kind.VIDEO: "video", Kind.NARRATION: "narration", Kind.MUSIC: "music"}
_WIDTHS = {Kind.STARTING_IMAGE: 15, Kind.VIDEO: 20, Kind.NARRATION: 19}  # of the longest that each can show
_BAR = 8
_CELL_ONLY = 19  # "narration to review"
_BOARD_ONLY = 28  # of the one cell on a narrower screen: a kind, a bar, a percentage


def board_table(board: Board, width: int) -> Table:
    """Segments down, what is made for them across; on a narrower screen only what matters most of each."""
    wide, titles = width >= WIDE, width >= NARROW
    table = Table(box=None, pad_edge=False, show_header=False, width=width)
    table.add_column(justify="right", width=len(str(len(board.rows))), style="bold")
    if titles:
        longest = max([len(r.title) for r in board.rows], default=0)
        table.add_column(no_wrap=True, width=max(5, min(longest, 24 if wide else 18)))
    for cells in [_WIDTHS[k] for k in _ORDER[:3]] if wide else [_BOARD_ONLY if titles else _CELL_ONLY]:
        table.add_column(no_wrap=True, width=cells)
    table.add_column(no_wrap=True, ratio=1)
    for row in board.rows:
        title = [Text(row.title, style="dim")] if titles else []
        table.add_row(Text(str(row.number) if row.number else "♪"), *title, *_row_cells(row, wide, titles))
    for film in board.films.values():
        title = [Text("Film", style="dim")] if titles else []
        before = [Text()] if wide else []
        after = [Text()] if wide else []
        table.add_row(Text("▶"), *title, *before, _film_cell(film, titles), *after, Text(film.message, style="dim"))
    return table


def _row_cells(row: Row, wide: bool, bars: bool) -> list[Text]:
    newest = _spotlight(row)
    message = _message(newest) if newest else Text()
    if not wide:
        return [_cell(newest, bars) if newest else Text("·", style="dim"), message]
    if row.number == 0:
        return [Text(), _cell(row.cells.get(Kind.MUSIC), bars), Text(), message]
    return [*(_cell(row.cells.get(k), bars and k is Kind.VIDEO) for k in _ORDER[:3]), message]


def _message(cell: Cell) -> Text:
    if cell.look is Look.FAILED:
        return Text(" ".join(t for t in (cell.message, cell.recovery) if t), style="red")
    if cell.look is Look.REVIEW and cell.deadline:
        return Text(f"{show.left(cell.deadline)}  {cell.message}", style="yellow")
    return Text(cell.message, style="dim")


def _spotlight(row: Row) -> Cell | None:
    """The cell to show where there is room for one: what is going on, what went wrong, what was done last."""
    cells = [row.cells[k] for k in _ORDER if k in row.cells]
    for wanted in ((Look.REVIEW,), (Look.WORKING, Look.COMMITTING), (Look.FAILED, Look.REJECTED), (Look.QUEUED,)):
        for cell in cells:
            if cell.look in wanted:
                return cell
    made = [c for c in cells if c.look is Look.DONE and c.kind is not Kind.STARTING_IMAGE]
    return made[-1] if made else (cells[0] if cells else None)


def _cell(cell: Cell | None, with_bar: bool) -> Text:
    if cell is None:
        return Text()
    word, style = show.LOOKS[cell.look]
    text = Text(f"{_SHORT.get(cell.kind, cell.kind)} ", style="dim")
    if cell.look is Look.WORKING:
        return text + (bar(cell.percent, _BAR) if with_bar else Text()) + Text(f" {cell.percent:3.0f}%", style="cyan")
    return text + Text("✓" if cell.look is Look.DONE else word, style=style)


def _film_cell(film: Work, with_bar: bool) -> Text:
    if film.status == "completed":
        return Text("done", style="green")
    if film.status in ("failed", "cancelled"):
        return Text(film.status, style="bold red")
    return (bar(film.percent, _BAR) if with_bar else Text()) + Text(f" {film.percent:3.0f}%", style="cyan")


def bar(percent: float, cells: int) -> Text:
    """A bar of this many cells, half a cell fine; it can be read without colours too."""
    halves = round(min(100.0, max(0.0, percent)) / 100 * cells * 2)
    full, half = divmod(halves, 2)
    return Text("━" * full + ("╸" if half else ""), style="cyan") + Text(
        "─" * (cells - full - half), style="bright_black"
    )
