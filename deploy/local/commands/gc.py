"""`retake gc`: apply retention now instead of at the next scheduled sweep; `--dry-run` explains each decision.

Each service decides about its own data: a process of that service is started next to the running one, with the same
settings, and prints what it did, or would do, as lines of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.processes import python_env
from deploy.local.supervisor.state import is_locked
from shared.core.errors import Permanent, UserError

SERVICES: Final = ("generator", "gateway", "compiler")
"""The services that own objects."""
SHOWN: Final = 20  # lines of one kind of decision; --json and --all print all
TIMEOUT_S: Final = 3600

Line = dict[str, Any]


def run(data: DataDir, *, dry_run: bool, project: str | None, list_kept: bool, as_json: bool) -> Iterator[str]:
    """Run the sweep of each service and yield the lines to print.

    Raises UserError if the system is not running, Permanent if a service's sweep fails.
    """
    if project and not dry_run:
        raise UserError("project_needs_dry_run", "--project needs --dry-run: a sweep covers all projects.")
    arguments = ["gc", *(["--dry-run"] if dry_run else []), *(["--project", project] if project else [])]
    report = Report()
    for service in SERVICES:
        for line in _sweep(service, arguments, data):
            if as_json:
                yield json.dumps(line, ensure_ascii=False)
            elif not dry_run:
                yield _result(line)
            else:
                report.add(line)
                if list_kept and line["action"] == "keep":
                    yield _decision(line)
    if dry_run and not as_json:
        yield from report.lines()


def _sweep(service: str, arguments: list[str], data: DataDir) -> Iterator[Line]:
    """The lines that the service prints, as it prints them."""
    command = [sys.executable, "-m", f"services.{service}.main", *arguments]
    with subprocess.Popen(
        command, env=python_env(_environment(service, data)), text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        for text in process.stdout:
            if text.startswith("{"):
                yield json.loads(text)
        errors = process.stderr.read().strip()
        if process.wait(TIMEOUT_S) != 0:
            last = errors.splitlines()[-1] if errors else f"exit code {process.returncode}"
            raise Permanent("gc_failed", f"{service}: {last}", "Check that Retake is running: `retake status`.")


def _environment(service: str, data: DataDir) -> dict[str, str]:
    """The running service's own settings."""
    not_running = UserError("not_running", f"Retake is not running on {data.root}.", "Start it with `retake up`.")
    if not is_locked(data):
        raise not_running
    try:
        return dict(json.loads(data.environment(service).read_text()))
    except (OSError, ValueError):
        raise not_running from None


@dataclass
class Report:
    """The summary of a dry run: deletions with their reasons, then what is kept, by project and reason.

    `kept` has the number of items and their bytes by project and reason.
    """

    changes: dict[str, list[Line]] = field(default_factory=dict)
    kept: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        if line["action"] != "keep":
            self.changes.setdefault(line["action"], []).append(line)
            return
        reasons = self.kept.setdefault(line["project_id"] or "no project", {})
        count, size = reasons.get(line["why"], (0, 0))
        reasons[line["why"]] = (count + 1, size + line["bytes"])

    def lines(self) -> Iterator[str]:
        for action, heading in _HEADINGS.items():
            found = self.changes.get(action, [])
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
        if not self.changes:
            yield "Nothing would be deleted."


_HEADINGS: Final = {
    "delete": "Would be deleted now",
    "wait": "Marked; deleted when their grace period ends",
    "mark": "Would be marked now (not usable any more, deleted 48 h later)",
}


def _decision(line: Line) -> str:
    until = f", until {_time(line['until'])}" if line["until"] else ""
    return (
        f"{_size(line['bytes']):>9}  {line['what']} {line['id']}: {line['why']} (since {_time(line['since'])}{until})"
    )


def _result(line: Line) -> str:
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
