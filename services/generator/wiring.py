"""Opens what the generator needs, in order, and closes it in reverse."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.generator.commands.abandon_call import AbandonCall
from services.generator.commands.call_provider import RemoteMaker
from services.generator.commands.candidates import MAX_SEED, MakeCandidate
from services.generator.commands.generate import Generate
from services.generator.commands.import_ports import SPLIT
from services.generator.commands.inputs import GatherInputs
from services.generator.commands.ports import Downloads, LaneOf, Maker, MediaProcessor, Scratch, VersionSigner
from services.generator.commands.references import GatherReferences
from services.generator.commands.split_film import SplitFilm
from services.generator.commands.start_run import Offer
from services.generator.config import Settings
from services.generator.consumers import Stores, consumer_router, refuse_dead_letters
from services.generator.domain.runs import Lane
from services.generator.jobs import Limits, RunSweep, abandon_kind, kinds, split_kind
from services.generator.media.downloads import GuardedDownloads
from services.generator.media.film.cutter import FfmpegCutter
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.media.scratch import ProcessScratch
from services.generator.media.signing import C2paVersionSigner
from services.generator.metrics import PrometheusMeter
from services.generator.providers.animatic import provider as animatic_provider
from services.generator.providers.base import ABANDON, Calls, RemoteProvider, Turnstile
from services.generator.providers.replicate import provider as replicate_provider
from services.generator.providers.replicate.bell import Bell
from services.generator.providers.replicate.settings import BASE_URL, ReplicateSettings
from services.generator.providers.replicate.settings import NAME as REPLICATE
from services.generator.retention import retention_service
from services.generator.store.attempts import attempt_units
from services.generator.store.calls import PostgresCalls
from services.generator.store.imports import PostgresImports, split_units
from services.generator.store.limiter import PostgresGates, PostgresTurnstile
from services.generator.store.runs import PostgresRuns
from services.generator.store.sweeps import PostgresSweeps
from services.generator.store.versions import PostgresCommits
from shared.contracts.catalogue import Catalogue, load_catalogue
from shared.contracts.topics import Service
from shared.core.clock import Clock
from shared.jobs.recurring import recurring_kinds, schedule
from shared.jobs.worker import JobKind, Worker
from shared.media.c2pa import identity_of
from shared.objects import Objects, open_objects
from shared.postgres.pool import transaction
from shared.retention.jobs import retention_jobs
from shared.service import Resources, open_resources, run_messaging
from shared.web.health import Health


@dataclass(frozen=True)
class Provider:
    """Here: a maker. Elsewhere, for money: a remote, which the generator makes a maker of."""

    lane: LaneOf
    maker: Maker | None = None
    remote: RemoteProvider | None = None
    compare: Callable[[Catalogue], Awaitable[object]] | None = None  # our rows with what the provider publishes


@dataclass(frozen=True)
class Parts:
    """What tests put others in the place of."""

    catalogue: Catalogue
    providers: Mapping[str, Provider]
    studio: MediaProcessor
    downloads: Downloads
    signer: VersionSigner | None = None


def parts(settings: Settings, bell: Bell | None = None) -> Parts:
    replicate = replicate_provider.ReplicateProvider(_replicate(settings), bell=bell)
    providers = {
        animatic_provider.NAME: Provider(animatic_provider.lane, maker=animatic_provider.AnimaticProvider()),
        REPLICATE: Provider(replicate_provider.lane, remote=replicate, compare=replicate.compare),
    }
    signer = C2paVersionSigner(identity_of(settings, Path(settings.work_dir) / "generator"))
    return Parts(load_catalogue(settings.catalogue), providers, FfmpegMediaProcessor(), GuardedDownloads(), signer)


@asynccontextmanager
async def wire(settings: Settings, replaced: Parts | None = None, bell: Bell | None = None) -> AsyncIterator[Health]:
    made_of = replaced or parts(settings, bell)
    folder = Path(settings.work_dir) / "generator"
    async with (
        open_resources(Service.GENERATOR, settings) as base,
        open_objects(settings.objects_url, Service.GENERATOR, work_dir=folder) as objects,
        ProcessScratch(folder / "scratch", base.new_id()) as scratch,
    ):
        meter = PrometheusMeter()
        generate = generation(settings, base, made_of, objects, scratch, meter)
        stores = event_stores(base)
        router = consumer_router(stores, offer(settings, made_of), meter, base.clock)
        limits = Limits(timedelta(hours=settings.queued_hours), timedelta(hours=settings.generating_hours))
        split = split_kind(splitting(settings, base, objects, scratch), settings.splits_at_once)
        retention = retention_jobs(retention_service(base.pool, objects.own, base.publisher), base.clock)
        work = {
            **kinds(generate, at_once(settings), PostgresGates()),
            ABANDON: abandonment(base, made_of),
            SPLIT: split,
            **recurring_kinds(retention, base.pool, base.clock),
        }
        async with transaction(base.pool) as connection:
            await schedule(connection, retention)
        await PostgresTurnstile(base.pool).declare(made_of.catalogue.limits)
        async with (
            run_messaging(base, router, on_dead_letter=refuse_dead_letters(stores.runs, base.clock)) as messaging,
            Worker(base.pool, settings.database_url, work, clock=base.clock, new_id=base.new_id),
            _comparing(made_of),
            RunSweep(base.pool, lambda c: PostgresSweeps(c, base.publisher), limits, meter, base.clock).recurring(),
        ):
            yield messaging.health


@asynccontextmanager
async def _comparing(made_of: Parts) -> AsyncIterator[None]:
    """Beside everything else: nobody waits for what providers publish."""
    tasks = [asyncio.ensure_future(p.compare(made_of.catalogue)) for p in made_of.providers.values() if p.compare]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def generation(
    settings: Settings, base: Resources, made_of: Parts, objects: Objects, scratch: Scratch, meter: PrometheusMeter
) -> Generate:
    unit = attempt_units(base.pool, base.publisher)
    calls = PostgresCalls(base.pool, base.publisher, base.clock, base.new_id)
    turnstile = PostgresTurnstile(base.pool)
    makers = {name: _maker(provider, calls, turnstile, base.clock) for name, provider in made_of.providers.items()}
    make = MakeCandidate(
        made_of.catalogue, makers, made_of.studio, objects, meter, base.clock, base.new_id, made_of.signer
    )
    references = GatherReferences(objects, Path(settings.work_dir) / "generator" / "references")
    gather = GatherInputs(unit, objects, made_of.downloads, references, made_of.catalogue)
    return Generate(unit, gather, make, scratch, meter, base.clock, random.random, settings.max_attempts)


def splitting(settings: Settings, base: Resources, objects: Objects, scratch: Scratch) -> SplitFilm:
    return SplitFilm(
        split_units(base.pool, base.publisher),
        FfmpegCutter(),
        objects,
        scratch,
        base.clock,
        random.random,
        settings.max_attempts,
    )


def _maker(provider: Provider, calls: Calls, turnstile: Turnstile, clock: Clock) -> Maker:
    if provider.remote:
        return RemoteMaker(provider.remote, calls, turnstile, clock)
    assert provider.maker, "a provider is here or elsewhere"
    return provider.maker


def abandonment(base: Resources, made_of: Parts) -> JobKind:
    remotes = {name: provider.remote for name, provider in made_of.providers.items() if provider.remote}
    calls = PostgresCalls(base.pool, base.publisher, base.clock, base.new_id)
    return abandon_kind(AbandonCall(remotes, calls, base.clock), base.pool, base.clock)


def event_stores(base: Resources) -> Stores:
    return Stores(
        lambda c: PostgresRuns(c, base.publisher),
        lambda c: PostgresCommits(c, base.publisher),
        lambda c: PostgresImports(c, base.publisher),
    )


def offer(settings: Settings, made_of: Parts) -> Offer:
    return Offer(
        made_of.catalogue,
        {name: p.lane for name, p in made_of.providers.items()},
        settings.default_provider,
        lambda: random.randrange(MAX_SEED),
    )


def at_once(settings: Settings) -> Mapping[Lane, int]:
    return {
        Lane.RENDER: settings.renders_at_once,
        Lane.DRAW: settings.drawings_at_once,
        Lane.CALL: settings.calls_at_once,
        Lane.INGEST: settings.ingests_at_once,
    }


def _replicate(settings: Settings) -> ReplicateSettings:
    token = settings.replicate_api_token
    return ReplicateSettings(
        token=token.get_secret_value().strip() or None if token else None,
        base_url=settings.replicate_base_url or BASE_URL,
        webhook_url=settings.replicate_webhook_url,
        cancel_after_s=settings.replicate_cancel_after_s,
        request_s=settings.replicate_request_s,
        settle_s=settings.replicate_settle_s,
        poll_s=settings.replicate_poll_s,
        pause_s=settings.replicate_pause_s,
    )
