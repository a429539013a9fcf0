"""What was said last, so that a cause that lasts is told once and not at every attempt."""

from __future__ import annotations


class LastSaid:
    """Of one thing that can go wrong. For one event loop or thread."""

    def __init__(self) -> None:
        self._text: str | None = None

    def is_news(self, text: str) -> bool:
        """Whether `text` differs from the last one; it is the last one from now on."""
        changed = text != self._text
        self._text = text
        return changed

    def is_over(self) -> bool:
        """Whether anything had been said; from now on nothing has."""
        said = self._text is not None
        self._text = None
        return said
