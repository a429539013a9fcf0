"""One running system, shared by all end-to-end tests that do not damage it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.system import System, start


@pytest.fixture(scope="package")  # it would take processor time from all tests that follow
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = start(tmp_path_factory.mktemp("system") / "data")
    yield running
    running.down()
