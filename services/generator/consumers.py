"""Topics in: parse, call one use case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.generator.commands.cancel_import import cancel_import, cancel_imports_of
from services.generator.commands.cancel_run import cancel_run
from services.generator.commands.close_run import close_rejected, close_reviewed
from services.generator.commands.import_ports import Imports
from services.generator.commands.ports import Commits, Meter, Runs
from services.generator.commands.refuse_command import refuse_request
from services.generator.commands.start_import import start_import
from services.generator.commands.start_run import Offer, start_run
from services.generator.commands.versions import commit_version
from services.generator.domain.runs import Run
from services.generator.domain.states import TERMINAL
from services.generator.usecases.delete_assets import delete_assets
from shared.contracts.base import Event
from shared.contracts.events.gateway import CancelRequested, EpisodeChanged, ImportRequested, RegenerateRequested
from shared.contracts.events.review import Accepted, Rejected, ReviewUpdated
from shared.contracts.values import Ref
from shared.core.clock import Clock
from shared.core.errors import Permanent
from shared.core.ids import is_id
from shared.messaging.consumer import Handler, OnDeadLetter
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.events import Cause, Message
from shared.postgres.pool import Connection


@dataclass(frozen=True)
class Entry:
    """What the handlers work with: stores of one transaction, and what this installation can make."""

    runs: Callable[[Connection], Runs]
    commits: Callable[[Connection], Commits]
    imports: Callable[[Connection], Imports]
    offer: Offer
    meter: Meter
    clock: Clock

    def handlers(self) -> Mapping[type[Event], Handler]:
        """By event type, each guarded against ids that no database column would take."""
        wired: dict[type[Event], Handler] = {
            RegenerateRequested: self._on_regenerate_requested,
            Accepted: self._on_accepted,
            Rejected: self._on_rejected,
            ReviewUpdated: self._on_review_updated,
            CancelRequested: self._on_cancel_requested,
            EpisodeChanged: self._on_episode_changed,
            ImportRequested: self._on_import_requested,
        }
        return {event: _with_ids(handler) for event, handler in wired.items()}

    async def _on_regenerate_requested(self, connection: Connection, message: Message[Any]) -> None:
        runs = self.runs(connection)
        asset = await start_run(runs, message, self.offer, self.clock.now())
        if asset.parked:
            for early in await runs.unpark(message.event.run_id):
                await self.handlers()[type(early.event)](connection, early)

    async def _on_accepted(self, connection: Connection, message: Message[Any]) -> None:
        self._count(await commit_version(self.commits(connection), message, self.clock.now()))

    async def _on_rejected(self, connection: Connection, message: Message[Any]) -> None:
        self._count(await close_rejected(self.runs(connection), message, self.clock.now()))

    async def _on_review_updated(self, connection: Connection, message: Message[Any]) -> None:
        self._count(await close_reviewed(self.runs(connection), message, self.clock.now()))

    async def _on_cancel_requested(self, connection: Connection, message: Message[Any]) -> None:
        self._count(await cancel_run(self.runs(connection), message, self.clock.now()))
        await cancel_import(self.imports(connection), message, self.clock.now())

    async def _on_episode_changed(self, connection: Connection, message: Message[Any]) -> None:
        for run in await delete_assets(self.runs(connection), message, self.clock.now()):
            self._count(run)
        await cancel_imports_of(self.imports(connection), message, self.clock.now())

    async def _on_import_requested(self, connection: Connection, message: Message[Any]) -> None:
        for early in await start_import(self.imports(connection), message, self.clock.now()):
            await self.handlers()[type(early.event)](connection, early)

    def _count(self, run: Run | None) -> None:
        if run and run.state in TERMINAL:
            self.meter.run_ended(run)

    def on_dead_letter(self) -> OnDeadLetter:
        """A command that cannot be read has failed: whoever waits for it is told."""

        async def told(connection: Connection, letter: DeadLetter) -> None:
            h = letter.headers
            cause = Cause(
                h.get("ce_projectid", ""), h.get("ce_ownerid", ""), h.get("ce_correlationid", ""), h.get("ce_id")
            )
            await refuse_request(
                self.runs(connection),
                topic=letter.topic,
                key=letter.key,
                subject=letter.subject,
                told=letter.json(),
                cause=cause,
                now=self.clock.now(),
            )

        return told


def _with_ids(handler: Handler) -> Handler:
    async def checked(connection: Connection, message: Message[Any]) -> None:
        event = message.event
        named = [
            getattr(event, name)
            for name in ("run_id", "asset_id", "episode_id", "version_id", "import_id")
            if isinstance(event, Ref) or name in ("episode_id", "import_id")
            if getattr(event, name, None) is not None
        ]
        if bad := [each for each in named if not is_id(each)]:
            raise Permanent("bad_id", f"{message.topic} names {bad[0]!r}, which is no id")
        await handler(connection, message)

    return checked
