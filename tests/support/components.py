"""The real components that tests run on: which ones this run had, and why others were missing.

A fixture that starts a component does so within `COMPONENTS.bring(name)`; tests of a missing component are skipped by
name. The summary of a run has one line for each component that its tests requested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import pytest


class Missing(Exception):
    """The component is not available on this machine; the message says what is missing."""


@dataclass
class Components:
    """The requested components and their outcome. `notes`: parts of a component that its substitute does not cover."""

    covered: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)

    def has(self, name: str, detail: str) -> None:
        """Record that a component runs; `detail` is its name and version."""
        self.covered[name] = detail

    def add(
        self,
        covered: dict[str, str] | None = None,
        missing: dict[str, str] | None = None,
        notes: dict[str, str] | None = None,
        wanted: Iterable[str] = (),
    ) -> None:
        """Add the components of another process of the same run."""
        self.covered |= covered or {}
        self.missing |= missing or {}
        self.notes |= notes or {}
        self.wanted += [name for name in wanted if name not in self.wanted]

    @contextmanager
    def bring(self, name: str) -> Iterator[None]:
        """Turn Missing into a skip that names the component and the reason."""
        if name in self.missing:
            pytest.skip(f"{name}: {self.missing[name]}")
        try:
            yield
        except Missing as e:
            self.missing[name] = str(e)
            pytest.skip(f"{name}: {e}")

    def lines(self) -> list[str]:
        """The summary of the run."""
        lines = [f"covered: {self.covered[name]}" for name in self.wanted if name in self.covered]
        lines += [f"not covered: {part}: {reason}" for part, reason in self.notes.items()]
        for name in self.wanted:
            if name not in self.covered:
                lines.append(f"not covered: {name}: {self.missing.get(name, 'no test reached it')}")
        return lines


COMPONENTS: Final = Components()
