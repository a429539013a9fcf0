"""What a test captures of the log does not depend on the tests before it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from shared.observability.logging import configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def test_a_logger_that_was_used_before_a_service_was_built_is_captured() -> None:
    """A service configures the log for its process. Here many are built in one, one after the other: a logger that kept
    the first one's processors would not be seen by what replaces the last one's."""
    log = structlog.get_logger("tests.captured")
    configure_logging("gateway")
    log.info("before")
    configure_logging("review")
    with capture_logs() as lines:
        log.info("after")
    assert [line["event"] for line in lines] == ["after"]
