"""Estimates: what a request would start, by the models' prices and by how long they took before. Nothing of it is
stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.gateway.domain.assets import Asset, RunBase
from services.gateway.domain.batch_planner import BatchPlan, SegmentSlots, Slot
from services.gateway.domain.batches import BatchPolicy
from services.gateway.domain.run_parameters import RunParameters
from services.gateway.domain.settings import snapshot
from shared.contracts.catalogue import Catalogue, UnknownModel
from shared.contracts.pricing import quote
from shared.contracts.settings_resolver import (
    ExistingVersion,
    ResolverRequest,
    UnsuitableModel,
    resolve_directions,
    resolve_model,
    resolve_settings,
)
from shared.contracts.values import AssetKind


@dataclass(frozen=True)
class PlannedRun:
    """`amount`: of all variants, by the model's price. `model` None: the named model cannot be used."""

    asset_id: str
    segment_id: str | None
    segment_number: int | None
    kind: AssetKind
    variants: int
    model: str | None
    provider: str | None
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class MissingPiece:
    """What will be missing when everything is done, and what to do. `number` None: of the episode."""

    number: int | None
    kind: AssetKind
    cause: str
    recovery: str


@dataclass(frozen=True)
class Estimate:
    """`at_once`: how many runs work at the same time. `film_s`: how long compiling takes afterwards, in seconds."""

    runs: tuple[PlannedRun, ...] = ()
    missing: tuple[MissingPiece, ...] = ()
    at_once: int = 1
    film_s: float = 0


def planned_run(
    asset: Asset, base: RunBase, parameters: RunParameters, variants: int, catalogue: Catalogue, provider: str
) -> PlannedRun:
    """As the generator resolves the run now; a setting that changes meanwhile changes its price."""
    project = snapshot(base.project.settings, base.output, {})
    committed = base.committed
    known = {name: s.get("value") for name, s in committed.settings.items()} if committed else {}
    existing = ExistingVersion(committed.model, committed.directions, known) if committed else ExistingVersion()
    request = ResolverRequest(asset.kind, parameters.overrides(), project, existing)
    try:
        model, _ = resolve_model(request, catalogue, provider)
    except (UnsuitableModel, UnknownModel):
        found = None
        slug = maker = None
    else:
        settings = {name: s.value for name, s in resolve_settings(request, model).settings.items()}
        directions = resolve_directions(request)
        duration = settings.get("duration")
        found = quote(
            model,
            settings,
            duration_s=duration if isinstance(duration, int | float) else None,
            directions=directions.value if directions else "",
        )
        slug, maker = model.slug, model.provider
    return PlannedRun(
        asset_id=asset.asset_id,
        segment_id=asset.segment_id,
        segment_number=asset.segment_number,
        kind=asset.kind,
        variants=variants,
        model=slug,
        provider=maker,
        amount=found.total * variants if found else Decimal(0),
        currency=found.currency if found else "USD",
    )


def at_once(policy: BatchPolicy) -> int:
    return policy.batch_size if policy.mode == "parallel" else 1


def missing_pieces(plan: BatchPlan, segments: Sequence[SegmentSlots], music: Slot | None) -> tuple[MissingPiece, ...]:
    """What the batch would leave, in film order, with the reason of each."""
    slots = [(s.number, slot) for s in segments for slot in (s.starting_image, s.video, s.narration)]
    return tuple(
        MissingPiece(number, slot.kind, problem["cause"], problem["recovery"])
        for number, slot in [*slots, (None, music)]
        if slot and (problem := plan.items[slot.asset_id].problem) is not None
    )


def total_seconds(estimate: Estimate, took: Mapping[str, float]) -> float | None:
    """About how long it takes, without the time that people need to review. `took`: seconds of a run by model, as
    measured before; None if one of the models has never been measured."""
    times = [took.get(run.model or "") for run in estimate.runs]
    known = [t * r.variants for t, r in zip(times, estimate.runs, strict=True) if t is not None]
    if len(known) < len(times):
        return None
    work = max(sum(known) / estimate.at_once, max(known, default=0))
    return round(work + estimate.film_s, 1)


def total_cost(runs: Sequence[PlannedRun]) -> dict[str, Decimal]:
    """By currency."""
    totals: dict[str, Decimal] = {}
    for run in runs:
        totals[run.currency] = totals.get(run.currency, Decimal(0)) + run.amount
    return totals
