"""A library that complains many times a second fills no log: a line at first, a count per interval, one at the end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from shared.observability.logging import configure_logging
from shared.observability.repeated_lines import RepeatedLines


class FakeTimer:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        entry = (self.now + delay_s, call)
        self._due.append(entry)
        return lambda: self._due.remove(entry) if entry in self._due else None

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        for entry in [e for e in self._due if e[0] <= self.now]:
            self._due.remove(entry)
            entry[1]()


class Shown(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def timer() -> FakeTimer:
    return FakeTimer()


@pytest.fixture
def shown(timer: FakeTimer) -> Iterator[Shown]:
    handler = Shown()
    handler.addFilter(RepeatedLines("chatty", interval_s=30, later=timer))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_an_outage_is_a_line_then_a_count_per_interval_then_a_line(shown: Shown, timer: FakeTimer) -> None:
    chatty, below = logging.getLogger("chatty"), logging.getLogger("chatty.client")
    with capture_logs() as ours:
        for _ in range(900):
            chatty.error("no node %s", 1)
            below.warning("no metadata from %s", 2)
            timer.pass_s(0.1)  # 90 s
        timer.pass_s(30)
        timer.pass_s(30)
    assert shown.lines == ["no node 1"], "the first line of an outage, as the library says it"
    counts = [line for line in ours if line["event"] == "log.repeated"]
    assert len(counts) <= 4 and sum(line["left_out"] for line in counts) == 1799
    assert sorted(counts[1]["lines"]) == ["300 × no metadata from 2", "300 × no node 1"]
    assert [line["event"] for line in ours][-1] == "log.quiet_again"
    assert [line["event"] for line in ours].count("log.quiet_again") == 1 and ours[-1]["left_out"] == 1799
    assert {line["library"] for line in ours} == {"chatty"}


def test_a_single_line_gets_no_company_and_the_next_outage_begins_anew(shown: Shown, timer: FakeTimer) -> None:
    with capture_logs() as ours:
        for number in range(3):
            logging.getLogger("chatty").error("once %s", number)
            timer.pass_s(31)
    assert shown.lines == ["once 0", "once 1", "once 2"] and ours == []


def test_other_loggers_and_what_is_no_complaint_pass(shown: Shown) -> None:
    for number in range(3):
        logging.getLogger("chattyother").error("mine %s", number)
        logging.getLogger("chatty").info("connected %s", number)
    assert shown.lines == [text for n in range(3) for text in (f"mine {n}", f"connected {n}")]


def test_a_defect_during_an_outage_is_shown_with_its_traceback(shown: Shown) -> None:
    chatty = logging.getLogger("chatty")
    for _ in range(3):
        chatty.error("no node")
        try:
            raise ValueError("a defect")
        except ValueError:
            chatty.exception("unexpected")
    assert shown.lines == ["no node", "unexpected"]


def test_kinds_without_end_are_counted_in_a_line_of_bounded_length(shown: Shown, timer: FakeTimer) -> None:
    with capture_logs() as ours:
        for number in range(1_000):
            logging.getLogger("chatty").error(f"number {number}")
        timer.pass_s(30)
    assert shown.lines == ["number 0"]
    assert [line["left_out"] for line in ours] == [999] and len(ours[0]["lines"]) == 5


def test_a_services_log_has_one_line_of_the_kafka_clients_many(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    try:
        configure_logging("gateway")
        for _ in range(50):
            logging.getLogger("aiokafka.cluster").error("Topic %s not found in cluster metadata", "complete")
            logging.getLogger("aiokafka").error("Unable to update metadata from %s", [0])
        structlog.get_logger("services.gateway").warning("still.here")
        configure_logging("gateway")  # a timer of the first would say its count later
        lines = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**config)
    assert lines == ["Topic complete not found in cluster metadata", "still.here"]
