"""`retake gc`: frees what retention lets go, now instead of with the next sweep; `--dry-run` explains each decision.

Each service judges its own: its process is started beside the running one, with the same settings, and says in lines of
JSON what it did or would do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import typer

from deploy.local.cli import FAILED, Data, Json

SERVICES: Final = ("generator", "gateway", "compiler")
"""Those that own objects."""
SHOWN: Final = 20  # lines of one kind of decision; --json and --all have all
TAKES_LONG_S: Final = 3600

Line = dict[str, Any]


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing: say what would happen, and why.")] = False,
    project: Annotated[str | None, typer.Option(help="Explain this project only (with --dry-run).")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also list each thing that is kept, and why.")] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Free the bytes of versions, uploads and objects that are not kept any more (docs/operations/retention.md)."""
    from shared.core.errors import RetakeError

    if project and not dry_run:
        raise typer.BadParameter("It goes with --dry-run: a sweep takes all projects.", param_hint="--project")
    asked = ["gc", *(["--dry-run"] if dry_run else []), *(["--project", project] if project else [])]
    report = Report()
    try:
        for line in _all_lines(asked, data):
            if as_json:
                typer.echo(json.dumps(line, ensure_ascii=False))
            elif not dry_run:
                typer.echo(_did(line))
            else:
                report.add(line)
                if everything and line["action"] == "keep":
                    typer.echo(_decision(line))
    except RetakeError as e:
        typer.secho(f"Error: {e.cause}", err=True, fg=typer.colors.RED)
        typer.echo(e.recovery, err=True)
        raise typer.Exit(FAILED) from e
    if dry_run and not as_json:
        for text in report.lines():
            typer.echo(text)


def _all_lines(asked: list[str], data: Any) -> Iterator[Line]:
    from deploy.local.paths import DataDir

    where = DataDir.of(data)
    for service in SERVICES:
        yield from _lines(service, asked, where)


def _lines(service: str, asked: list[str], where: Any) -> Iterator[Line]:
    """What the service says, as it says it."""
    import subprocess

    from deploy.local.children import python_env
    from deploy.local.state import held
    from shared.core.errors import Permanent, UserError

    try:
        told = json.loads(where.environment(service).read_text()) if held(where) else None
    except (OSError, ValueError):
        told = None
    if told is None:
        raise UserError("not_running", f"Retake does not run on {where.root}.", "Start it with `retake up`.")
    command = [sys.executable, "-m", f"services.{service}.main", *asked]
    with subprocess.Popen(
        command, env=python_env(told), text=True, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for text in process.stdout:
            if text.startswith("{"):
                yield json.loads(text)
        said = process.stderr.read().strip()
        if process.wait(TAKES_LONG_S) != 0:
            last = said.splitlines()[-1] if said else f"it ended with {process.returncode}"
            raise Permanent("gc_failed", f"{service}: {last}", "Is Retake running? See `retake status`.")


@dataclass
class Report:
    """What `--dry-run` says in the end: what would go and why, then what is kept, by project and reason."""

    going: dict[str, list[Line]] = field(default_factory=dict)
    kept: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        if line["action"] != "keep":
            self.going.setdefault(line["action"], []).append(line)
            return
        reasons = self.kept.setdefault(line["project_id"] or "no project", {})
        count, size = reasons.get(line["why"], (0, 0))
        reasons[line["why"]] = (count + 1, size + line["bytes"])

    def lines(self) -> Iterator[str]:
        for action, heading in _HEADINGS.items():
            found = self.going.get(action, [])
            if found:
                yield f"{heading}: {len(found)}, {_size(sum(line['bytes'] for line in found))}"
                yield from (f"  {_decision(line)}" for line in found[:SHOWN])
                if len(found) > SHOWN:
                    yield f"  … and {len(found) - SHOWN} more (--json lists all)"
        for project, reasons in sorted(self.kept.items()):
            size = sum(size for _, size in reasons.values())
            yield f"Kept in {project}: {sum(count for count, _ in reasons.values())}, {_size(size)}"
            for why, (count, size) in sorted(reasons.items(), key=lambda each: -each[1][1]):
                yield f"  {count:>5}  {_size(size):>9}  {why}"
        if not self.going:
            yield "Nothing would be freed."


_HEADINGS: Final = {
    "delete": "Would be deleted now",
    "wait": "Marked, to be deleted when their grace time is over",
    "mark": "Would be marked now: no new use, deleted 48 h later",
}


def _decision(line: Line) -> str:
    until = f", until {_time(line['until'])}" if line["until"] else ""
    return (
        f"{_size(line['bytes']):>9}  {line['what']} {line['id']}: {line['why']} (since {_time(line['since'])}{until})"
    )


def _did(line: Line) -> str:
    return f"{line['service']}: {line['marked']} marked, {line['deleted']} deleted, {_size(line['bytes'])} freed"


def _time(text: str) -> str:
    return text[:16].replace("T", " ")


def _size(size: int) -> str:
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
