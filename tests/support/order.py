"""In which order tests run, and which of them stay together when processes share them."""

from __future__ import annotations

from typing import Final

import pytest
from xdist.scheduler import LoadGroupScheduling

# A fixture and the component that it brings, in the order in which their tests run: the heaviest last, so that what
# has to be built or downloaded first gets ready beside the others.
BRINGS: Final = {
    "postgres": "postgresql",
    "embedded_broker": "kafka (embedded)",
    "apache_kafka": "apache-kafka",
    "s3_server": "s3",
    "browser": "chromium",
}
_KINDS: Final = ("unit", "contracts", "adapters", "integration", "e2e", "browser", "faults")
_QUICK: Final = _KINDS[:2]


def brought(item: pytest.Item) -> list[str]:
    """By its fixtures, or by the marker of a parameter whose fixture is asked for later."""
    names = {*getattr(item, "fixturenames", ()), *(mark.args[0] for mark in item.iter_markers("component"))}
    return [name for name in BRINGS if name in names]


def one_after_the_other(items: list[pytest.Item]) -> None:
    """Quick ones first; the whole system, and faults, last. Stable: a file's tests stay together within a weight."""
    order = list(BRINGS)
    items.sort(key=lambda item: (
        _KINDS.index(kind) if (kind := _kind(item)) in _KINDS else len(_KINDS),
        max((order.index(name) + 1 for name in brought(item)), default=0)))  # fmt: skip


def shared_out(items: list[pytest.Item]) -> None:
    """Whole files in the processes of `pytest -n`: long ones first, quick ones last, so that all end together. One
    process has all tests of the one Apache Kafka that it starts."""
    late = {item.path for item in items if "s3_server" in brought(item)}
    for item in items:
        if "apache_kafka" in brought(item):
            item.add_marker(pytest.mark.xdist_group("apache-kafka"))
    items.sort(key=lambda item: (
        _kind(item) in _QUICK, "apache_kafka" in brought(item), item.path in late))  # fmt: skip


class ByFile(LoadGroupScheduling):
    """A file's tests in their order in one process, except those of a group, which has one for itself."""

    def _split_scope(self, nodeid: str) -> str:
        group = super()._split_scope(nodeid)
        return nodeid.partition("::")[0] if group == nodeid else group


def _kind(item: pytest.Item) -> str:
    return item.nodeid.split("/")[1]
