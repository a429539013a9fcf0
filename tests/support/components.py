"""The real components that tests run on: which this run had, and why it did without the others.

A fixture that brings a component asks `COMPONENTS.bring(name)`; what cannot be brought skips its tests by name. The
run's summary has one line per component that its tests asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import pytest


class Missing(Exception):
    """This machine does not have the component; the message says what it lacks."""


@dataclass
class Components:
    """What was asked for and what became of it. `notes` are parts of a component that a substitute does not cover."""

    covered: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)

    def has(self, name: str, detail: str) -> None:
        """It runs; `detail` names it with its version."""
        self.covered[name] = detail

    def add(
        self,
        covered: dict[str, str] | None = None,
        missing: dict[str, str] | None = None,
        notes: dict[str, str] | None = None,
        wanted: Iterable[str] = (),
    ) -> None:
        """What another process of the same run had."""
        self.covered |= covered or {}
        self.missing |= missing or {}
        self.notes |= notes or {}
        self.wanted += [name for name in wanted if name not in self.wanted]

    @contextmanager
    def bring(self, name: str) -> Iterator[None]:
        """Turns Missing into a skip that names the component and its reason."""
        if name in self.missing:
            pytest.skip(f"{name}: {self.missing[name]}")
        try:
            yield
        except Missing as e:
            self.missing[name] = str(e)
            pytest.skip(f"{name}: {e}")

    def lines(self) -> list[str]:
        said = [f"covered: {self.covered[name]}" for name in self.wanted if name in self.covered]
        said += [f"not covered: {what}, because {why}" for what, why in self.notes.items()]
        for name in self.wanted:
            if name not in self.covered:
                said.append(f"not covered: {name}, because {self.missing.get(name, 'its tests did not get to it')}")
        return said


COMPONENTS: Final = Components()
