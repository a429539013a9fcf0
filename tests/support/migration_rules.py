"""What a migration must not do to tables that a released service uses while it runs.

During an upgrade the last release's services work on the new schema, and a migration runs beside them. So it may add,
and may not take away, rename or tighten; and nothing in it may hold a table for as long as the table is large.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CONTRACT: Final = re.compile(r"^-- contract: unused since (\d+\.\d+\.\d+)$", re.MULTILINE)
"""Marks a migration that removes what no service reads or writes since that release."""

_DOLLARS: Final = re.compile(r"(\$\w*\$).*?\1", re.DOTALL)
_COMMENT: Final = re.compile(r"--[^\n]*")
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")
_CREATES: Final = re.compile(r"create\s+(?:unlogged\s+)?table\s+(?:if not exists\s+)?(\w+)")
_ALTERS: Final = re.compile(r"alter\s+table\s+(?:if exists\s+)?(?:only\s+)?(\w+)\s+(.*)", re.DOTALL)
_INDEX: Final = re.compile(
    r"create\s+(?:unique\s+)?index\s+(concurrently\s+)?(?:if not exists\s+)?\w*\s*on\s+(?:only\s+)?(\w+)"
)
_TAKES_AWAY: Final = (
    (
        re.compile(r"\bdrop\s+(table|view|sequence|type|function|column|schema|index|trigger)\b"),
        "drops what the last release may use",
    ),
    (re.compile(r"\bdrop\s+(?!default\b|not\s+null\b|constraint\b)\w+"), "drops what the last release may use"),
    (re.compile(r"\brename\b"), "renames what the last release uses by its old name"),
    (re.compile(r"\btruncate\b"), "empties a table"),
)
_TIGHTENS: Final = (
    (
        re.compile(r"alter\s+(?:column\s+)?\w+\s+(?:set\s+data\s+)?type\b"),
        "changes a type: the table is rewritten under a lock",
    ),
    (re.compile(r"alter\s+(?:column\s+)?\w+\s+set\s+not\s+null"), "the last release may still write null there"),
)
_ADDED_COLUMN: Final = re.compile(r"add\s+column\s+(?:if not exists\s+)?(\w+)\s+(.*)", re.DOTALL)
_ADDED_CONSTRAINT: Final = re.compile(
    r"add\s+(constraint\s+\w+\s+)?(check|foreign\s+key|unique|primary\s+key|exclude)\b(.*)", re.DOTALL
)
_LOCKING: Final = re.compile(r"\b(lock\s+table|vacuum\s+full|cluster|reindex\s+(?!.*concurrently))\b")


def complaints(path: Path, releases: set[str]) -> list[str]:
    """What is wrong with the migration, each with the statement. `releases`: those that exist."""
    whole = path.read_text()
    up, _, _ = whole.partition("-- migrate:down")
    contracting = CONTRACT.search(up)
    if contracting and contracting[1] not in releases:
        return [f"{path.name}: {contracting[1]} is not a release that exists"]
    found = [*_of_statements(_statements(up), contracting=contracting is not None)]
    if "concurrently" in up and "transaction:false" not in up.partition("\n")[0]:
        found.append("an index is built concurrently only outside a transaction: `-- migrate:up transaction:false`")
    if "transaction:false" in up and len([*_statements(up)]) > 1:
        found.append("a migration without a transaction has one statement, so that it is applied whole or not at all")
    return [f"{path.name}: {complaint}" for complaint in found]


def _statements(up: str) -> Iterator[str]:
    """In lower case, without comments, texts and the bodies of functions."""
    plain = _TEXT.sub("''", _COMMENT.sub("", _DOLLARS.sub("''", up))).lower()
    return (statement.strip() for statement in plain.split(";") if statement.strip())


def _of_statements(statements: Iterator[str], *, contracting: bool) -> Iterator[str]:
    new: set[str] = set()
    for statement in statements:
        if created := _CREATES.match(statement):
            new.add(created[1])
            continue
        if (index := _INDEX.match(statement)) and not index[1] and index[2] not in new:
            yield f"blocks writes while it builds an index; use `concurrently`: {statement}"
        altered = _ALTERS.match(statement)
        if altered and altered[1] in new:
            continue
        if not contracting:
            yield from (f"{why}: {statement}" for what, why in _TAKES_AWAY if what.search(statement))
        yield from (f"{why}: {statement}" for what, why in _TIGHTENS if altered and what.search(altered[2]))
        if altered:
            for action in _actions(altered[2]):
                yield from _of_addition(action, statement)
        if _LOCKING.search(statement):
            yield f"locks a whole table: {statement}"


def _of_addition(action: str, statement: str) -> Iterator[str]:
    if column := _ADDED_COLUMN.match(action):
        definition = column[2]
        if "not null" in definition and "default" not in definition and "generated" not in definition:
            yield f"the last release inserts rows without the column {column[1]}; give it a default: {statement}"
        if re.search(r"\b(unique|primary\s+key)\b", definition):
            yield f"builds an index under a lock; build it concurrently: {statement}"
        if re.search(r"\bgenerated\s+always\s+as\s*\(|\b(random|clock_timestamp|gen_random_uuid)\s*\(", definition):
            yield f"rewrites the table under a lock: {statement}"
    elif (
        (constraint := _ADDED_CONSTRAINT.match(action))
        and "not valid" not in action
        and ("using index" not in constraint[3] or constraint[2] in ("check", "foreign key"))
    ):
        yield f"reads the whole table under a lock; add it `not valid` (or `using index`): {statement}"


def _actions(altered: str) -> list[str]:
    """The comma-separated actions of one `alter table`, with commas in parentheses left alone."""
    found, depth, begin = [], 0, 0
    for n, letter in enumerate(altered):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append(altered[begin:n].strip())
            begin = n + 1
    return [*found, altered[begin:].strip()]
