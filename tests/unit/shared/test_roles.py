"""What a replica of each role does, without any server."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.review.config import Settings as ReviewSettings
from shared.core.settings import Role

GIVEN: dict[str, Any] = {"database_url": "postgresql://x", "kafka_bootstrap": "x:1", "objects_url": "file:///x"}


def test_a_role_has_events_work_or_both() -> None:
    assert {role.value: (role.has_events, role.has_work) for role in Role} == {
        "all": (True, True),
        "events": (True, False),
        "work": (False, True),
    }


def test_review_has_no_work_of_its_own() -> None:
    assert ReviewSettings(**GIVEN, role="events").role is Role.EVENTS
    with pytest.raises(ValidationError, match="review has no work beside its events"):
        ReviewSettings(**GIVEN, role="work")
