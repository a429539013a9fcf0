"""TLS and logins on a real Apache Kafka: what works, and what is said of what does not."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from structlog.testing import capture_logs

from services.review.config import Settings as ReviewSettings
from services.review.wiring import wire
from shared.contracts.topics import TOPICS, Service, dead_letter_topic
from shared.core.clock import SystemClock
from shared.core.settings import KafkaSettings
from shared.messaging.broker import BrokerConfig, start_admin
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letter_queue import open_dead_letter_queue
from shared.messaging.group_lag import group_has_read
from shared.messaging.relay import Relay
from shared.messaging.security import KafkaSecurity, refusal
from shared.messaging.topics import create_missing, main
from shared.web.health import Health
from tests.support import events, kafka_logins
from tests.support.brokers import APACHE_PARTITIONS, ApacheBroker, ApacheKafkaBroker
from tests.support.clock import HurriedClock
from tests.support.messaging import router_of, side
from tests.support.waiting import eventually

Fresh = Callable[[str], Awaitable[str]]
PREFIX = "team-a."


@pytest.fixture
def tls(apache_node: ApacheKafkaBroker) -> Path:
    """The folder of the certificates of the secured listener."""
    if not isinstance(apache_node, ApacheBroker):
        pytest.skip("apache-kafka (container): no listener with TLS")
    return apache_node.tls


@pytest.fixture
def bootstrap(apache_node: ApacheKafkaBroker, tls: Path) -> str:
    assert isinstance(apache_node, ApacheBroker)
    kafka_logins.create_user(apache_node.bootstrap)
    return apache_node.secured


@pytest.fixture
def token_endpoint() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A token endpoint for the client `retake` with the secret `hush`, and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            login = base64.b64decode(self.headers["authorization"].removeprefix("Basic ")).decode()
            asked.append({"login": login} | {name: values[0] for name, values in form.items()})
            known = login == "retake:hush"
            body = {"access_token": kafka_logins.unsigned_token(), "expires_in": 300} if known else {"error": "nobody"}
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/token", asked
    server.shutdown()
    thread.join()
    server.server_close()


def login(tls: Path, mechanism: str = "SCRAM-SHA-512", **changes: Any) -> dict[str, Any]:
    return {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": mechanism,
        "kafka_sasl_username": kafka_logins.USER,
        "kafka_sasl_password": kafka_logins.PLAIN_PASSWORD if mechanism == "PLAIN" else kafka_logins.PASSWORD,
        "kafka_ssl_ca": tls / "ca.pem",
    } | changes


def oauth(tls: Path, url: str, secret: str = "hush") -> dict[str, Any]:
    return {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "OAUTHBEARER",
        "kafka_oauth_token_url": url,
        "kafka_oauth_client_id": "retake",
        "kafka_oauth_client_secret": secret,
        "kafka_oauth_scope": "kafka",
        "kafka_ssl_ca": tls / "ca.pem",
    }


async def _topics_of(config: BrokerConfig) -> set[str]:
    admin = await start_admin(config)
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_password_is_accepted(bootstrap: str, tls: Path, mechanism: str) -> None:
    config = BrokerConfig.of(bootstrap, Service.REVIEW, KafkaSettings(**login(tls, mechanism)))
    assert TOPICS.keys() <= await _topics_of(config)
    assert kafka_logins.PASSWORD not in repr(config), "the configuration may be logged"


async def test_a_token_of_client_credentials_is_accepted_and_asked_for_once(
    bootstrap: str, tls: Path, token_endpoint: tuple[str, list[dict[str, Any]]]
) -> None:
    url, asked = token_endpoint
    config = BrokerConfig.of(bootstrap, Service.REVIEW, KafkaSettings(**oauth(tls, url)))
    assert TOPICS.keys() <= await _topics_of(config)
    assert TOPICS.keys() <= await _topics_of(config)
    assert asked == [{"login": "retake:hush", "grant_type": "client_credentials", "scope": "kafka"}]
    refused = KafkaSecurity.of(KafkaSettings(**oauth(tls, url, secret="wrong")))
    assert "answered 401" in str(await refusal(bootstrap, refused))


async def test_everything_works_with_a_login_a_prefix_and_a_rack(
    bootstrap: str, tls: Path, fresh_database: Fresh
) -> None:
    """Producer, consumer, admin, offsets, dead letters: every client that we open."""
    settings = KafkaSettings(**login(tls), kafka_prefix=PREFIX, kafka_client_rack="zone-a")
    security = KafkaSecurity.of(settings)
    await create_missing(bootstrap, partitions=APACHE_PARTITIONS, replicas=1, security=security, prefix=PREFIX)
    ours = {service: BrokerConfig.of(bootstrap, service, settings) for service in Service}
    assert {PREFIX + name for name in (*TOPICS, *map(dead_letter_topic, Service))} <= await _topics_of(
        ours[Service.REVIEW]
    )
    message = events.message(events.preview_ready())
    async with AsyncExitStack() as stack:
        generator = await stack.enter_async_context(side(Service.GENERATOR, await fresh_database("generator")))
        review = await stack.enter_async_context(side(Service.REVIEW, await fresh_database("review")))
        relays = [Relay(ours[each.service], each.url, clock=SystemClock()) for each in (generator, review)]
        for relay in relays:
            await stack.enter_async_context(relay)
        consumer = Consumer(ours[Service.REVIEW], review.pool, router_of(Service.REVIEW), clock=HurriedClock())
        await stack.enter_async_context(consumer)
        await generator.publish([message])
        await generator.pool.execute(
            "insert into outbox (event_id, topic, key, headers, body) "
            "values (gen_random_uuid(), 'preview-ready', 'poison', '{}'::jsonb, 'no event')"
        )
        await eventually(lambda: _effects(review), what="the event's effect")
        assert await review.effects() == [message.envelope.id]
        await eventually(lambda: group_has_read(ours[Service.REVIEW], "preview-ready"), what="the group's offsets")
        assert await generator.pool.fetchval("select array_agg(distinct topic) from relay_offsets") == ["preview-ready"]

        async def letter() -> list[Any]:
            async with open_dead_letter_queue(ours[Service.REVIEW]) as queue:
                return await queue.letters()

        (found,) = await eventually(letter, what="the dead letter")
        assert (found.topic, found.key) == ("preview-ready", "poison")
        async with open_dead_letter_queue(ours[Service.REVIEW]) as queue:
            await queue.redrive([found])
            assert await queue.letters() == [] or [x.position for x in await queue.letters()] != [found.position]


async def _effects(of: Any) -> bool:
    return bool(await of.effects())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kafka_sasl_password": "wrong"}, ("login is refused", "KAFKA_SASL_")),
        ({"kafka_ssl_ca": "other-ca.pem"}, ("certificate is refused", "KAFKA_SSL_CA")),
    ],
    ids=["password", "authority"],
)
async def test_a_wrong_secret_is_told_in_the_log_and_in_readiness_while_the_service_waits(
    bootstrap: str,
    tls: Path,
    fresh_database: Fresh,
    tmp_path: Path,
    changes: dict[str, Any],
    said: tuple[str, str],
) -> None:
    changes = {name: tls / value if name == "kafka_ssl_ca" else value for name, value in changes.items()}
    settings = ReviewSettings(
        database_url=await fresh_database("review"),
        kafka_bootstrap=bootstrap,
        objects_url=tmp_path.as_uri(),
        **login(tls, **changes),
    )
    with capture_logs() as logs:
        async with wire(settings) as health:
            checks = await _told(health, said)
    assert checks["database"] == "ok"
    lines = [line["error"] for line in logs if line["event"] == "broker.unreachable"]
    assert any(all(word in line for word in said) for line in lines), logs


async def _told(health: Health, said: tuple[str, str]) -> dict[str, str]:
    """The checks, once both say it."""

    async def told() -> dict[str, str] | None:
        ready, checks = await health.report()
        assert not ready
        both = checks["relay"], checks["consumer"]
        return checks if all(word in check for word in said for check in both) else None

    return await eventually(told, what="the reason in both checks")


def test_the_topics_command_says_why_kafka_is_out_of_reach(
    bootstrap: str, tls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in login(tls, kafka_sasl_password="wrong").items():
        monkeypatch.setenv(name.upper(), str(value))
    assert main([bootstrap, "--wait", "0.5"]) == 1
    assert "the login is refused" in capsys.readouterr().err
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", "OAUTHBEARER")
    assert main([bootstrap, "--wait", "0.5"]) == 2
    assert "OAUTHBEARER needs KAFKA_OAUTH_CLIENT_ID" in capsys.readouterr().err
