"""The order in which tests run, and which tests stay together when several processes share them."""

from __future__ import annotations

from typing import Final

import pytest
from xdist.scheduler import LoadGroupScheduling

# Fixture -> component, in the order in which their tests run: the heaviest last, so that whatever must first be built
# or downloaded is prepared while the other tests run.
COMPONENT_FIXTURES: Final = {
    "postgres": "postgresql",
    "embedded_broker": "kafka (embedded)",
    "apache_kafka": "apache-kafka",
    "s3_server": "s3",
    "gcs_server": "gcs",
    "node": "node",
    "browser": "chromium",
    "pooler": "pgbouncer",
}
_KINDS: Final = ("unit", "contracts", "adapters", "integration", "e2e", "browser", "faults")
_QUICK: Final = _KINDS[:2]
_WHOLE: Final = _KINDS[4:]


def components_of(item: pytest.Item) -> list[str]:
    """The component fixtures of a test: its own, and those that a parameter requests later (marker `component`)."""
    names = {*getattr(item, "fixturenames", ()), *(mark.args[0] for mark in item.iter_markers("component"))}
    return [name for name in COMPONENT_FIXTURES if name in names]


def by_weight(items: list[pytest.Item]) -> None:
    """Quick tests first; the whole system, and faults, last. The sort is stable: a file's tests of one weight stay
    together."""
    order = list(COMPONENT_FIXTURES)
    items.sort(key=lambda item: (
        _KINDS.index(kind) if (kind := _kind(item)) in _KINDS else len(_KINDS),
        max((order.index(name) + 1 for name in components_of(item)), default=0)))  # fmt: skip


def by_process(items: list[pytest.Item]) -> None:
    """For `pytest -n`: whole files per process, the long ones first and the quick ones last, so that all processes end
    at about the same time. One process runs all tests of the one Apache Kafka that it starts, and one those of the one
    running system: minutes, so the quick ones are left for the others. Those of S3 begin when Go has built its server.
    """
    late = {item.path for item in items if "s3_server" in components_of(item)}
    for item in items:
        if "apache_kafka" in components_of(item):
            item.add_marker(pytest.mark.xdist_group("apache-kafka"))
        elif _kind(item) == "e2e" and "system" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("system"))
    items.sort(key=lambda item: (_kind(item) in _QUICK, item.path in late, _stage(item)))


def _stage(item: pytest.Item) -> int:
    if "apache_kafka" in components_of(item):
        return 1
    return 2 if _kind(item) in _WHOLE else 0


class ByFile(LoadGroupScheduling):
    """A file's tests run in order in one process; a group's tests share a process of their own."""

    def _split_scope(self, nodeid: str) -> str:
        group = super()._split_scope(nodeid)
        return nodeid.partition("::")[0] if group == nodeid else group


def _kind(item: pytest.Item) -> str:
    return item.nodeid.split("/")[1]
