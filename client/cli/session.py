"""What a running command has: where to print, and the gateway."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from client.api import AsyncRetake
from client.errors import RetakeError
from client.locate import Place, locate


class Session:
    """With `--json` stdout carries JSON alone and everything meant for people goes to stderr."""

    def __init__(
        self,
        *,
        as_json: bool = False,
        url: str | None = None,
        token: str | None = None,
        data: Path | None = None,
    ) -> None:
        self.as_json = as_json
        self.url = url
        self.token = token
        self.data = data
        # A dumb terminal and a pipe get no colours and no moving parts; Rich sees to it.
        self.console: Console = Console(stderr=as_json, highlight=False)
        self.errors: Console = Console(stderr=True, highlight=False)

    @property
    def live(self) -> bool:
        """Whether things may move on the screen."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    @property
    def can_ask(self) -> bool:
        """Whether a person sits at the other end."""
        return sys.stdin.isatty() and self.console.is_terminal

    def say(self, *what: RenderableType, style: str | None = None) -> None:
        """For people."""
        self.console.print(*what, style=style)

    def table(self, table: Table) -> None:
        """A table for people; a list of its rows where the screen is too narrow for it."""
        anywhere = self.console.options.update(max_width=10_000)
        least = Measurement.get(self.console, anywhere, table).minimum
        if least <= self.console.width:
            self.console.print(table)
            return
        names = [str(c.header) for c in table.columns]
        for cells in zip(*(c.cells for c in table.columns), strict=True):
            for name, cell in zip(names, cells, strict=True):
                value = Text.from_markup(cell) if isinstance(cell, str) else cell
                if str(value):
                    self.console.print(Text(f"{name}: " if name else "", style="dim"), value, sep="", soft_wrap=True)
            self.console.print()

    def line(self, text: str, style: str | None = None) -> None:
        """One line for people, never wrapped: paths and addresses stay whole. Its text is no markup."""
        self.console.print(text, style=style, soft_wrap=True, markup=False)

    def warn(self, text: str) -> None:
        self.errors.print(f"Warning: {text}", style="yellow", soft_wrap=True, markup=False)

    def emit(self, value: Any) -> None:
        """For programs: one line of JSON on stdout. Nothing without --json."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(value), ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def fail(self, error: RetakeError) -> None:
        """Say what went wrong and what to do about it."""
        self.errors.print(f"Error: {error.message}", style="bold red", soft_wrap=True, markup=False)
        for more in _details(error):
            self.errors.print(f"  {more}", soft_wrap=True, markup=False)
        if error.recovery:
            self.errors.print(error.recovery, soft_wrap=True, markup=False)
        self.emit({"error": error.as_json()})

    def place(self) -> Place:
        return locate(self.url, self.token, self.data)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncRetake]:
        """The gateway, which answers."""
        async with AsyncRetake.at(self.place()) as client:
            await client.check()
            yield client


def plain(value: Any) -> Any:
    """Models and their lists as JSON values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def _details(error: RetakeError) -> list[str]:
    from client import errors

    match error:
        case errors.Invalid():
            told = [str(e.get("detail")) for e in error.errors]
            return [line for line in told if line not in error.message]
        case errors.NotCompilable():
            return [
                f"segment {s.get('segment_number') or s.get('segment_id')}: {s.get('reason')}" for s in error.segments
            ]
        case errors.Busy(active_id=str(active_id)):
            return [f"active: {active_id}"]
        case errors.Forbidden(required_role=str(role)):
            return [f"required role: {role}"]
        case errors.ServerFailed(trace_id=str(trace_id)):
            return [f"trace: {trace_id}"]
        case _:
            return []
