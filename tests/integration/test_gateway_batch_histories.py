"""Batches under everything at once: events late, early and twice, runs that fail and expire, and people who pause,
skip, reject, delete, reorder and regenerate by hand. What a batch promises holds after every step; it rests or ends."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.gateway.commands.batches import StartBatch, cancel_batch, pause_batch, resume_batch, start_batch
from services.gateway.commands.films import CompileEpisode
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.runs import StartRun, reopen_run, start_run
from services.gateway.commands.segments import delete_segment, order_segments
from services.gateway.domain.accounts import Caller
from services.gateway.domain.batches import LIVE_STATUSES
from services.gateway.domain.errors import Refusal
from shared.contracts.events.gateway import EpisodeChanged
from shared.contracts.values import AssetKind
from tests.support import events
from tests.support.gateway_harness import GatewayHarness

WORKING = ("requested", "queued", "generating")
EXPECTED = {"already-decided", "busy", "invalid-state", "stale", "not-found", "gone"}


@dataclass
class Story:
    w: GatewayHarness
    dice: random.Random
    caller: Caller
    episode: str
    batch_id: str
    mode: str
    size: int
    delivered: list[Any] = field(default_factory=list)
    by_hand: set[str] = field(default_factory=set)

    # --- what happens

    async def step(self) -> None:
        await self.w.run_jobs()
        await self.respond()
        if self.w.mail and self.dice.random() < 0.75:
            await self.deliver()
        else:
            acts = [
                self.decide,
                self.decide,
                self.decide,
                self.expire,
                self.pause,
                self.resume,
                self.skip,
                self.regenerate,
                self.reopen,
                self.reorder,
            ]
            if self.dice.random() < 0.04:
                acts = [self.delete]
            try:
                await self.dice.choice(acts)()
            except Refusal as e:
                if e.slug not in EXPECTED:
                    raise

    async def respond(self) -> None:
        """The generator cancels what runs of deleted assets, as the real one does."""
        for event in await self.w.post():
            if isinstance(event, EpisodeChanged) and event.deleted_asset_ids:
                for run_id, request in list(self.w.services.requests.items()):
                    if request.asset_id in event.deleted_asset_ids and run_id not in self.w.services.ended:
                        self.w.services.ended.add(run_id)
                        self.w.services.reviews[run_id] = "withdrawn"
                        self.send(events.failed(**self.w.services.ref(run_id), run_rev=9, outcome="cancelled"))

    def send(self, *told: Any) -> None:
        self.w.mail += [events.message(event, at=self.w.clock.now()) for event in told]

    async def deliver(self) -> None:
        message = self.w.mail.pop(self.dice.randrange(len(self.w.mail)))
        self.delivered.append(message)
        self.w.clock.move(self.dice.random())
        again = [self.dice.choice(self.delivered)] if self.dice.random() < 0.2 else []
        await self.w.deliver(message, *again)

    async def decide(self) -> None:
        if not (waiting := await self.w.waiting(self.episode)):
            return
        run_id = self.dice.choice(waiting)
        if self.dice.random() < 0.35:
            changes = {"prompt_modifications": "slower"} if self.dice.random() < 0.5 else None
            decide = SubmitDecision(run_id, "reject", suggested_changes=changes)
        else:
            decide = SubmitDecision(run_id, "approve")
        await self.w.do(submit_decision, self.caller, decide)

    async def expire(self) -> None:
        waiting = [r for r in await self.w.waiting(self.episode) if self.w.services.reviews.get(r) == "open"]
        if waiting and self.dice.random() < 0.3:
            self.send(*self.w.services.expire(self.dice.choice(waiting)))

    async def pause(self) -> None:
        await self.w.do(pause_batch, self.caller, self.batch_id)

    async def resume(self) -> None:
        await self.w.do(resume_batch, self.caller, self.batch_id)

    async def skip(self) -> None:
        segments = await self.w.segments(self.episode)
        if segments and self.dice.random() < 0.3:
            await self.w.do(
                resume_batch, self.caller, self.batch_id, None, self.dice.choice([True, [self.dice.choice(segments)]])
            )

    async def regenerate(self) -> None:
        videos = await self.w.assets(self.episode, AssetKind.VIDEO)
        if videos and self.dice.random() < 0.3:
            admitted = await self.w.do(start_run, self.caller, StartRun(self.dice.choice(videos)))
            self.by_hand.add(admitted.run_id)

    async def reopen(self) -> None:
        rows = await self.w.pool.fetch(
            "select run_id from runs where episode_id = $1 and status in ('expired', 'rejected')", self.episode
        )
        if rows and self.dice.random() < 0.3:
            self.by_hand.add((await self.w.do(reopen_run, self.caller, self.dice.choice(rows)["run_id"])).run_id)

    async def reorder(self) -> None:
        order = await self.w.segments(self.episode)
        self.dice.shuffle(order)
        row = await self.w.row("select order_revision from episodes where episode_id = $1", self.episode)
        await self.w.do(order_segments, self.caller, self.episode, row["order_revision"], order)

    async def delete(self) -> None:
        live = (await self.w.batch(self.batch_id))["status"] in LIVE_STATUSES
        if live and len(segments := await self.w.segments(self.episode)) > 1:
            await self.w.do(delete_segment, self.caller, self.dice.choice(segments))

    # --- what must hold

    async def check(self) -> None:
        batch = await self.w.batch(self.batch_id)
        assert batch["approved"] <= batch["completed"] <= batch["total"]
        assert batch["completed"] + batch["failed"] <= batch["total"]
        working = await self.w.pool.fetch(
            "select r.run_id, r.kind from runs r join assets a using (asset_id) where r.batch_id = $1 "
            "and r.status = any($2) and not r.held and a.deleted_at is null and r.parent_reason is null",
            self.batch_id,
            WORKING,
        )
        started = [r for r in working if r["run_id"] not in self.by_hand]
        if self.mode == "sequential":
            assert sum(r["kind"] == "video" for r in started) <= 1, "one video at a time"
        else:
            assert len(started) <= self.size

    async def at_rest(self) -> bool:
        jobs = await self.w.pool.fetchval("select count(*) from jobs where kind = 'advance-batch'")
        unread = await self.w.pool.fetchval("select count(*) from outbox where id > $1", self.w._read)
        return not (jobs or unread or self.w.mail)

    async def settle(self) -> None:
        for _ in range(2000):
            await self.w.run_jobs()
            await self.respond()
            if self.w.mail:
                await self.deliver()
            elif await self.at_rest():
                return
        raise AssertionError("it never rests")

    async def check_rest(self) -> None:
        """Nothing is on its way: then the batch is over, or somebody knows what it waits for."""
        batch = await self.w.batch(self.batch_id)
        states = {
            r["state"]
            for r in await self.w.pool.fetch("select state from batch_items where batch_id = $1", self.batch_id)
        }
        match batch["status"]:
            case "waiting_review":
                assert states & {"waiting_review", "held"}
            case "completed":
                assert states <= {"done", "skipped", "deleted", "nothing"}
            case "failed":
                assert "left" in states or batch["error"]
                assert batch["error"]["recovery"]
            case "running":
                busy = await self.w.pool.fetchval(
                    "select count(*) from runs where episode_id = $1 and status = any($2)", self.episode, WORKING
                )
                assert busy, "a batch that runs has something that runs"
            case status:
                assert status in ("paused", "cancelled")

    async def end(self) -> None:
        """Somebody says yes to all that is shown and skips what was rejected."""
        for _ in range(60):
            await self.settle()
            await self.check_rest()
            batch = await self.w.batch(self.batch_id)
            if batch["status"] not in LIVE_STATUSES:
                break
            for run_id in await self.w.waiting(self.episode):
                await self.w.do(submit_decision, self.caller, SubmitDecision(run_id, "approve"))
            await self.settle()
            batch = await self.w.batch(self.batch_id)
            if batch["status"] == "paused" or (
                batch["status"] in LIVE_STATUSES and not await self.w.waiting(self.episode)
            ):
                await self.w.do(resume_batch, self.caller, self.batch_id, None, True)
        else:
            raise AssertionError(f"it never ends: {dict(await self.w.batch(self.batch_id))}")
        await self.counts_as_the_api_says()

    async def counts_as_the_api_says(self) -> None:
        batch = await self.w.batch(self.batch_id)
        rows = await self.w.pool.fetch(
            """select i.state, a.committed_version_id is not null as committed
               from batch_items i join assets a using (asset_id) join segments s on s.segment_id = i.segment_id
               where i.batch_id = $1 and i.kind = 'video' and s.deleted_at is null""",
            self.batch_id,
        )
        assert batch["total"] == len(rows)
        assert batch["approved"] == sum(r["state"] == "done" for r in rows)
        assert batch["failed"] == sum(r["state"] == "left" for r in rows)
        assert all(r["committed"] for r in rows if r["state"] == "done")
        deleted = await self.w.pool.fetch(
            "select i.state from batch_items i join assets a using (asset_id) "
            "where i.batch_id = $1 and a.deleted_at is not null",
            self.batch_id,
        )
        assert {r["state"] for r in deleted} <= {"deleted"}
        if batch["status"] == "completed" and batch["compile"]:
            assert batch["compilation_id"]


async def begin(w: GatewayHarness, seed: int) -> Story:
    dice = random.Random(seed)
    w.services.fails = lambda r: random.Random(f"{seed}{r.run_id[-1]}{r.asset_kind}").random() < 0.1
    caller = await w.project()
    episode = await w.episode(caller, 3, directions={"music": "Calm"} if dice.random() < 0.5 else {})
    mode, size = dice.choice(["sequential", "parallel"]), dice.choice([1, 2])
    approves = dice.random() < 0.25
    batch_id = await w.do(
        start_batch,
        caller,
        StartBatch(
            episode,
            mode=mode,
            batch_size=size,
            review=dice.choice(["video", "all"]),
            auto_approve=approves,
            compile=CompileEpisode(episode) if approves and dice.random() < 0.5 else None,
        ),
    )
    return Story(w, dice, caller, episode, batch_id, mode, size)


@pytest.mark.parametrize("seed", [9, 35])
async def test_whatever_happens_a_batch_keeps_its_promises(w: GatewayHarness, seed: int) -> None:
    story = await begin(w, seed)
    for _ in range(50):
        await story.step()
        await story.check()
    await story.end()


async def test_a_cancelled_batch_starts_nothing_more(w: GatewayHarness) -> None:
    for seed in range(5, 15):  # now and then everything has failed before it can be cancelled
        story = await begin(w, seed)
        for _ in range(15):
            await story.step()
        if (await w.batch(story.batch_id))["status"] in LIVE_STATUSES:
            break
    await story.w.do(cancel_batch, story.caller, story.batch_id)
    await story.settle()
    runs = await w.pool.fetchval("select count(*) from runs where batch_id = $1", story.batch_id)
    for run_id in await w.waiting(story.episode):
        await w.do(submit_decision, story.caller, SubmitDecision(run_id, "approve"))
    await story.settle()
    assert (await w.batch(story.batch_id))["status"] == "cancelled"
    assert await w.pool.fetchval("select count(*) from runs where batch_id = $1", story.batch_id) == runs
