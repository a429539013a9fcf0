from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.partitioner import partition_of


@given(key=st.binary(max_size=200), partitions=st.integers(1, 100))
def test_a_key_has_the_partition_that_every_kafka_client_computes(key: bytes, partitions: int) -> None:
    everything = list(range(partitions))
    assert partition_of(key, everything, everything) == DefaultPartitioner()(key, everything, everything)
