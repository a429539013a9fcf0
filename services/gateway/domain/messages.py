"""A text for users, as it is stored: whoever reads a row and whoever follows the stream get the same words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.messages import message


@dataclass(frozen=True)
class Message:
    """A code of the catalogue, or several joined by `+`, with the arguments of its texts."""

    code: str
    args: Mapping[str, Any]

    @property
    def text(self) -> str:
        return message(self.code, **self.args)

    def columns(self) -> dict[str, Any]:
        """As the row of a run or batch stores it."""
        return {"message_code": self.code, "message_args": dict(self.args)}
