"""A short storm. For minutes, with more replicas and other seeds: `make storm ARGS="--minutes 10 --seed 7"`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.brokers import ApacheBroker, ApacheKafkaBroker
from tests.support.storm.run import Storm, run


@pytest.mark.timeout(200)
async def test_a_short_storm_violates_nothing(apache_kafka: ApacheKafkaBroker, tmp_path: Path) -> None:
    if not isinstance(apache_kafka, ApacheBroker):
        pytest.skip("apache-kafka: a storm pauses the broker's process, which a container hides")
    told: list[str] = []
    outcome = await run(
        Storm(seconds=8, seed=6, clients=8, settle_s=90, prepared=False), tmp_path, apache_kafka, told.append
    )
    assert not outcome.violations, "\n".join([*told, outcome.table])
    assert any(run["status"] == "complete" for run in outcome.history.rows("gateway", "runs")), outcome.table
