"""What a request would start, cost and take. They write as the request does, up to where its runs would be sent: the
caller rolls the transaction back."""

from __future__ import annotations

from services.gateway.commands.batches import StartBatch, prepare_batch
from services.gateway.commands.run_admission import run_parameters
from services.gateway.commands.runs import StartRun, specify_run
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import Asset, RunBase
from services.gateway.domain.batch_planner import ItemState, plan_batch
from services.gateway.domain.errors import not_found
from services.gateway.domain.estimates import Estimate, PlannedRun, at_once, missing_pieces, planned_run
from services.gateway.domain.films import estimated_seconds
from services.gateway.domain.run_parameters import RunParameters
from services.gateway.store.unit_of_work import Store


async def estimate_run(store: Store, caller: Caller, command: StartRun) -> Estimate:
    """Raises Refusal as `start_run` does, but not busy: it can be asked what comes next while a run is at work."""
    spec, _ = await specify_run(store, caller, command, later=True)
    run = planned_run(spec.asset, spec.base, spec.parameters, spec.variants, store.catalogue, store.default_provider)
    return Estimate((run,), at_once=1)


async def estimate_batch(store: Store, caller: Caller, command: StartBatch) -> Estimate:
    """Every run that the batch would start by its end, if each is accepted; of an episode with a live batch, what that
    one has still to start. Raises Refusal as `start_batch` does, but not busy."""
    episode = caller.owned(await store.episodes.lock(command.episode_id), "episode")
    live = await store.batches.live_batch(episode.episode_id)
    batch = await store.batches.lock(live) if live else await prepare_batch(store, caller, command)
    if batch is None:
        raise not_found("batch")
    segments, music = await store.batches.slots(batch)
    plan = plan_batch(batch.policy, segments, music)
    pending = [asset_id for asset_id, item in plan.items.items() if item.state is ItemState.PENDING]
    found = await store.assets.with_bases(episode.project_id, pending)
    runs = [_planned(store, *found[asset_id]) for asset_id in pending if asset_id in found]
    film = estimated_seconds([], []) if command.compile else 0
    return Estimate(tuple(runs), missing_pieces(plan, segments, music), at_once(batch.policy), film)


def _planned(store: Store, asset: Asset, base: RunBase) -> PlannedRun:
    parameters = run_parameters(RunParameters(), {}, asset, base, None)
    return planned_run(asset, base, parameters, 1, store.catalogue, store.default_provider)
