"""The cluster id of an Apache Kafka node."""

from __future__ import annotations

from uuid import UUID

from deploy.local.parts.kafka.node import new_cluster_id


def test_no_cluster_id_looks_like_an_option_of_kafkas_tools() -> None:
    drawn = iter((UUID(bytes=bytes([0xF8]) + bytes(15)), UUID(bytes=bytes([0xFB]) * 16), UUID(int=1)))
    assert new_cluster_id(lambda: next(drawn)) == "AAAAAAAAAAAAAAAAAAAAAQ"
