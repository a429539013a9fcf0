"""Reports: a table for people, and JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

OUT = Path("out/bench")


def save(row: str, result: dict[str, Any]) -> Path:
    """Write out/bench/<row>.json with facts about the machine, and its load at the end."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{row}.json"
    machine = {
        "cores": os.cpu_count(),
        "load": [round(n, 1) for n in os.getloadavg()],
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    path.write_text(json.dumps({"row": row, "machine": machine, **result}, indent=1) + "\n")
    return path


def table(title: str, headers: list[str], rows: list[list[object]]) -> None:
    shown = Table(title=title)
    for i, header in enumerate(headers):
        shown.add_column(header, justify="left" if i == 0 else "right")
    for row in rows:
        shown.add_row(*(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=110).print(shown)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
