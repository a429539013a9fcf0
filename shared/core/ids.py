"""Ids are UUIDv7 strings: unique without asking anyone, and sorted by the time they were made."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import uuid_utils

NewId = Callable[[], str]


def new_id() -> str:
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """True for any canonical UUID: what a route or a handler may look up without asking the database."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
