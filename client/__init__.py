"""Retake's typed Python client and the `retake` command. Uses nothing but the HTTP API."""

from client.api import AsyncRetake
from client.blocking import Retake
from client.errors import ProblemError, RetakeError, Unreachable

__all__ = ["AsyncRetake", "ProblemError", "Retake", "RetakeError", "Unreachable"]
