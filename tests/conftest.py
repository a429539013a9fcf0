"""Fixtures for real components, shared by all kinds of tests. A test whose component is missing is skipped by name."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest
import pytest_asyncio
import structlog
from playwright.async_api import Browser
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from shared.migrate import SOURCE_ROOT
from tests.support import brokers, containers, gcs, order, pgbouncer, s3
from tests.support.chromium import chromium
from tests.support.clock import FakeClock
from tests.support.components import COMPONENTS, Missing
from tests.support.memory import quick_directory
from tests.support.node import install_packages, node_version
from tests.support.postgres import Postgres, postgres_server

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # set by a background shell; child processes would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

FreshDatabase = Callable[[str], Awaitable[str]]

_BUILT_BEFOREHAND: Final = {"apache_kafka": brokers.fetch_jars, "s3_server": s3.build, "gcs_server": gcs.build}
_builds: Final[dict[str, threading.Thread]] = {}


def pytest_configure() -> None:
    """Send the log to pytest in plain lines: the default renders whole objects next to tracebacks."""
    _refuse_equal_numbers()
    # A busy machine generates examples slowly, too, which says nothing about the code under test.
    hypothesis.settings.register_profile(
        "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("any machine")
    structlog.configure = functools.partial(_configure_without_cache, structlog.configure)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _configure_without_cache(configure: Callable[..., None], *args: Any, **options: Any) -> None:
    """In a process of its own a service configures its log once, and its loggers keep the processors. Here each one
    that a test builds configures it anew, and `capture_logs` would miss the loggers that were used before."""
    configure(*args, **options | {"cache_logger_on_first_use": False})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    order.by_weight(items)
    if hasattr(config, "workerinput"):
        order.by_process(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> order.ByFile:
    return order.ByFile(config, log)


def _refuse_equal_numbers() -> None:
    """Two branches may have added a migration with the same number: no database could be made for any test."""
    for folder in (SOURCE_ROOT / "services").glob("*/migrations"):
        files = sorted(p.name for p in folder.glob("*.sql"))
        if equal := [b for a, b in pairwise(files) if a[:4] == b[:4]]:
            raise pytest.UsageError(f"{folder.parent.name}: give {', '.join(equal)} the next free number")


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    for fixture, name in order.COMPONENT_FIXTURES.items():
        if any(fixture in order.components_of(item) for item in session.items):
            COMPONENTS.wanted.append(name)
            if (build := _BUILT_BEFOREHAND.get(fixture)) and not containers.engine_responds():
                _builds[fixture] = threading.Thread(target=_ignore_missing, args=(build,), daemon=True)
                _builds[fixture].start()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Wait for a component that is still being built before the test's own timeout begins."""
    for fixture in order.components_of(item):
        if thread := _builds.get(fixture):
            thread.join()
    return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["components"] = asdict(COMPONENTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    COMPONENTS.add(**getattr(node, "workeroutput", {}).get("components", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COMPONENTS.wanted:
        terminalreporter.section("components")
        for line in COMPONENTS.lines():
            terminalreporter.write_line(line)


def _ignore_missing(build: Callable[[], object]) -> None:
    with suppress(Missing):  # the fixture raises it again and reports it
        build()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """One server for the whole run; use `fresh_database` for a database on it."""
    otherwise = tmp_path_factory.mktemp("postgres")
    with COMPONENTS.bring("postgresql"), quick_directory(otherwise) as directory:
        async with postgres_server(directory) as server:
            COMPONENTS.has("postgresql", f"postgresql {server.version} ({server.kind})")
            yield server


@pytest_asyncio.fixture
async def fresh_database(postgres: Postgres) -> AsyncIterator[FreshDatabase]:
    """`await fresh_database("review")` is the URL of a new, migrated database; it is dropped after the test."""
    urls: list[str] = []

    async def fresh(service: str) -> str:
        urls.append(await postgres.fresh(service))
        return urls[-1]

    yield fresh
    for url in urls:
        await postgres.drop(url)


@pytest_asyncio.fixture
async def pooler(postgres: Postgres) -> AsyncIterator[pgbouncer.Pooler]:
    """PgBouncer in transaction mode in front of `postgres`."""
    with COMPONENTS.bring("pgbouncer"):
        async with pgbouncer.pooler(postgres.admin_url) as found:
            yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def apache_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[brokers.ApacheKafkaBroker]:
    with COMPONENTS.bring("apache-kafka"):
        async with brokers.apache_kafka(tmp_path_factory.mktemp("kafka")) as broker:
            yield broker


@pytest_asyncio.fixture
async def apache_kafka(apache_node: brokers.ApacheKafkaBroker) -> brokers.ApacheKafkaBroker:
    """A real single-node Apache Kafka: one for the whole run, emptied for each test."""
    await apache_node.wipe()
    return apache_node


@pytest.fixture(
    params=[
        pytest.param("embedded_broker", marks=pytest.mark.component("embedded_broker"), id="embedded"),
        pytest.param("apache_kafka", marks=pytest.mark.component("apache_kafka"), id="apache"),
    ]
)
def kafka(request: pytest.FixtureRequest) -> brokers.RunningBroker:
    """Each broker in turn, for behaviour that must hold on both."""
    broker: brokers.RunningBroker = request.getfixturevalue(request.param)
    return broker


@pytest_asyncio.fixture
async def embedded_broker(tmp_path: Path) -> AsyncIterator[brokers.EmbeddedBroker]:
    """A new in-memory broker."""
    with COMPONENTS.bring("kafka (embedded)"):
        async with brokers.embedded_broker(tmp_path / "broker") as broker:
            COMPONENTS.has("kafka (embedded)", f"kafka protocol (librdkafka's broker {broker.version}, embedded)")
            yield broker


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def s3_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[s3.S3Server]:
    with COMPONENTS.bring("s3"):
        async with s3.s3_server(tmp_path_factory.mktemp("s3")) as server:
            yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[gcs.GcsServer]:
    with COMPONENTS.bring("gcs"):
        async with gcs.gcs_server(tmp_path_factory.mktemp("gcs")) as server:
            yield server


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """The Chromium of this system."""
    with COMPONENTS.bring("chromium"):
        async with chromium() as found:
            COMPONENTS.has("chromium", f"chromium {found.version}")
            yield found


@pytest.fixture(scope="session")
def node() -> str:
    """A Node.js that the studio can be built with, and the studio's packages: its version."""
    with COMPONENTS.bring("node"):
        version = node_version()
        install_packages()
        COMPONENTS.has("node", f"Node.js {version}")
    return version


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
