"""Asking a person, without blocking the loop: events go on arriving, Ctrl-C works."""

from __future__ import annotations

import asyncio
import sys

from client.cli.codes import Stopped, UsageError
from client.cli.session import Session


async def ask(session: Session, question: str, default: str = "") -> str:
    """One line of an answer, stripped; the default for an empty one. Raises Stopped at the end of input."""
    session.console.print(question, end=" ", markup=False, soft_wrap=True, style="bold")
    if not session.console.is_terminal:
        session.console.print()
    answer = await _read_line()
    if not answer:
        raise Stopped
    return answer.strip() or default


async def choose(session: Session, question: str, choices: str, default: str = "") -> str:
    """One of the letters in `choices`; asked again until it is."""
    while True:
        answer = (await ask(session, question, default)).lower()[:1]
        if answer and answer in choices:
            return answer
        session.line(f"Please answer with one of: {', '.join(choices)}.")


async def confirm(session: Session, question: str, yes: bool) -> None:
    """Go on only if the person says so. Raises UsageError if they do not, or cannot be asked."""
    if yes:
        return
    if not session.can_ask:
        raise UsageError("Nobody can be asked here.", "Add --yes if you mean it.")
    if await choose(session, f"{question} [y/n]", "yn") == "n":
        raise UsageError("Nothing was changed.", "")


async def rating(session: Session) -> int | None:
    while True:
        answer = await ask(session, "Rating 1-5 (Enter: none)")
        if not answer:
            return None
        if answer in ("1", "2", "3", "4", "5"):
            return int(answer)
        session.line("Please give a number from 1 to 5, or nothing.")


async def _read_line() -> str:
    """A line of stdin. The terminal edits it; the loop waits for it without a thread that Ctrl-C could not end."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(sys.stdin.fileno(), ready.set)
    except (PermissionError, ValueError):  # a file cannot be waited for and need not be
        return sys.stdin.readline()
    try:
        await ready.wait()
        return sys.stdin.readline()
    finally:
        loop.remove_reader(sys.stdin.fileno())
