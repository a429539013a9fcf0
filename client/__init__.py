"""Retake's typed Python client and the `retake` command. Uses nothing but the HTTP API."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.api import AsyncRetake
    from client.blocking import Retake
    from client.errors import ClientError, ProblemError, Unreachable

__all__ = ["AsyncRetake", "ClientError", "ProblemError", "Retake", "Unreachable"]

_WHERE = {
    "AsyncRetake": "client.api",
    "Retake": "client.blocking",
    "ProblemError": "client.errors",
    "ClientError": "client.errors",
    "Unreachable": "client.errors",
}


def __getattr__(name: str) -> Any:
    """Loaded when asked for: commands that need no gateway start without HTTP and its models."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
