"""The workflow that a project has without choosing one: given to a share of all projects, for good."""

from __future__ import annotations

import pytest

from services.gateway.domain.settings import workflow_of
from shared.core.ids import new_id

PROJECTS = [new_id() for _ in range(2000)]


def with_step_by_step(share: float) -> set[str]:
    return {p for p in PROJECTS if workflow_of({}, p, share) == "step_by_step"}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_share_is_what_was_asked(share: float) -> None:
    assert len(with_step_by_step(share)) / len(PROJECTS) == pytest.approx(share, abs=0.05)


def test_a_project_keeps_what_it_has_when_the_share_grows() -> None:
    assert with_step_by_step(0.1) < with_step_by_step(0.4) < with_step_by_step(0.9)
    assert with_step_by_step(0.4) == with_step_by_step(0.4)


def test_what_was_chosen_counts() -> None:
    assert {workflow_of({"workflow": "monolithic"}, p, 1.0) for p in PROJECTS} == {"monolithic"}
    assert {workflow_of({"workflow": "step_by_step"}, p, 0.0) for p in PROJECTS} == {"step_by_step"}
