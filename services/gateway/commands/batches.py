"""Start, pause, resume and cancel batches; an episode has one live batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.gateway.commands.accounts import check_quotas, check_storage
from services.gateway.commands.batch_progress import advance_batch, save_progress, save_start
from services.gateway.commands.films import CompileEpisode, check_episode, compile_to_json
from services.gateway.commands.run_admission import base_of_new_asset, check_spending
from services.gateway.commands.runs import stop_run
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import RunBase
from services.gateway.domain.batch_planner import ItemState, plan_batch
from services.gateway.domain.batches import LIVE_STATUSES, PARALLEL_SIZE, Batch, BatchPolicy, BatchStatus, NewBatch
from services.gateway.domain.errors import busy, invalid, invalid_state
from services.gateway.domain.omitted import OMITTED, Omitted
from services.gateway.domain.run_settings import is_free
from services.gateway.domain.runs import CANCELLABLE
from services.gateway.domain.settings import (
    MONOLITHIC,
    deadline_problem,
    review_timeout_s,
    snapshot,
    timeout_s,
    workflow_of,
)
from services.gateway.store.unit_of_work import Store
from shared.contracts.settings_resolver import ResolverRequest

MAX_BATCH_SIZE: Final = 50
_PAUSABLE: Final = (BatchStatus.RUNNING, BatchStatus.WAITING_REVIEW)


@dataclass(frozen=True)
class StartBatch:
    """`start_from`: how many segments to skip. `auto_approve` None: as the project's workflow says. `segment_ids` None:
    every segment. `deadline_minutes` OMITTED: as the project says; None: previews have no deadline. `compile`: the film
    to request once everything is committed."""

    episode_id: str
    mode: Literal["sequential", "parallel"] = "sequential"
    batch_size: int | None = None
    start_from: int = 0
    auto_approve: bool | None = None
    review: Literal["video", "all"] = "video"
    segment_ids: Sequence[str] | None = None
    deadline_minutes: float | Omitted | None = OMITTED
    compile: CompileEpisode | None = None


async def start_batch(store: Store, caller: Caller, command: StartBatch) -> str:
    """Returns the batch's id; its first runs are admitted.

    Raises Refusal not-found, busy, invalid, not-compilable, rate-limited, spend-cap-reached.
    """
    batch = await prepare_batch(store, caller, command)
    await advance_batch(store, batch.batch_id)
    return batch.batch_id


async def prepare_batch(store: Store, caller: Caller, command: StartBatch) -> Batch:
    """The batch with its items, before its first run is admitted. Raises Refusal as `start_batch` does."""
    episode = caller.owned(await store.episodes.lock(command.episode_id), "episode")
    if live := await store.batches.live_batch(episode.episode_id):
        raise busy("The episode", live)
    base = await base_of_new_asset(store, episode)
    timeout = _review_timeout_s(command, base.project.settings)
    if command.compile:
        await check_episode(store, caller, command.compile)
    batch_id = store.new_id()
    policy = _policy(command, workflow_of(base.project.settings, caller.project_id, store.step_by_step_share))
    items = await _items(store, command)
    await _check_money(store, caller, base, items)
    await store.batches.insert(
        NewBatch(
            batch_id=batch_id,
            project_id=caller.project_id,
            episode_id=episode.episode_id,
            policy=policy,
            start_from=command.start_from,
            segment_ids=None if command.segment_ids is None else tuple(command.segment_ids),
            review_timeout_s=timeout,
            compile=compile_to_json(command.compile) if command.compile else None,
            actor=caller.actor,
            correlation_id=store.new_id(),
            at=store.now(),
        ),
        items,
    )
    batch = await store.batches.lock(batch_id)
    assert batch is not None
    await save_start(store, batch, len({segment_id for _, segment_id, _ in items if segment_id}))
    return batch


async def _check_money(
    store: Store, caller: Caller, base: RunBase, items: Sequence[tuple[str, str | None, str]]
) -> None:
    """A batch that could generate something at no cost starts; what costs too much is then refused item by item.

    Raises Refusal rate-limited, spend-cap-reached, storage-full.
    """
    project = snapshot(base.project.settings, base.output, {})
    missing = await store.batches.missing_models([asset_id for asset_id, _, _ in items])
    requests = [ResolverRequest(kind, {"model": model}, project) for kind, model in missing]
    free = not requests or any(is_free(request, store.catalogue, store.default_provider) for request in requests)
    await check_quotas(store, caller.actor, 1, free=free)
    await check_storage(store, caller.project_id)
    if not free:
        await check_spending(store, base)


def _review_timeout_s(command: StartBatch, settings: dict[str, Any]) -> int | None:
    if isinstance(command.deadline_minutes, Omitted):
        return review_timeout_s(settings)
    if problem := deadline_problem(command.deadline_minutes):
        raise invalid(("/deadline_minutes", problem))
    return timeout_s(command.deadline_minutes)


def _policy(command: StartBatch, workflow: str) -> BatchPolicy:
    default = PARALLEL_SIZE if command.mode == "parallel" else 1
    size = default if command.batch_size is None else command.batch_size
    if not 1 <= size <= MAX_BATCH_SIZE:
        raise invalid(("/batch_size", f"must be from 1 to {MAX_BATCH_SIZE}"))
    auto_approve = workflow == MONOLITHIC if command.auto_approve is None else command.auto_approve
    return BatchPolicy(command.mode, size, auto_approve, command.review)


async def _items(store: Store, command: StartBatch) -> list[tuple[str, str | None, str]]:
    """(asset_id, segment_id, kind) of everything that the batch covers."""
    rows = await store.batches.assets_of_episode(command.episode_id)
    order = list(dict.fromkeys(segment_id for _, segment_id, _, _ in rows if segment_id))
    named = order if command.segment_ids is None else list(command.segment_ids)
    foreign = [(f"/segment_ids/{i}", "is not a segment of this episode") for i, s in enumerate(named) if s not in order]
    if foreign or (command.segment_ids is not None and not named):
        raise invalid(*(foreign or [("/segment_ids", "must not be empty; omit it to include every segment")]))
    if not 0 <= command.start_from <= len(order):
        raise invalid(("/start_from", f"must be from 0 to {len(order)}"))
    chosen = set(named) & set(order[command.start_from :])
    return [
        (asset_id, segment_id, kind)
        for asset_id, segment_id, _, kind in rows
        if segment_id is None or segment_id in chosen
    ]


async def pause_batch(store: Store, caller: Caller, batch_id: str) -> None:
    """The batch starts no more runs until it is resumed; active runs continue. Raises Refusal not-found,
    invalid-state."""
    batch = caller.owned(await store.batches.lock(batch_id), "batch")
    if batch.status not in _PAUSABLE:
        raise invalid_state("batch", batch.status, _PAUSABLE)
    await save_progress(store, batch, BatchStatus.PAUSED, batch.counts)


async def resume_batch(
    store: Store, caller: Caller, batch_id: str, start_from: int | None = None, skip: Sequence[str] | bool | None = None
) -> None:
    """Continues a paused batch, or one that waits for rejected segments, without the skipped ones.

    `start_from`: segments of the episode before this index are skipped. `skip`: segment ids, or True for the segments
    that the batch waits for now. Raises Refusal not-found, invalid-state, invalid.
    """
    batch = caller.owned(await store.batches.lock(batch_id), "batch")
    if batch.status not in LIVE_STATUSES:
        raise invalid_state("batch", batch.status, sorted(LIVE_STATUSES))
    skipped = await _skipped(store, batch, start_from, skip)
    if skipped:
        await store.batches.skip(batch_id, skipped, store.now())
    if batch.status is BatchStatus.PAUSED:
        await save_progress(store, batch, BatchStatus.RUNNING, batch.counts)
    await advance_batch(store, batch_id)


async def _skipped(
    store: Store, batch: Batch, start_from: int | None, skip: Sequence[str] | bool | None
) -> list[str | None]:
    """Segment ids; None stands for the episode's music."""
    order = await store.episodes.segment_ids(batch.episode_id)
    if start_from is not None and not 0 <= start_from <= len(order):
        raise invalid(("/start_from", f"must be from 0 to {len(order)}"))
    skipped: list[str | None] = [*order[: start_from or 0]]
    if skip is True:
        skipped += await _waited_for(store, batch)
    elif skip:
        if foreign := [i for i, segment_id in enumerate(skip) if segment_id not in order]:
            raise invalid(*((f"/skip/{i}", "is not a segment of this episode") for i in foreign))
        skipped += skip
    return skipped


async def _waited_for(store: Store, batch: Batch) -> list[str | None]:
    """Segments (None: the music) with an item that waits for a person or was rejected."""
    segments, music = await store.batches.slots(batch)
    items = plan_batch(batch.policy, segments, music).items
    waiting = (ItemState.HELD, ItemState.WAITING_REVIEW)
    slots = [(s.segment_id, slot) for s in segments for slot in (s.starting_image, s.video, s.narration)]
    return [
        segment_id for segment_id, slot in [*slots, (None, music)] if slot and items[slot.asset_id].state in waiting
    ]


async def cancel_batch(store: Store, caller: Caller, batch_id: str) -> None:
    """Ends the batch and cancels its runs that have no preview yet; previews stay, to be decided.

    Raises Refusal not-found, invalid-state.
    """
    batch = caller.owned(await store.batches.lock(batch_id), "batch")
    if batch.status not in LIVE_STATUSES:
        raise invalid_state("batch", batch.status, sorted(LIVE_STATUSES))
    for run_id in await store.batches.active_runs(batch_id):
        run = await store.runs.lock(run_id)
        if run and run.status in CANCELLABLE:
            await stop_run(store, run, caller.actor)
    await save_progress(store, batch, BatchStatus.CANCELLED, batch.counts)
