"""Topics in: parse, call one use case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.compiler.commands.compilations import admit_compilation, cancel_compilation
from services.compiler.commands.timelines import apply_timeline, record_commit
from services.compiler.store.compilations import CompilationRepository
from shared.contracts.base import Event
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.contracts.events.gateway import CancelRequested, CompileRequested, EpisodeChanged
from shared.contracts.events.generator import Complete
from shared.contracts.values import Problem
from shared.core.clock import Clock
from shared.core.errors import Permanent
from shared.messaging.consumer import Handler, OnDeadLetter
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.events import Cause, Message
from shared.postgres.pool import Connection

OpenCompilations = Callable[[Connection], CompilationRepository]


def handlers(open_compilations: OpenCompilations, clock: Clock, pieces_at_once: int) -> Mapping[type[Event], Handler]:
    async def on_complete(connection: Connection, message: Message[Any]) -> None:
        await record_commit(open_compilations(connection), message)

    async def on_episode_changed(connection: Connection, message: Message[Any]) -> None:
        await apply_timeline(open_compilations(connection), message)

    async def on_compile_requested(connection: Connection, message: Message[Any]) -> None:
        await admit_compilation(open_compilations(connection), message, clock.now(), at_once=pieces_at_once)

    async def on_cancel_requested(connection: Connection, message: Message[Any]) -> None:
        await cancel_compilation(open_compilations(connection), message)

    return {
        Complete: on_complete,
        EpisodeChanged: on_episode_changed,
        CompileRequested: on_compile_requested,
        CancelRequested: on_cancel_requested,
    }


def fail_dead_letters(open_compilations: OpenCompilations) -> OnDeadLetter:
    """A request that cannot be read is a film that failed: whoever waits for it must be told."""

    async def on_dead_letter(connection: Connection, letter: DeadLetter) -> None:
        if letter.topic != CompileRequested.TOPIC:
            return
        told = letter.json()
        try:
            failed = FilmUpdated(
                episode_id=told.get("episode_id") or letter.key,
                compilation_id=told.get("compilation_id") or letter.subject,
                rev=1,
                state=FilmState.FAILED,
                message_code="compile.failed",
                problem=Problem(
                    code="request_unreadable",
                    cause=f"The request to compile could not be read: {letter.cause.get('cause', '')}",
                    recovery="Compile again. If it fails again, tell whoever runs Retake.",
                    retryable=False,
                ),
            )
        except ValueError as error:
            raise Permanent("nothing_to_fail", str(error)) from error
        h = letter.headers
        cause = Cause(h.get("ce_projectid", ""), h.get("ce_ownerid", ""), h.get("ce_correlationid", ""), h.get("ce_id"))
        await open_compilations(connection).publish(failed, cause)

    return on_dead_letter
