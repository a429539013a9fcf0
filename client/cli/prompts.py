"""Interactive prompts that do not block the event loop: events keep arriving, and Ctrl-C works."""

from __future__ import annotations

import asyncio
import sys

from client.cli.exit_codes import Stopped, UsageError
from client.cli.session import Session


async def ask(session: Session, question: str, default: str = "") -> str:
    """The answer, one line, stripped; `default` for an empty one. Raises Stopped at the end of the input."""
    session.console.print(question, end=" ", markup=False, soft_wrap=True, style="bold")
    if not session.console.is_terminal:
        session.console.print()
    answer = await _read_line()
    if not answer:
        raise Stopped
    return answer.strip() or default


async def choose(session: Session, question: str, choices: str, default: str = "") -> str:
    """One of the letters in `choices`; asks again after any other answer."""
    while True:
        answer = (await ask(session, question, default)).lower()[:1]
        if answer and answer in choices:
            return answer
        session.line(f"Please answer with one of: {', '.join(choices)}.")


async def confirm(session: Session, question: str, yes: bool) -> None:
    """Ask for confirmation unless `yes`. Raises UsageError if it is refused, or without a terminal."""
    if yes:
        return
    if not session.can_ask:
        raise UsageError("Cannot prompt: not a terminal.", "Add --yes to confirm.")
    if await choose(session, f"{question} [y/n]", "yn") == "n":
        raise UsageError("Nothing was changed.", "")


async def ask_rating(session: Session) -> int | None:
    """A rating from 1 to 5; None if it is skipped."""
    while True:
        answer = await ask(session, "Rating 1-5 (Enter to skip):")
        if not answer:
            return None
        if answer in ("1", "2", "3", "4", "5"):
            return int(answer)
        session.line("Please enter a number from 1 to 5, or press Enter to skip.")


async def _read_line() -> str:
    """A line of stdin, waited for by the event loop: Ctrl-C could not end a thread that waits for it."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(sys.stdin.fileno(), ready.set)
    except (PermissionError, ValueError):  # a regular file is always readable
        return sys.stdin.readline()
    try:
        await ready.wait()
        return sys.stdin.readline()
    finally:
        loop.remove_reader(sys.stdin.fileno())
