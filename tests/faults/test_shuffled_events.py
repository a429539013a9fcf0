"""A producer that duplicates, delays and shuffles across topics, between a real broker and the gateway's process.

Between any two events of the other services there is no order across topics; whatever comes first, the end is the same.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

from services.gateway.commands.batches import StartBatch, start_batch
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.domain.accounts import Caller
from services.gateway.domain.errors import Refusal
from shared.messaging.events import Message
from tests.conftest import FreshDatabase
from tests.support.brokers import ApacheKafkaBroker
from tests.support.gateway_harness import GatewayHarness, world
from tests.support.gateway_process import process
from tests.support.messaging import everything_on, produce
from tests.support.waiting import eventually

SEGMENTS: Final = 3
SEED: Final = 5
KEPT_BACK: Final = 0.4  # of what could be sent: it comes later, behind what was caused by what is sent
AGAIN: Final = 0.3


class Shuffler:
    """Sends what the other services say: not all at once, some of it again, and the topics in any order. What has one
    key and one topic keeps its order, as the producers' relays see to it."""

    def __init__(self, kafka: ApacheKafkaBroker, dice: random.Random) -> None:
        self._kafka, self._dice = kafka, dice
        self._queues: dict[tuple[str, str], list[Message[Any]]] = {}
        self.sent: list[Message[Any]] = []

    def take(self, messages: list[Message[Any]]) -> None:
        for message in messages:
            self._queues.setdefault((message.topic, message.event.key), []).append(message)

    async def send(self) -> None:
        places = [place for place, queue in self._queues.items() if queue]
        self._dice.shuffle(places)
        for place in places:
            if self._dice.random() < KEPT_BACK:
                continue
            message = self._queues[place].pop(0)
            self.sent.append(message)
            again = [self._dice.choice(self.sent)] if self._dice.random() < AGAIN else []
            for each in (message, *again):
                body = each.event.model_dump_json().encode()
                await produce(self._kafka, each.topic, (each.event.key, body, each.envelope.headers()))

    @property
    def is_empty(self) -> bool:
        return not any(self._queues.values())


async def test_the_gateway_ends_as_the_other_services_whatever_comes_first(
    apache_kafka: ApacheKafkaBroker, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    url, dice = await fresh_database("gateway"), random.Random(SEED)
    async with process(url, tmp_path, kafka=apache_kafka.bootstrap), world(url) as w:
        caller, shuffler = await w.project(), Shuffler(apache_kafka, dice)
        episode = await w.episode(caller, SEGMENTS)
        batch_id = await w.do(start_batch, caller, StartBatch(episode, mode="parallel", batch_size=SEGMENTS))

        async def over() -> bool:
            await w.post()
            shuffler.take(w.mail)
            w.mail = []
            await shuffler.send()
            for run_id in await w.waiting(episode):
                await _someone_decides(w, caller, dice, run_id)
            return shuffler.is_empty and (await w.batch(batch_id))["status"] in ("completed", "failed")

        await eventually(over, within=200, every=0.05, what="the end of the batch")
        await eventually(lambda: _agrees(w, episode), within=60, every=0.1, what="the end that the services know")
        assert (await w.batch(batch_id))["status"] == "completed"
    assert await everything_on(apache_kafka, "gateway.dlq") == []


async def _someone_decides(w: GatewayHarness, caller: Caller, dice: random.Random, run_id: str) -> None:
    rejected = sum(state == "rejected" for state in w.services.reviews.values())
    action = "reject" if rejected < SEGMENTS and dice.random() < 0.3 else "approve"
    changes = {"prompt_modifications": "slower"} if action == "reject" else {}
    try:
        await w.do(submit_decision, caller, SubmitDecision(run_id, action, suggested_changes=changes))
    except Refusal as e:
        if e.slug != "already-decided":
            raise


async def _agrees(w: GatewayHarness, episode: str) -> bool:
    runs = {r["run_id"]: r["status"] for r in await w.pool.fetch("select run_id, status from runs")}
    ends = {run_id: {"accepted": "complete"}.get(state, state) for run_id, state in w.services.reviews.items()}
    assets = await w.pool.fetch("select asset_id, active_run_id, commit_seq from assets where episode_id = $1", episode)
    return runs == ends and all(
        a["active_run_id"] is None and a["commit_seq"] == w.services.commits.get(a["asset_id"], 0) for a in assets
    )
