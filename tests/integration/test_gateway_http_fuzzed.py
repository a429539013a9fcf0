"""The API against its own document: what is generated from it finds no crash, no undocumented answer, no wrong shape.

Short, and always the same; `make fuzz` goes on for minutes and draws anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import FreshDatabase
from tests.support.fuzzing import fuzz, target


@pytest.mark.timeout(400)
async def test_what_the_document_allows_is_answered_as_it_says(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    async with target(await fresh_database("gateway"), tmp_path) as at:
        outcome = await fuzz(
            at,
            tmp_path,
            4,
            "--phases",
            "examples,fuzzing",
            "--max-examples",
            "1",
            "--no-shrink",
            "--request-timeout",
            "120",
        )
    assert not outcome.failures, outcome.failures[:20_000]
    assert "Tested: " in outcome.report
