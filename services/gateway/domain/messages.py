"""A text for users, as it is stored and as it is said: whoever reads a row and whoever follows the stream get the same
words, and the code with which a client says them in another language."""

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
        return message(self.code, **self.args).strip()

    def columns(self) -> dict[str, Any]:
        """As the row of a run or batch stores it."""
        return {"message_code": self.code, "message_args": dict(self.args)}

    @classmethod
    def stored(cls, code: str | None, args: Mapping[str, Any] | None = None) -> Message | None:
        """Of the columns of a row. None: the row says nothing."""
        return cls(code, args or {}) if code else None


def said(news: Message | None) -> dict[str, Any]:
    """The fields `message`, `message_code` and `message_args` of whatever says something to users."""
    if news is None:
        return {"message": None, "message_code": None, "message_args": {}}
    return {"message": news.text, "message_code": news.code, "message_args": dict(news.args)}
