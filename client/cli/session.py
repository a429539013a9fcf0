"""The session of a running command: its output, and its connection to the gateway."""

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
from client.errors import ClientError
from client.locate import GatewayAddress, locate


class Session:
    """With `--json`, stdout carries only JSON and all other output goes to stderr."""

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
        # Rich omits colours and live output for dumb terminals and pipes.
        self.console: Console = Console(stderr=as_json, highlight=False)
        self.errors: Console = Console(stderr=True, highlight=False)

    @property
    def live(self) -> bool:
        """Whether the output is a terminal that supports live output."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    @property
    def can_ask(self) -> bool:
        """Whether input and output are an interactive terminal."""
        return sys.stdin.isatty() and self.console.is_terminal

    def say(self, *renderables: RenderableType) -> None:
        """Print something for people."""
        self.console.print(*renderables)

    def table(self, table: Table) -> None:
        """Print a table for people, or a list of its rows if the screen is too narrow for it."""
        unlimited = self.console.options.update(max_width=10_000)
        minimum = Measurement.get(self.console, unlimited, table).minimum
        if minimum <= self.console.width:
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
        """Print one line for people. It is never wrapped, so that paths and URLs stay whole, nor parsed as markup."""
        self.console.print(text, style=style, soft_wrap=True, markup=False)

    def warn(self, text: str) -> None:
        self.errors.print(f"Warning: {text}", style="yellow", soft_wrap=True, markup=False)

    def emit(self, value: Any) -> None:
        """Print one line of JSON on stdout, with --json only."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(value), ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def fail(self, error: ClientError) -> None:
        """Print an error, its details, and the recovery."""
        self.errors.print(f"Error: {error.message}", style="bold red", soft_wrap=True, markup=False)
        for detail in _details(error):
            self.errors.print(f"  {detail}", soft_wrap=True, markup=False)
        if error.recovery:
            self.errors.print(error.recovery, soft_wrap=True, markup=False)
        self.emit({"error": error.as_json()})

    def address(self) -> GatewayAddress:
        """The gateway's address. Raises NotRunning if it is unknown."""
        return locate(self.url, self.token, self.data)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncRetake]:
        """A client of the gateway. Raises Unreachable if the gateway does not answer."""
        async with AsyncRetake.at(self.address()) as client:
            await client.check()
            yield client


def plain(value: Any) -> Any:
    """Models, and collections of them, as JSON values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def _details(error: ClientError) -> list[str]:
    from client import errors

    match error:
        case errors.Invalid():
            details = [str(e.get("detail")) for e in error.errors]
            return [detail for detail in details if detail not in error.message]
        case errors.NotCompilable():
            return [
                f"segment {s.get('segment_number') or s.get('segment_id')}: {s.get('reason')}" for s in error.segments
            ]
        case errors.Busy(active_id=str(active_id)):
            return [f"active id: {active_id}"]
        case errors.Forbidden(required_role=str(role)):
            return [f"required role: {role}"]
        case errors.ServerFailed(trace_id=str(trace_id)):
            return [f"trace id: {trace_id}"]
        case _:
            return []
