"""Streams: encoding, resuming, bounded queues, fan-out. Above all: no gap, nothing twice."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.api.schemas.events import SnapshotEvent
from services.gateway.domain.event_log import EventId, LogBounds, LoggedEvent, Place, ResetReason, resume_position
from services.gateway.stream import hub as hub_module
from services.gateway.stream.hub import HEARTBEAT, HEARTBEAT_S, LIFE_S, PAGE, Hub
from services.gateway.stream.quota import StreamLimit, StreamQuota
from services.gateway.stream.response import EventStreamResponse, Opening
from services.gateway.stream.subscriber import QUEUE_BYTES, Batch, Grant, Stream, frame
from shared.core.clock import SystemClock
from tests.support.clock import FakeClock
from tests.support.waiting import eventually

SOON_S = 30.0  # what happens at once does so within this, beside any load

EPOCH = "e1"


@dataclass
class Log:
    """The log in memory, with pauses where a database has them."""

    rows: list[LoggedEvent] = field(default_factory=list)
    epoch: str = EPOCH
    pruned_to: int = 0
    tag: str = "t"  # of the events to come: another one after a restore
    grants: dict[str, set[str]] = field(default_factory=dict)
    jitter: random.Random | None = None

    async def _pause(self) -> None:
        for _ in range(self.jitter.randint(0, 3) if self.jitter else 1):
            await asyncio.sleep(0)

    @property
    def last(self) -> int:
        return self.rows[-1].seq if self.rows else self.pruned_to

    def append(self, project: str = "p", name: str = "progress", to_user: bool = False, **data: Any) -> LoggedEvent:
        row = LoggedEvent(self.last + 1, project, name, json.dumps(data or {"n": self.last + 1}), to_user, self.tag)
        self.rows.append(row)
        return row

    @property
    def place(self) -> Place:
        return self.rows[-1].place if self.rows else self._pruned

    @property
    def _pruned(self) -> Place:
        return Place(self.pruned_to, "t" if self.pruned_to else "0")

    async def bounds(self, *seqs: int) -> LogBounds:
        await self._pause()
        tags = {r.seq: r.tag for r in self.rows if r.seq in seqs}
        return LogBounds(self.epoch, self._pruned, self.place, tags)

    async def since(self, seq: int, limit: int) -> list[LoggedEvent]:
        await self._pause()
        return [r for r in self.rows if r.seq >= seq][:limit]

    async def between(
        self,
        after: int,
        upto: int,
        project_ids: Sequence[str],
        to_user: bool,
        limit: int,
        episode_id: str | None = None,
    ) -> list[LoggedEvent] | None:
        await self._pause()
        if self.pruned_to > after:
            return None
        return [
            r
            for r in self.rows
            if after < r.seq <= upto
            and r.project_id in project_ids
            and (r.to_user or not to_user)
            and episode_id in (None, r.episode_id)
        ][:limit]

    async def members(self, project_id: str) -> set[str]:
        await self._pause()
        return self.grants.get(project_id, set())


class Counts:
    """Of a replica that is alone."""

    async def admit(self, user_id: str, held: int, most: int) -> bool:
        await asyncio.sleep(0)
        return held <= most

    async def tell(self, counts: Mapping[str, int]) -> None: ...

    async def alive(self, seconds: float) -> bool:
        return False

    async def gone(self) -> None: ...


def a_hub(log: Log, clock: Any = None, per_user: int = 20, most: int = 100) -> Hub:
    return Hub(log, clock=clock or SystemClock(), quota=StreamQuota(Counts(), per_user), streams_max=most)


@dataclass
class Client:
    """Reads one response as a browser does."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    blocked: asyncio.Event | None = None

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.blocked is not None:
            await self.blocked.wait()
        self.sent.append(message)

    @property
    def text(self) -> str:
        return b"".join(m.get("body", b"") for m in self.sent).decode()

    @property
    def events(self) -> list[tuple[str | None, str, dict[str, Any]]]:
        found = []
        for block in self.text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "event" in fields:
                found.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
        return found

    @property
    def ids(self) -> list[int]:
        return [int(i.rpartition(":")[2]) for i, name, _ in self.events if i and name != "snapshot"]


def opened(
    hub: Hub,
    log: Log,
    client: Client,
    *,
    last: str | None = None,
    user: str = "ana",
    user_wide: bool = False,
    projects: Iterable[str] = ("p",),
    until: datetime | None = None,
) -> asyncio.Task[None]:
    async def allowed() -> Grant:
        await asyncio.sleep(0)
        return Grant(list(projects), until)

    async def snapshot(_: Iterable[str]) -> tuple[Place, SnapshotEvent]:
        await log._pause()
        place = log.place
        await log._pause()
        return place, SnapshotEvent(runs=[], batches=[], compilations=[])

    response = EventStreamResponse(hub, log, Opening(user, user_wide, last, allowed, snapshot))
    return asyncio.ensure_future(response({"type": "http"}, client.receive, client.send))


async def until(condition: Any, turns: int = 500) -> None:
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it does not happen")


def test_an_event_is_written_as_the_standard_says() -> None:
    assert frame("progress", '{"a":"ä"}', "e1.t:7") == 'id: e1.t:7\nevent: progress\ndata: {"a":"ä"}\n\n'.encode()
    assert frame("reset", "{}") == b"event: reset\ndata: {}\n\n"


@pytest.mark.parametrize(
    ("given_id", "found"),
    [
        ("e1.t:5", 5),
        ("e1.t:10", 10),
        ("e1.t:3", 3),
        ("e1.t:2", ResetReason.TOO_OLD),
        ("e1.t:11", ResetReason.UNKNOWN_ID),
        ("e0.t:5", ResetReason.EPOCH_CHANGED),
        ("5", ResetReason.UNKNOWN_ID),
        ("e1:5", ResetReason.UNKNOWN_ID),
        ("e1.u:5", ResetReason.EPOCH_CHANGED),  # another event had this number
        ("e1.u:3", ResetReason.EPOCH_CHANGED),
        ("e1.t:7", ResetReason.EPOCH_CHANGED),  # no event has it
        ("e1.t:", ResetReason.UNKNOWN_ID),
        ("e1.t:-5", ResetReason.UNKNOWN_ID),
        ("e1.t:٥", ResetReason.UNKNOWN_ID),
        ("e1.t:" + "9" * 30, ResetReason.UNKNOWN_ID),
    ],
)
def test_where_to_resume(given_id: str, found: Any) -> None:
    bounds = LogBounds("e1", Place(3, "t"), Place(10, "t"), {5: "t", 10: "t"})
    assert resume_position(EventId.parse(given_id), bounds) == found


@given(st.text(max_size=40))
def test_any_text_can_be_sent_as_an_id(text: str) -> None:
    resume_position(EventId.parse(text), LogBounds("e1", Place(0, "0"), Place(10, "t")))


def batch(*frames: tuple[int, bytes]) -> Batch:
    return Batch.of(frames)


@dataclass
class Connection:
    """A transport that keeps what it is given until somebody reads."""

    written: list[bytes] = field(default_factory=list)
    unread: int = 0

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.unread += len(data)

    def get_write_buffer_size(self) -> int:
        return self.unread


async def test_a_queue_that_is_full_ends_the_stream_and_cuts_the_client() -> None:
    stream = Stream("ana", ["p"], False, 0, LIFE_S)
    cut: list[bool] = []
    stream.kill = lambda: cut.append(True)
    for seq in range(1, QUEUE_BYTES // 1024 + 1):
        stream.offer(batch((seq, b"x" * 1024)))
    assert not stream.ended
    stream.offer(batch((1000, b"x")))
    assert stream.ended
    assert stream.slow
    await asyncio.sleep(0)
    assert cut == [True]
    assert await stream.take() == b""


async def test_what_waits_is_joined_and_what_was_delivered_otherwise_is_skipped() -> None:
    stream = Stream("ana", ["p"], False, 0, LIFE_S)
    stream.offer(batch((1, b"1"), (2, b"2")))
    stream.offer(batch((3, b"3"), (4, b"4"), (5, b"5")))
    stream.offer(batch((0, b"h")))
    stream.skip_to(3)
    stream.offer(batch((2, b"old")))
    assert await stream.take() == b"45h"


async def test_a_live_stream_writes_the_same_chunk_to_every_connection_until_one_does_not_read() -> None:
    slow, quick = (Stream(name, ["p"], False, 0, LIFE_S) for name in ("slow", "quick"))
    stuck, read = Connection(), Connection()
    slow.skip_to(1)
    tasks = [asyncio.ensure_future(slow.go_live(stuck)), asyncio.ensure_future(quick.go_live(read))]
    await asyncio.sleep(0)
    first = batch((1, b"one"), (2, b"two"))
    for stream in (slow, quick):
        stream.offer(first)
    assert stuck.written == [b"3\r\ntwo\r\n"]
    assert read.written == [b"6\r\nonetwo\r\n"]
    large = batch((3, b"x" * 1024))
    for _ in range(QUEUE_BYTES // 1024 + 1):
        for stream in (slow, quick):
            stream.offer(large)
        read.unread = 0
    assert slow.ended and slow.slow and not quick.ended
    assert all(data is large.chunk for data in read.written[1:])
    assert sum(map(len, stuck.written)) < QUEUE_BYTES + 2 * len(large.chunk)  # no more than its share of memory
    quick.end()
    quick.offer(first)
    assert read.written[-1] is large.chunk
    await asyncio.gather(*tasks)


async def test_a_new_client_gets_a_snapshot_then_what_happens() -> None:
    log = Log()
    log.append()
    async with a_hub(log) as hub:
        client = Client()
        task = opened(hub, log, client)
        await until(lambda: "snapshot" in client.text)
        log.append(name="complete")
        hub.wake()
        await until(lambda: client.ids == [2])
        assert re.match(r"retry: [1-5]\d{3}\n\n", client.text), "drawn, so that clients do not come back together"
        assert [(i, n) for i, n, _ in client.events] == [("e1.t:1", "snapshot"), ("e1.t:2", "complete")]
        client.gone.set()
        await asyncio.wait_for(task, SOON_S)
        assert not hub._streams()
    assert client.sent[0]["status"] == 200
    headers = dict(client.sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"cache-control"] == b"no-store"
    assert b"content-length" not in headers


async def test_a_client_that_comes_back_gets_all_it_missed_and_nothing_else() -> None:
    log = Log()
    for _ in range(5):
        log.append()
    log.append(project="other")
    log.append()
    async with a_hub(log) as hub:
        client = Client()
        task = opened(hub, log, client, last="e1.t:3")
        await until(lambda: len(client.ids) == 3)
        assert client.ids == [4, 5, 7]
        assert "snapshot" not in client.text
        client.gone.set()
        await task


@pytest.mark.parametrize(
    ("last", "reason"), [("e0.t:2", "epoch_changed"), ("e1.t:1", "too_old"), ("e1.t:9", "unknown_id")]
)
async def test_history_that_is_not_there_is_a_reset_then_a_snapshot(last: str, reason: str) -> None:
    log = Log(pruned_to=2)
    log.append()
    async with a_hub(log) as hub:
        client = Client()
        task = opened(hub, log, client, last=last)
        await until(lambda: "snapshot" in client.text)
        assert [(i, n) for i, n, _ in client.events] == [(None, "reset"), ("e1.t:3", "snapshot")]
        assert client.events[0][2] == {"reason": reason}
        client.gone.set()
        await task


async def test_a_place_that_this_process_has_not_reached_is_waited_for() -> None:
    """The cursor came from another replica, or from a GET that was faster than our NOTIFY."""
    log = Log()
    log.append()
    async with a_hub(log) as hub:
        first = Client()
        task = opened(hub, log, first)
        await until(lambda: "snapshot" in first.text)
        log.append()
        log.append()  # the hub was not woken yet: it is at 1
        second = Client()
        other = opened(hub, log, second, last="e1.t:2")
        await until(lambda: "retry" in second.text)
        hub.wake()
        await until(lambda: first.ids == [2, 3])
        await until(lambda: second.ids == [3])
        for client, t in ((first, task), (second, other)):
            client.gone.set()
            await t


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_the_timing_no_event_is_missed_or_doubled(seed: int) -> None:
    """Clients come, drop off in the middle and resume, on two replicas, while events are written."""

    async def story() -> None:
        dice = random.Random(seed)
        log = Log(jitter=dice)
        async with a_hub(log) as one, a_hub(log) as two:
            seen: list[int] = []
            cursor: str | None = None
            place = 0
            writing = True

            async def write() -> None:
                for _ in range(40):
                    log.append(project=dice.choice(["p", "p", "q"]))
                    for hub in dice.sample([one, two], dice.randint(0, 2)):
                        hub.wake()
                    for _ in range(dice.randint(0, 4)):
                        await asyncio.sleep(0)

            writer = asyncio.ensure_future(write())
            while writing or log.last > place:
                writing = not writer.done()
                client = Client()
                task = opened(dice.choice([one, two]), log, client, last=cursor)
                for _ in range(dice.randint(5, 60)):
                    await asyncio.sleep(0)
                for hub in (one, two):
                    hub.wake()
                if not writing:
                    for _ in range(60):
                        await asyncio.sleep(0)
                client.gone.set()
                await task
                for event_id, name, _ in client.events:
                    assert event_id is not None
                    reached = int(event_id.rpartition(":")[2])
                    if name == "snapshot":
                        place = reached
                    else:
                        seen.append(reached)
                    cursor = event_id
                if not writing and cursor is not None:
                    break
        begun = place  # where the only snapshot was taken
        wanted = [r.seq for r in log.rows if r.project_id == "p" and r.seq > begun]
        assert seen == wanted

    asyncio.run(story())


async def test_every_stream_gets_the_same_bytes() -> None:
    log = Log()
    async with a_hub(log) as hub:
        clients = [Client() for _ in range(5)]
        tasks = [opened(hub, log, c, user=f"u{n}") for n, c in enumerate(clients)]
        await until(lambda: all("snapshot" in c.text for c in clients))
        log.append(text="ü")
        hub.wake()
        await until(lambda: all(c.ids == [1] for c in clients))
        bodies = {id(c.sent[-1]["body"]) for c in clients}
        assert len(bodies) == 1  # encoded once, not copied
        for c in clients:
            c.gone.set()
        await asyncio.gather(*tasks)


async def test_the_stream_of_a_user_carries_the_named_events_of_all_their_projects() -> None:
    log = Log()
    async with a_hub(log) as hub:
        client = Client()
        task = opened(hub, log, client, user_wide=True, projects=("p", "q"))
        await until(lambda: "snapshot" in client.text)
        log.append("p", "progress")
        log.append("p", "complete", to_user=True)
        log.append("q", "failed", to_user=True)
        log.append("foreign", "complete", to_user=True)
        hub.wake()
        await until(lambda: client.ids == [2, 3])
        client.gone.set()
        await task


async def test_who_is_let_in_sees_the_project_and_who_is_put_out_loses_it() -> None:
    log = Log(grants={"p": {"ana", "bob"}})
    async with a_hub(log) as hub:
        all_of_bob, bob_on_p, ana_on_p = Client(), Client(), Client()
        tasks = [
            opened(hub, log, all_of_bob, user="bob", user_wide=True, projects=()),
            opened(hub, log, bob_on_p, user="bob"),
            opened(hub, log, ana_on_p, user="ana"),
        ]
        await until(lambda: all("snapshot" in c.text for c in (all_of_bob, bob_on_p, ana_on_p)))
        log.append("p", "changed", to_user=True, resource="members", id="bob")
        log.append("p", "complete", to_user=True)
        hub.wake()
        await until(lambda: all_of_bob.ids == [1, 2])
        log.grants["p"] = {"ana"}
        log.append("p", "changed", to_user=True, resource="members", id="bob")
        log.append("p", "complete", to_user=True)
        hub.wake()
        await asyncio.wait_for(tasks[1], SOON_S)
        await until(lambda: ana_on_p.ids == [1, 2, 3, 4])
        assert bob_on_p.ids == [1, 2]
        assert all_of_bob.ids == [1, 2]
        for c in (all_of_bob, ana_on_p):
            c.gone.set()
        await asyncio.gather(*tasks)


async def test_heartbeats_come_every_15_seconds_and_the_stream_ends_after_15_minutes(clock: FakeClock) -> None:
    log = Log()
    async with a_hub(log, clock) as hub:
        client = Client()
        task = opened(hub, log, client)
        await until(lambda: "snapshot" in client.text)
        await clock.pass_time(4 * HEARTBEAT_S)
        await until(lambda: client.text.count(HEARTBEAT.body.decode()) == 4)
        assert not task.done()
        await clock.pass_time(LIFE_S)
        await asyncio.wait_for(task, SOON_S)
        assert client.sent[-1]["more_body"] is False


async def test_a_stream_ends_with_the_link_that_opened_it(clock: FakeClock) -> None:
    log = Log()
    async with a_hub(log, clock) as hub:
        guest, member = Client(), Client()
        over = clock.now() + timedelta(seconds=100)
        tasks = [opened(hub, log, guest, user="guest:1", until=over), opened(hub, log, member)]
        await until(lambda: "snapshot" in guest.text and "snapshot" in member.text)
        await clock.pass_time(98)
        assert not tasks[0].done()
        await clock.pass_time(3)
        log.append()
        hub.wake()
        await asyncio.wait_for(tasks[0], SOON_S)
        await until(lambda: member.ids == [1])
        assert (guest.ids, guest.sent[-1]["more_body"]) == ([], False)
        member.gone.set()
        await tasks[1]


async def test_a_link_that_ends_while_its_stream_is_opened_ends_it_at_once(clock: FakeClock) -> None:
    log = Log()
    async with a_hub(log, clock) as hub:
        guest = Client()
        task = opened(hub, log, guest, user="guest:1", until=clock.now() - timedelta(milliseconds=1))
        await until(lambda: "snapshot" in guest.text)
        await clock.pass_time(1)
        await asyncio.wait_for(task, SOON_S)


async def test_a_client_that_does_not_read_is_cut_and_the_others_do_not_notice() -> None:
    log = Log()
    async with a_hub(log) as hub:
        slow, quick = Client(), Client()
        tasks = [opened(hub, log, slow, user="slow"), opened(hub, log, quick, user="quick")]
        await until(lambda: "snapshot" in slow.text and "snapshot" in quick.text)
        slow.blocked = asyncio.Event()
        for _ in range(400):
            log.append(text="x" * 1000)
            hub.wake()
            await until(lambda: quick.sent[-1]["body"].startswith(b"id: e1.t:%d\n" % log.last))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(tasks[0], SOON_S)
        assert quick.ids == list(range(1, 401))
        assert len(hub._streams()) == 1
        quick.gone.set()
        await tasks[1]


async def test_a_burst_that_is_larger_than_a_queue_is_no_reason_to_drop_who_reads() -> None:
    log = Log()
    async with a_hub(log) as hub:
        client = Client()
        task = opened(hub, log, client)
        await until(lambda: "snapshot" in client.text)
        for _ in range(900):
            log.append(text="x" * 1000)
        hub.wake()
        await until(lambda: client.sent[-1]["body"].count(b"id: e1.t:900\n") == 1)
        assert client.ids == list(range(1, 901))
        client.gone.set()
        await task


async def test_drain_ends_every_stream_and_new_ones_are_sent_away() -> None:
    log = Log()
    async with a_hub(log) as hub:
        client = Client()
        task = opened(hub, log, client)
        await until(lambda: "snapshot" in client.text)
        hub.drain()
        await asyncio.wait_for(task, SOON_S)
        late = Client()
        await opened(hub, log, late)
        assert late.sent[0]["status"] == 200  # an EventSource gives up after anything else
        assert late.text == "retry: 10000\n\n"
        assert late.sent[-1]["more_body"] is False


async def test_a_drain_of_many_streams_is_spread_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "DRAIN_PER_S", 5)
    log = Log()
    async with a_hub(log) as hub:
        clients = [Client() for _ in range(3)]
        tasks = [opened(hub, log, client) for client in clients]
        await until(lambda: all("snapshot" in client.text for client in clients))
        hub.drain(over_s=60)
        done, pending = await asyncio.wait(tasks, timeout=SOON_S, return_when=asyncio.FIRST_COMPLETED)
        assert done, "the first ends at once"
        assert pending, "the others later"
        assert hub.overloaded, "whoever comes now is sent away"
        await asyncio.wait(pending, timeout=SOON_S)
        assert all(task.done() for task in tasks), "three streams at five in a second"


async def test_there_are_limits_per_user_and_for_all() -> None:
    log = Log()
    async with a_hub(log, per_user=2, most=3) as hub:

        async def grant() -> Grant:
            return Grant(["p"])

        streams = [(await hub.join("ana", grant, user_wide=False))[0] for _ in range(2)]
        with pytest.raises(StreamLimit):
            await hub.join("ana", grant, user_wide=True)
        assert not hub.overloaded
        streams.append((await hub.join("bob", grant, user_wide=False))[0])
        assert hub.overloaded
        for stream in streams:
            hub.leave(stream)
        assert not hub.overloaded
        assert not hub._of_project


async def test_another_epoch_ends_the_streams_so_that_clients_learn_of_it(clock: FakeClock) -> None:
    log = Log()
    async with a_hub(log, clock) as hub:
        client = Client()
        task = opened(hub, log, client)
        await until(lambda: "snapshot" in client.text)
        log.epoch = "e2"
        await clock.pass_time(HEARTBEAT_S + 1)
        await asyncio.wait_for(task, SOON_S)
        again = Client()
        task = opened(hub, log, again, last="e1.0:0")
        await until(lambda: "snapshot" in again.text)
        assert again.events[0][1:] == ("reset", {"reason": "epoch_changed"})
        again.gone.set()
        await task


@pytest.mark.parametrize("failure", [OSError("away"), RuntimeError("a bug")])
async def test_a_log_that_cannot_be_read_is_tried_again(failure: Exception) -> None:
    log = Log()
    async with a_hub(log) as hub:
        client = Client()
        task = opened(hub, log, client)
        await until(lambda: "snapshot" in client.text)
        whole, failures = log.since, [failure]

        async def since(seq: int, limit: int) -> list[LoggedEvent]:
            if failures:
                raise failures.pop()
            return await whole(seq, limit)

        log.since = since  # type: ignore[method-assign]
        log.append()
        hub.wake()
        async with asyncio.timeout(SOON_S):
            while client.ids != [1]:
                await asyncio.sleep(0.01)
        client.gone.set()
        await task


async def test_a_wait_sees_news_and_gives_up_in_time() -> None:
    log = Log()
    async with a_hub(log) as hub:

        async def look() -> int | None:
            return log.last if log.last >= 2 else None

        waiting = asyncio.ensure_future(hub.wait_for("p", look, SOON_S))
        for _ in range(2):
            await asyncio.sleep(0.01)
            log.append()
            hub.wake()
        assert await asyncio.wait_for(waiting, SOON_S) == 2

        async def never() -> int | None:
            return None

        assert await hub.wait_for("p", never, 0.05) is None
        poked = asyncio.ensure_future(hub.wait_for("decision-1", look, SOON_S))
        assert await asyncio.wait_for(poked, SOON_S) == 2
        assert not hub._watchers


class Asked(Counts):
    """Answers when it is told to: one stream, not two."""

    def __init__(self) -> None:
        self.answering = asyncio.Event()
        self.told: list[dict[str, int]] = []

    async def admit(self, user_id: str, held: int, most: int) -> bool:
        await self.answering.wait()
        return held == 1

    async def tell(self, counts: Mapping[str, int]) -> None:
        self.told.append(dict(counts))


async def test_other_replicas_are_not_told_of_streams_that_may_still_be_refused() -> None:
    """They would refuse streams of theirs for it."""
    counts = Asked()
    async with StreamQuota(counts, per_user=2) as quota:
        opening = [asyncio.create_task(quota.take("ana")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(StreamLimit):
            await quota.take("ana")  # a change, of which is to be told
        for _ in range(20):
            await asyncio.sleep(0)
        assert counts.told == []
        counts.answering.set()
        first, second = await asyncio.gather(*opening, return_exceptions=True)
        assert first is None and isinstance(second, StreamLimit)
        await eventually(lambda: counts.told == [{"ana": 1}])


async def test_a_number_that_another_event_has_now_ends_the_streams_before_anything_of_it_is_sent() -> None:
    log = Log()
    for _ in range(3):
        log.append()
    async with a_hub(log) as hub:
        client = Client()
        task = opened(hub, log, client, last="e1.t:3")
        await until(lambda: "retry" in client.text)
        del log.rows[1:]  # restored: 2 and 3 are lost, and given again
        log.tag = "u"
        for _ in range(4):
            log.append()
        hub.wake()
        await asyncio.wait_for(task, SOON_S)
        assert client.ids == []
        again = Client()
        task = opened(hub, log, again, last="e1.t:3")
        await until(lambda: "snapshot" in again.text)
        assert again.events[0][1:] == ("reset", {"reason": "epoch_changed"})
        log.append()
        hub.wake()
        await until(lambda: again.ids == [6])
        again.gone.set()
        await task


async def test_what_is_pruned_between_two_pages_of_a_replay_is_a_reset_and_not_a_gap() -> None:
    log = Log()
    for _ in range(2 * PAGE + 10):
        log.append()
    async with a_hub(log) as hub:
        whole = log.between
        pages: list[int] = []

        async def between(after: int, *args: Any) -> list[LoggedEvent] | None:
            pages.append(after)
            if len(pages) == 2:
                log.pruned_to = after + 5
                del log.rows[: after + 5]
            return await whole(after, *args)

        log.between = between  # type: ignore[method-assign]
        client = Client()
        task = opened(hub, log, client, last="e1.0:0")
        await until(lambda: "snapshot" in client.text)
        assert client.ids == list(range(1, PAGE + 1))
        assert [(n, d) for _, n, d in client.events[PAGE : PAGE + 1]] == [("reset", {"reason": "too_old"})]
        log.append()
        hub.wake()
        await until(lambda: client.ids[-1] == 2 * PAGE + 11)
        client.gone.set()
        await task
