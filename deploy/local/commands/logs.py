"""`retake logs`: print and follow the log of one part."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.local.supervisor import logs
from deploy.local.supervisor.data_dir import DataDir
from shared.core.errors import UserError


def read(data: DataDir, part: str, lines: int, *, follow: bool) -> Iterator[str]:
    """The last `lines` lines, then, with `follow`, what is appended, forever. Raises UserError for an unknown part."""
    path = data.log(part)
    known = sorted(p.stem for p in data.logs.glob("*.log"))
    if part not in known:
        raise UserError(
            "no_such_log",
            f"{data.logs} has no log of {part!r}.",
            f"Choose one of: {', '.join(known)}." if known else "Start the system with `retake up`.",
        )
    end = logs.size(path)
    yield from (f"{line}\n" for line in logs.tail(path, lines, end))
    if follow:
        yield from logs.follow(path, end)
