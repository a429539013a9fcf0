"""The gateway's write side on a real database, with fakes of the other services.

The fakes behave like the real services (revisions rise, one decision counts, commits are numbered), in memory. What
they publish stays in `mail` until the test delivers it to the gateway, in any order and any number of times.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from services.gateway.commands.accounts import authorize, remember_user
from services.gateway.commands.batch_progress import advance_batch
from services.gateway.commands.episodes import CreateEpisode, create_episode
from services.gateway.commands.projects import CreateProject, create_project
from services.gateway.consumers import consumer_router
from services.gateway.domain.accounts import Caller, Role
from services.gateway.store.unit_of_work import Store, StoreFactory
from shared.contracts.base import Event
from shared.contracts.catalogue import load_catalogue
from shared.contracts.events.compiler import FilmState
from shared.contracts.events.gateway import (
    CancelRequested,
    CompileRequested,
    DecisionAction,
    DecisionSubmitted,
    EpisodeChanged,
    RegenerateRequested,
)
from shared.contracts.events.review import RefusalReason, ReviewChange, ReviewState
from shared.contracts.topics import Service
from shared.contracts.values import AssetKind, Ref, RunSource, Setting, SettingSource
from shared.core.ids import new_id
from shared.messaging.consumer import apply_new
from shared.messaging.events import Message, Publisher, read_message
from shared.messaging.routers import handlers_of
from shared.postgres.pool import Pool, open_pool, transaction
from tests.support import events
from tests.support.clock import FakeClock
from tests.support.streamed import log_is_documented

P = ParamSpec("P")
R = TypeVar("R")

DRIFT = {"description": "A harbour at dawn", "dialogue": [{"character": "Ana", "text": "We leave at dawn."}]}


@dataclass
class FakeServices:
    """The generator, the review service and the compiler, as the gateway sees them."""

    clock: FakeClock
    fails: Callable[[RegenerateRequested], bool] = lambda _: False
    requests: dict[str, RegenerateRequested] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)  # by version id
    offered: dict[str, list[str]] = field(default_factory=dict)  # run -> version ids
    ended: set[str] = field(default_factory=set)
    reviews: dict[str, str] = field(default_factory=dict)  # run -> state
    commits: dict[str, int] = field(default_factory=dict)  # asset -> seq
    numbers: dict[str, int] = field(default_factory=dict)  # asset -> version number
    timelines: dict[str, EpisodeChanged] = field(default_factory=dict)
    films: list[CompileRequested] = field(default_factory=list)

    def respond(self, event: Event) -> list[Event]:
        """The events that they publish in response to an event of the gateway."""
        match event:
            case RegenerateRequested():
                return self._generate(event)
            case DecisionSubmitted():
                return self._decide(event)
            case CancelRequested():
                return self._cancel(event)
            case EpisodeChanged():
                self.timelines[event.episode_id] = event
            case CompileRequested():
                self.films.append(event)
                film = {"episode_id": event.episode_id, "compilation_id": event.compilation_id}
                return [
                    events.film_updated(**film, rev=1, state=FilmState.PROCESSING, estimated_duration_s=7.5),
                    events.film_updated(
                        **film,
                        rev=2,
                        state=FilmState.COMPLETED,
                        progress=100,
                        object=events.object_ref(),
                        media=events.VIDEO,
                    ),
                ]
        return []

    def expire(self, run_id: str) -> list[Event]:
        assert self.reviews[run_id] == "open"
        self.reviews[run_id] = "expired"
        return [
            events.review_updated(
                **self.ref(run_id), review_rev=2, change=ReviewChange.EXPIRED, state=ReviewState.EXPIRED
            )
        ]

    def ref(self, run_id: str) -> dict[str, Any]:
        request = self.requests[run_id]
        return {name: getattr(request, name) for name in Ref.model_fields}

    def _generate(self, r: RegenerateRequested) -> list[Event]:
        assert r.run_id not in self.requests, "a run is requested once"
        self.requests[r.run_id] = r
        ref = self.ref(r.run_id)
        reported: list[Event] = [
            events.progress(**ref, run_rev=1, state="queued", step="queued", percent=0, message_code="run.queued"),
            events.progress(
                **ref,
                run_rev=2,
                state="generating",
                step="render",
                message_code="run.rendering",
                message_args={"kind": r.asset_kind.replace("_", " ")},
            ),
        ]
        if self.fails(r):
            self.ended.add(r.run_id)
            return [*reported, events.failed(**ref, run_rev=3, problem=events.problem(cause="The provider failed."))]
        created = [self._version(r) for _ in range(r.variants)]
        self.offered[r.run_id] = [v.version_id for v in created]
        reported.append(
            events.preview_ready(
                **ref,
                run_rev=3,
                source=r.source,
                label=r.label,
                candidates=created,
                auto_approve=r.auto_approve,
                review_timeout_s=r.review_timeout_s,
                actor=r.actor,
            )
        )
        if r.auto_approve:
            return [*reported, *self._accept(r.run_id, created[0].version_id, None)]
        self.reviews[r.run_id] = "open"
        deadline = None if r.review_timeout_s is None else self.clock.now() + timedelta(seconds=r.review_timeout_s)
        return [*reported, events.review_updated(**ref, deadline=deadline)]

    def _version(self, r: RegenerateRequested) -> Any:
        if r.source is RunSource.EXISTING:
            assert r.version_id is not None
            return self.versions[r.version_id]
        number = self.numbers[r.asset_id] = self.numbers.get(r.asset_id, 0) + 1
        override = {name: Setting(value=value, source=SettingSource.OVERRIDE) for name, value in r.overrides.items()}
        created = events.version(
            version_number=number,
            directions=r.overrides.get("directions") or "",
            starting_image_version_id=r.starting_image_version_id,
            settings=override,
        )
        self.versions[created.version_id] = created
        return created

    def _decide(self, d: DecisionSubmitted) -> list[Event]:
        ref = self.ref(d.run_id)
        state = self.reviews.get(d.run_id)
        if state != "open":
            reason = RefusalReason.EXPIRED if state == "expired" else RefusalReason.ALREADY_DECIDED
            return [
                events.review_updated(
                    **ref,
                    review_rev=2,
                    change=ReviewChange.REFUSED,
                    state=ReviewState(state),
                    decision_id=d.decision_id,
                    reason=reason,
                )
            ]
        if d.action is DecisionAction.APPROVE:
            return self._accept(d.run_id, d.version_id, d)
        self.reviews[d.run_id] = "rejected"
        self.ended.add(d.run_id)
        return [
            events.rejected(
                **ref,
                decision_id=d.decision_id,
                version_id=d.version_id,
                action=d.action,
                rating=d.rating,
                feedback=d.feedback,
                suggested_changes=d.suggested_changes,
                regenerate=d.regenerate,
                next_run_id=d.next_run_id,
                decided_at=self.clock.now(),
                actor=d.actor,
            )
        ]

    def _accept(self, run_id: str, version_id: str, d: DecisionSubmitted | None) -> list[Event]:
        ref, actor = self.ref(run_id), d.actor if d else events.Actor(kind="policy")
        self.reviews[run_id] = "accepted"
        self.ended.add(run_id)
        seq = self.commits[ref["asset_id"]] = self.commits.get(ref["asset_id"], 0) + 1
        return [
            events.accepted(
                **ref,
                decision_id=d.decision_id if d else None,
                version_id=version_id,
                rating=d.rating if d else None,
                feedback=d.feedback if d else None,
                decided_at=self.clock.now(),
                actor=actor,
            ),
            events.complete(
                **ref,
                run_rev=4,
                commit_seq=seq,
                version=self.versions[version_id],
                updated_at=self.clock.now(),
                actor=actor,
            ),
        ]

    def _cancel(self, c: CancelRequested) -> list[Event]:
        if c.target_id in self.ended or c.target_id not in self.requests or c.target_id in self.reviews:
            return []
        self.ended.add(c.target_id)
        return [events.failed(**self.ref(c.target_id), run_rev=9, outcome="cancelled")]


@dataclass
class GatewayHarness:
    pool: Pool
    clock: FakeClock
    stores: StoreFactory
    services: FakeServices
    mail: list[Message[Event]] = field(default_factory=list)
    _read: int = 0

    async def do(self, command: Callable[Concatenate[Store, P], Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """A command in a transaction of its own."""
        async with transaction(self.pool) as connection:
            return await command(self.stores(connection), *args, **kwargs)

    async def caller(self, project_id: str, user: str = "ana", role: Role = Role.OWNER) -> Caller:
        return await self.do(authorize, user, "project", project_id, Role.VIEWER)

    async def project(self, **settings: Any) -> Caller:
        await self.do(remember_user, "ana", "Ana")
        project_id = await self.do(create_project, "ana", CreateProject("A film", settings=settings))
        return await self.caller(project_id)

    async def episode(self, caller: Caller, segments: int | list[dict[str, Any]] = 1, **document: Any) -> str:
        rows = (
            segments
            if isinstance(segments, list)
            else [
                {"scene_info": DRIFT, "directions": {"video": f"Pan left {n}", "starting_image": f"A harbour {n}"}}
                for n in range(1, segments + 1)
            ]
        )
        return await self.do(create_episode, caller, CreateEpisode({"title": "One", "segments": rows} | document))

    async def assets(self, episode_id: str, kind: AssetKind) -> list[str]:
        """In film order."""
        rows = await self.pool.fetch(
            "select a.asset_id from assets a left join segments s using (segment_id) "
            "where a.episode_id = $1 and a.kind = $2 and a.deleted_at is null order by s.number",
            episode_id,
            kind,
        )
        return [r["asset_id"] for r in rows]

    async def segments(self, episode_id: str) -> list[str]:
        rows = await self.pool.fetch(
            "select segment_id from segments where episode_id = $1 and deleted_at is null order by number", episode_id
        )
        return [r["segment_id"] for r in rows]

    async def outbox(self) -> list[Event]:
        """The events that the gateway has published since the last call."""
        rows = await self.pool.fetch(
            "select id, topic, headers, body from outbox where id > $1 order by id", self._read
        )
        if rows:
            self._read = rows[-1]["id"]
        return [
            read_message(r["topic"], [(k, v.encode()) for k, v in r["headers"].items()], r["body"].encode()).event
            for r in rows
        ]

    async def post(self) -> list[Event]:
        """The other services receive what was published; their responses are added to `mail`."""
        published = await self.outbox()
        for event in published:
            self.mail += [events.message(response, at=self.clock.now()) for response in self.services.respond(event)]
        return published

    async def deliver(self, *messages: Message[Event]) -> None:
        """As the consumer does: one transaction, the inbox, the handlers."""
        async with transaction(self.pool) as connection:
            await apply_new(connection, messages, handlers_of(consumer_router(self.stores), Service.GATEWAY))

    async def run_jobs(self) -> None:
        """Runs the jobs of the batches that were woken."""
        for row in await self.pool.fetch("delete from jobs where kind = 'advance-batch' returning payload"):
            await self.do(advance_batch, row["payload"]["batch_id"])

    async def settle(self) -> None:
        """Delivers everything in order until nothing is left to do."""
        for _ in range(1000):
            await self.run_jobs()
            await self.post()
            if not self.mail:
                return
            mail, self.mail = self.mail, []
            for message in mail:
                self.clock.move(0.001)
                await self.deliver(message)
        raise AssertionError("the events never come to an end")

    async def run(self, run_id: str) -> dict[str, Any]:
        return await self.row("select * from runs where run_id = $1", run_id)

    async def asset(self, asset_id: str) -> dict[str, Any]:
        return await self.row("select * from assets where asset_id = $1", asset_id)

    async def batch(self, batch_id: str) -> dict[str, Any]:
        return await self.row("select * from batches where batch_id = $1", batch_id)

    async def waiting(self, episode_id: str) -> list[str]:
        """Runs whose preview waits for a person."""
        rows = await self.pool.fetch(
            "select run_id from runs where episode_id = $1 and status = 'preview_ready' "
            "and not auto_approve order by run_id",
            episode_id,
        )
        return [r["run_id"] for r in rows]

    async def row(self, statement: str, *args: Any) -> dict[str, Any]:
        found = await self.pool.fetchrow(statement, *args)
        assert found is not None
        return dict(found)

    async def log(self, project_id: str, *names: str) -> list[dict[str, Any]]:
        """The SSE log of a project: data with `seq` and `name`."""
        rows = await self.pool.fetch(
            "select seq, name, data from event_log where project_id = $1 order by seq", project_id
        )
        return [
            {"seq": r["seq"], "name": r["name"], **json.loads(r["data"])}
            for r in rows
            if not names or r["name"] in names
        ]


@asynccontextmanager
async def world(url: str) -> AsyncIterator[GatewayHarness]:
    clock = FakeClock()
    async with open_pool(url, size=10) as pool:
        stores = StoreFactory(Publisher(Service.GATEWAY, clock, new_id), load_catalogue(), "animatic")
        yield GatewayHarness(pool, clock, stores, FakeServices(clock))
        await log_is_documented(pool)
