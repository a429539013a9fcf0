"""Opens what the generator needs, in order, and closes it in reverse."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.generator.commands.calls import RemoteMaker
from services.generator.commands.candidates import MAX_SEED, CandidateMaker
from services.generator.commands.film_splits import FilmSplitter
from services.generator.commands.generation import RunGenerator
from services.generator.commands.inputs import InputLoader
from services.generator.commands.references import ReferenceCache
from services.generator.commands.runs import Capabilities
from services.generator.config import Settings
from services.generator.consumers import Stores, consumer_router, refuse_dead_letters
from services.generator.domain.calls import CANCEL_ORPHAN
from services.generator.domain.imports import SPLIT
from services.generator.domain.runs import Lane
from services.generator.jobs import AgeLimits, RunSweep, cancel_orphan_kind, run_kinds, split_kind
from services.generator.media.base import Downloads, MediaProcessor
from services.generator.media.downloads import GuardedDownloads
from services.generator.media.film.cutter import FilmCutter
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.media.scratch import ScratchFolders
from services.generator.media.signing import VersionSigner
from services.generator.providers.base import Maker, Provider
from services.generator.retention import retention_service
from services.generator.store.attempts import attempt_units
from services.generator.store.calls import CallRepository
from services.generator.store.imports import ImportRepository, split_units
from services.generator.store.limiter import CallLimits, ProviderLimiter
from services.generator.store.runs import RunRepository
from services.generator.store.sweeps import RunSweepRepository
from services.generator.store.versions import VersionRepository
from shared.contracts.catalogue import Catalogue, load_catalogue
from shared.contracts.topics import Service
from shared.core.clock import Clock
from shared.jobs.recurring import recurring_kinds, schedule
from shared.jobs.worker import JobKind
from shared.media.signing_identity import identity_of
from shared.objects import Objects
from shared.objects.proof import open_proven_objects
from shared.postgres.pool import transaction
from shared.retention.jobs import retention_jobs
from shared.service import Resources, open_resources, run_jobs, run_messaging
from shared.web.health import Health


@dataclass(frozen=True)
class Adapters:
    """What tests replace."""

    catalogue: Catalogue
    providers: Mapping[str, Provider]
    media: MediaProcessor
    downloads: Downloads
    signer: VersionSigner | None = None


def adapters(settings: Settings, providers: Mapping[str, Provider]) -> Adapters:
    signer = VersionSigner(identity_of(settings, _work_dir(settings)))
    catalogue = load_catalogue(settings.catalogue)
    return Adapters(catalogue, providers, FfmpegMediaProcessor(), GuardedDownloads(), signer)


@asynccontextmanager
async def wire(settings: Settings, adapters: Adapters) -> AsyncIterator[Health]:
    work_dir = _work_dir(settings)
    async with (
        open_resources(Service.GENERATOR, settings) as base,
        open_proven_objects(settings.objects_url, Service.GENERATOR, work_dir=work_dir) as objects,
        ScratchFolders(work_dir / "scratch", base.new_id()) as scratch,
    ):
        stores = event_stores(base)
        router = consumer_router(stores, capabilities(settings, adapters), base.clock)
        recurring = retention_jobs(retention_service(base.pool, objects.own, base.publisher), base.clock)
        kinds = {
            **run_kinds(run_generator(settings, base, adapters, objects, scratch), at_once(settings), CallLimits()),
            CANCEL_ORPHAN: orphan_kind(base, adapters),
            SPLIT: split_kind(film_splitter(settings, base, objects, scratch), settings.splits_at_once),
            **recurring_kinds(recurring, base.pool, base.clock),
        }
        async with transaction(base.pool) as connection:
            await schedule(connection, recurring)
        await ProviderLimiter(base.pool).configure(adapters.catalogue.limits)
        async with (
            run_messaging(base, router, on_dead_letter=refuse_dead_letters(stores.runs, base.clock)) as messaging,
            run_jobs(base, kinds),
            _comparing_catalogues(adapters),
            run_sweep(settings, base).recurring(),
        ):
            yield messaging.health


def _work_dir(settings: Settings) -> Path:
    return Path(settings.work_dir) / "generator"


@asynccontextmanager
async def _comparing_catalogues(adapters: Adapters) -> AsyncIterator[None]:
    """In the background: the service does not wait for what providers publish."""
    compares = [provider.compare for provider in adapters.providers.values() if provider.compare]
    tasks = [asyncio.ensure_future(compare(adapters.catalogue)) for compare in compares]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run_generator(
    settings: Settings, base: Resources, adapters: Adapters, objects: Objects, scratch: ScratchFolders
) -> RunGenerator:
    unit = attempt_units(base.pool, base.publisher)
    calls = CallRepository(base.pool, base.publisher, base.clock, base.new_id)
    limiter = ProviderLimiter(base.pool)
    makers = {name: _maker(provider, calls, limiter, base.clock) for name, provider in adapters.providers.items()}
    candidates = CandidateMaker(
        adapters.catalogue, makers, adapters.media, objects, base.clock, base.new_id, adapters.signer
    )
    references = ReferenceCache(objects, _work_dir(settings) / "references")
    inputs = InputLoader(unit, objects, adapters.downloads, references, adapters.catalogue)
    return RunGenerator(unit, inputs, candidates, scratch, base.clock, random.random, settings.max_attempts)


def _maker(provider: Provider, calls: CallRepository, limiter: ProviderLimiter, clock: Clock) -> Maker:
    if provider.remote:
        return RemoteMaker(provider.remote, calls, limiter, clock)
    assert provider.maker, "a provider is either local or remote"
    return provider.maker


def film_splitter(settings: Settings, base: Resources, objects: Objects, scratch: ScratchFolders) -> FilmSplitter:
    unit = split_units(base.pool, base.publisher)
    return FilmSplitter(unit, FilmCutter(), objects, scratch, base.clock, random.random, settings.max_attempts)


def orphan_kind(base: Resources, adapters: Adapters) -> JobKind:
    remotes = {name: provider.remote for name, provider in adapters.providers.items() if provider.remote}
    calls = CallRepository(base.pool, base.publisher, base.clock, base.new_id)
    return cancel_orphan_kind(remotes, calls, base.pool, base.clock, random.random)


def run_sweep(settings: Settings, base: Resources) -> RunSweep:
    limits = AgeLimits(timedelta(hours=settings.queued_hours), timedelta(hours=settings.generating_hours))
    return RunSweep(base.pool, lambda c: RunSweepRepository(c, base.publisher), limits, base.clock)


def event_stores(base: Resources) -> Stores:
    return Stores(
        lambda c: RunRepository(c, base.publisher),
        lambda c: VersionRepository(c, base.publisher),
        lambda c: ImportRepository(c, base.publisher),
    )


def capabilities(settings: Settings, adapters: Adapters) -> Capabilities:
    return Capabilities(
        adapters.catalogue,
        {name: provider.lane for name, provider in adapters.providers.items()},
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
