"""Embedded broker: librdkafka's in-memory broker, which speaks the Kafka protocol over TCP, as a process.

`python -m deploy.local.parts.broker [TOPIC…]` prints one line `{"bootstrap": HOST:PORT}` and serves until it is ended;
without arguments it has the topics of the contracts. Its port and its cluster id are new at each start, and its records
are gone: the services replay their outboxes.

Limits: no admin requests, one member per consumer group, only the last 5 MB of a partition. Not for production. We
create it through the library's C functions instead of the setting `test.mock.num.brokers` for two things that only they
can do: topics exist before the first client connects, and the first member of a group is assigned its partitions at
once instead of after three seconds.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PARTITIONS: Final = 4  # the library's own default for a topic that a client creates
WAKE_S: Final = 0.01

_clients: list[object] = []  # the broker ends when its client is garbage-collected
_PRODUCER: Final = 0
_SIGNATURES: Final = {
    # From rdkafka.h and rdkafka_mock.h: name, result, arguments.
    "rd_kafka_conf_new": (ctypes.c_void_p, []),
    "rd_kafka_conf_set": (
        ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "rd_kafka_new": (ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
    "rd_kafka_mock_cluster_new": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, [ctypes.c_void_p]),
    "rd_kafka_mock_topic_create": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [ctypes.c_void_p, ctypes.c_int32]),
}  # fmt: skip


def start(topics: list[str]) -> str:
    """Start a one-node cluster in this process; returns its bootstrap address. It lives as long as the process."""
    try:
        library = _library()
    except (OSError, AttributeError) as e:  # another build of the package, which hides the library's functions
        print(f"falling back to test.mock.num.brokers, so consumer groups start slowly: {e}", file=sys.stderr)
        return start_by_setting(topics)
    return start_by_functions(library, topics)


def start_by_setting(topics: list[str]) -> str:
    """The fallback, which every build of the package supports."""
    from confluent_kafka import Producer

    client = Producer({"test.mock.num.brokers": 1, "log_level": 4})
    _clients.append(client)
    for topic in topics:
        client.list_topics(topic, timeout=10)  # a metadata request creates the topic
    (broker,) = client.list_topics(timeout=10).brokers.values()
    return f"{broker.host}:{broker.port}"


def start_by_functions(library: ctypes.CDLL, topics: list[str], partitions: int = PARTITIONS) -> str:
    error_text = ctypes.create_string_buffer(512)
    settings = library.rd_kafka_conf_new()
    # The cluster lives in a client that itself connects to nothing; at level 5 the library warns about that.
    library.rd_kafka_conf_set(settings, b"log_level", b"4", error_text, len(error_text))
    client = library.rd_kafka_new(_PRODUCER, settings, error_text, len(error_text))
    if not client:
        raise RuntimeError(f"librdkafka: {error_text.value.decode()}")
    cluster = library.rd_kafka_mock_cluster_new(client, 1)
    if not cluster:
        raise RuntimeError("librdkafka: the embedded broker could not be created")
    bootstrap: str = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    with _keeping_awake(bootstrap):
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
        for topic in topics:
            if error := library.rd_kafka_mock_topic_create(cluster, topic.encode(), partitions, 1):
                raise RuntimeError(f"librdkafka: topic {topic}: error {error}")
    return bootstrap


@contextmanager
def _keeping_awake(bootstrap: str) -> Iterator[None]:
    """Connect to the broker repeatedly meanwhile. Its thread sometimes misses that a call is waiting for it and sleeps
    for a whole second (seen at every second start on two cores); a connection wakes it."""
    host, _, port = bootstrap.rpartition(":")
    done = threading.Event()

    def connect() -> None:
        while not done.wait(WAKE_S):
            with suppress(OSError):
                socket.create_connection((host, int(port)), timeout=1).close()

    thread = threading.Thread(target=connect, name="keep-awake")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _library() -> ctypes.CDLL:
    """librdkafka as the package confluent-kafka contains it: loaded with the extension module that links it."""
    spec = importlib.util.find_spec("confluent_kafka")
    roots = list(spec.submodule_search_locations or []) if spec else []
    extensions = [p for r in roots for p in Path(r).glob("cimpl*.so")]
    if not extensions:
        raise RuntimeError("the package confluent-kafka is not installed")
    library = ctypes.CDLL(str(extensions[0]))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _contracts_topics() -> list[str]:
    from shared.contracts.topics import TOPICS, Service, dead_letter_topic

    return [*TOPICS, *(dead_letter_topic(s) for s in Service)]


def main() -> None:
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before the library starts its threads, which inherit this
    print(json.dumps({"bootstrap": start(sys.argv[1:] or _contracts_topics())}), flush=True)
    signal.sigwait(stop)


if __name__ == "__main__":
    main()
