"""The table that a run of the cluster ends with."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tests.support.components import Missing

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    step: str
    result: str
    seconds: float


@dataclass
class Table:
    """What was tried, in order. `failed`: at least one step did not do what it should."""

    rows: list[Row] = field(default_factory=list)
    failed: bool = False

    def step(self, name: str, act: Callable[[], T], say: Callable[[T], str]) -> T | None:
        """Does one step and tells how it went; None if it failed or its programs are missing."""
        began = time.monotonic()
        done: T | None = None
        try:
            done = act()
            result = say(done)
        except Missing as e:
            result = f"skipped: {e}"
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as e:
            self.failed = True
            result = f"FAILED: {str(e).strip() or type(e).__name__}"
        self.rows.append(Row(name, result, time.monotonic() - began))
        print(f"[{time.strftime('%H:%M:%S')}] {name}: {result} ({self.rows[-1].seconds:.1f} s)", flush=True)
        return done

    def __str__(self) -> str:
        rows = [("step", "result", "seconds")]
        rows += [(row.step, row.result.splitlines()[0], f"{row.seconds:.1f}") for row in self.rows]
        step, result, seconds = (max(map(len, column)) for column in zip(*rows, strict=True))
        return "\n".join(f"{a:<{step}}  {b:<{result}}  {c:>{seconds}}" for a, b, c in rows)
