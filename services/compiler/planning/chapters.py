"""The chapters of a film: one for each scene, which may go on over several segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.compiler.planning.film_plan import FilmPlan
from shared.contracts.events.gateway import CompileItem


@dataclass(frozen=True)
class FilmChapter:
    """`frame`: the first one that shows the scene, where a transition into it begins."""

    frame: int
    title: str


def chapters(items: Sequence[CompileItem], plan: FilmPlan) -> tuple[FilmChapter, ...]:
    """`items` in film order, as the plan's shots. A segment whose scene is unknown is a chapter by its own name."""
    found: list[FilmChapter] = []
    before: str | None = None
    for item, shot, start in zip(items, plan.shots, plan.starts, strict=True):
        if item.scene is None or item.scene != before:
            found.append(FilmChapter(start, item.scene or shot.name))
        before = item.scene
    return tuple(found)
