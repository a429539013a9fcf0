"""Webhooks: only those that Replicate signed end a wait, and none changes any state."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from services.generator.api.webhooks import MAX_BODY, webhook_routes
from services.generator.domain.runs import Lane
from services.generator.providers.base import Provider
from services.generator.providers.replicate.completion import CompletionSignal
from services.generator.providers.replicate.webhooks import is_genuine, signing_keys, webhook_receiver
from shared.core.clock import SystemClock
from tests.support.replicate import server
from tests.support.replicate.predictions import signed

LOCAL = Provider(lambda kind: Lane.RENDER)
NEW, OLD, FOREIGN = b"new" * 8, b"old" * 8, b"foreign!" * 3
BODY = json.dumps({"id": "abc", "status": "succeeded"}).encode()


def headers(key: bytes = NEW, *, body: bytes = BODY, ago_s: float = 0) -> dict[str, str]:
    return signed(key, "msg_1", datetime.now(UTC) - timedelta(seconds=ago_s), body)


class Rung(list[str]):
    def __call__(self, prediction_id: str) -> bool:
        self.append(prediction_id)
        return True


def routes(keys: list[bytes], completed: Callable[[str], bool]) -> APIRouter:
    secrets = [f"whsec_{base64.b64encode(key).decode()}" for key in keys]
    receiver = webhook_receiver(secrets, completed, SystemClock())
    return webhook_routes({"replicate": Provider(lambda kind: Lane.CALL, webhook=receiver), "animatic": LOCAL})


@pytest.fixture
def rung() -> Rung:
    return Rung()


@pytest.fixture
async def client(rung: Rung) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(routes([NEW, OLD], rung))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://generator") as opened:
        yield opened


@pytest.mark.parametrize("key", [NEW, OLD])
async def test_either_secret_is_good_while_it_is_being_changed(
    client: httpx.AsyncClient, rung: Rung, key: bytes
) -> None:
    answer = await client.post("/webhooks/replicate?call=x", content=BODY, headers=headers(key))
    assert (answer.status_code, rung) == (204, ["abc"])


@pytest.mark.parametrize(
    "forged",
    [
        lambda: headers(FOREIGN),
        lambda: headers(body=b"another body"),
        lambda: headers(ago_s=302),
        lambda: headers(ago_s=-310),
        dict,
        lambda: headers() | {"webhook-id": "msg_2"},
        lambda: headers() | {"webhook-signature": "v1,"},
        lambda: headers() | {"webhook-signature": "v1,\u00e9"},
        lambda: headers() | {"webhook-signature": headers()["webhook-signature"].replace("v1,", "v2,")},
        lambda: headers() | {"webhook-timestamp": "now"},
        lambda: headers() | {"webhook-timestamp": "9" * 400},
    ],
)
async def test_a_forged_webhook_has_no_effect(
    client: httpx.AsyncClient, rung: Rung, forged: Callable[[], dict[str, str]]
) -> None:
    """Made when the test runs, so that each is refused for its own reason and not for its age."""
    raw = {k: v.encode("latin-1") for k, v in forged().items()}
    answer = await client.post("/webhooks/replicate", content=BODY, headers=raw)  # type: ignore[arg-type]
    assert (answer.status_code, rung) == (401, [])


async def test_one_of_several_signatures_is_enough(client: httpx.AsyncClient, rung: Rung) -> None:
    both = headers(FOREIGN)["webhook-signature"] + " " + headers()["webhook-signature"]
    answer = await client.post("/webhooks/replicate", content=BODY, headers=headers() | {"webhook-signature": both})
    assert answer.status_code == 204


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no json", 400),
        (b"[]", 400),
        (b'{"id": 7}', 400),
        (b"[" * 100_000, 400),
        (b"x" * (MAX_BODY + 1), 413),
    ],
)
async def test_signed_nonsense_is_refused(client: httpx.AsyncClient, rung: Rung, body: bytes, status: int) -> None:
    answer = await client.post("/webhooks/replicate", content=body, headers=headers(body=body))
    assert (answer.status_code, rung) == (status, [])


def test_without_secrets_nothing_is_genuine_and_a_bad_secret_is_told_at_start() -> None:
    assert signing_keys([f"whsec_{base64.b64encode(NEW).decode()}"]) == [NEW]
    assert not is_genuine(headers(b""), BODY, [], datetime.now(UTC))
    for bad in ("whsec_", "whsec_?"):
        with pytest.raises(ValueError, match="webhook secret"):
            signing_keys([bad])


async def test_a_webhook_ends_the_wait_at_once() -> None:
    bell = CompletionSignal()
    waiting = asyncio.create_task(bell.wait("abc", 30))
    await asyncio.sleep(0)
    assert bell.set("abc") and not bell.set("other")
    async with asyncio.timeout(60):
        await waiting


@pytest.mark.parametrize(("fault", "taken"), [(None, 1), ("duplicate", 2), ("lose", 0), ("forge", 0), ("old", 0)])
async def test_what_the_emulator_sends(tmp_path: Path, fault: str | None, taken: int) -> None:
    """The two sides were written apart: the emulator signs by Replicate's words, not by our code."""
    got: list[int] = []
    async with server.running(tmp_path, speed=1000) as emulator:
        app, rung = FastAPI(), Rung()
        key = await _published_key(emulator)
        app.include_router(routes([key], rung))
        transport = httpx.ASGITransport(app)
        if fault:
            emulator.faults.add("webhook", fault)
        prediction = emulator.account.create(
            "google/nano-banana",
            {"prompt": "x"},
            cancel_after=None,
            webhook="http://hook",
            events=["completed"],
            image=None,
        )
        body_sent: list[tuple[dict[str, str], bytes]] = []

        async def deliver(p: object, sent_headers: dict[str, str], body: bytes) -> None:
            body_sent.append((sent_headers, body))

        emulator.account._deliver = deliver  # type: ignore[method-assign,assignment]
        async with asyncio.timeout(60):
            await prediction.done.wait()
        await asyncio.sleep(0.05)
        async with httpx.AsyncClient(transport=transport, base_url="http://generator") as hook:
            for sent_headers, body in body_sent:
                got.append((await hook.post("/webhooks/replicate", content=body, headers=sent_headers)).status_code)
    assert rung == [prediction.id] * taken
    assert got.count(204) == taken


async def _published_key(emulator: server.Running) -> bytes:
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {emulator.token}"}) as asking:
        answer = await asking.get(f"{emulator.url}/v1/webhooks/default/secret")
    return signing_keys([answer.json()["key"]])[0]
