"""Ids are UUIDv7 strings: unique without coordination, and ordered by their creation time."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import uuid_utils

NewId = Callable[[], str]


def new_id() -> str:
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether the text is a canonical UUID. Anything else need not be looked up in the database."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
