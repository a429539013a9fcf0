"""The client for synchronous code: an event loop in a thread of its own does the work.

with Retake.locate() as retake:
    for event in retake.events(project_id): ...
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from pydantic import BaseModel

from client.api import AsyncRetake
from client.models.events import Event
from client.resources import (
    accounts,
    assets,
    batches,
    bulk,
    episodes,
    films,
    imports,
    media,
    notes,
    projects,
    reviews,
    runs,
    segments,
    site,
    uploads,
    versions,
)  # fmt: skip
from client.resources.base import Listing, Resource
from client.transfers import OnProgress

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=Resource)


class Portal:
    """A thread that runs an event loop; `run` runs a coroutine there and waits for its result."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="retake-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C in the waiting thread must stop the work, too
            future.cancel()
            raise

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


class Items(Generic[M]):
    """A list, fetched page by page during iteration; `list(...)` returns all of it."""

    def __init__(self, portal: Portal, items: Listing[M]) -> None:
        self._portal = portal
        self._items = items

    def __iter__(self) -> Iterator[M]:
        items = aiter(self._items)
        while True:
            try:
                yield self._portal.run(_next(items.__anext__))
            except StopAsyncIteration:
                return


class Group(Generic[R]):
    """A blocking version of a resource."""

    def __init__(self, portal: Portal, calls: R) -> None:
        self._portal = portal
        self._calls = calls


def blocking(
    method: Callable[Concatenate[R, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Group[R], P], T]:
    """The method, waiting for its result."""

    @functools.wraps(method)
    def call(group: Group[R], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return group._portal.run(method(group._calls, *args, **kwargs))

    return call


def listing(
    method: Callable[Concatenate[R, P], Listing[M]],
) -> Callable[Concatenate[Group[R], P], Items[M]]:
    """The list, iterated synchronously."""

    @functools.wraps(method)
    def call(group: Group[R], /, *args: P.args, **kwargs: P.kwargs) -> Items[M]:
        return Items(group._portal, method(group._calls, *args, **kwargs))

    return call


class Accounts(Group[accounts.Accounts]):
    me = blocking(accounts.Accounts.me)
    token = blocking(accounts.Accounts.token)
    ticket = blocking(accounts.Accounts.ticket)
    open_session = blocking(accounts.Accounts.open_session)
    sign_in_config = blocking(accounts.Accounts.sign_in_config)
    open_share = blocking(accounts.Accounts.open_share)
    login_url = blocking(accounts.Accounts.login_url)
    close_session = blocking(accounts.Accounts.close_session)


class Site(Group[site.Site]):
    live = blocking(site.Site.live)
    ready = blocking(site.Site.ready)
    metrics = blocking(site.Site.metrics)
    openapi = blocking(site.Site.openapi)
    docs = blocking(site.Site.docs)
    problem = blocking(site.Site.problem)


class Media(Group[media.Media]):
    save = blocking(media.Media.save)


class Catalogue(Group[site.Catalogue]):
    models = listing(site.Catalogue.models)


class Projects(Group[projects.Projects]):
    all = listing(projects.Projects.all)
    get = blocking(projects.Projects.get)
    create = blocking(projects.Projects.create)
    update = blocking(projects.Projects.update)
    delete = blocking(projects.Projects.delete)
    settings = blocking(projects.Projects.settings)
    change_settings = blocking(projects.Projects.change_settings)
    shares = listing(projects.Projects.shares)
    share = blocking(projects.Projects.share)
    revoke_share = blocking(projects.Projects.revoke_share)
    members = listing(projects.Projects.members)
    set_member = blocking(projects.Projects.set_member)
    remove_member = blocking(projects.Projects.remove_member)
    usage = blocking(projects.Projects.usage)
    metrics = blocking(projects.Projects.metrics)
    progress = listing(projects.Projects.progress)


class Uploads(Group[uploads.Uploads]):
    create = blocking(uploads.Uploads.create)
    begin = blocking(uploads.Uploads.begin)
    progress = blocking(uploads.Uploads.progress)
    add = blocking(uploads.Uploads.add)
    drop = blocking(uploads.Uploads.drop)


class Imports(Group[imports.Imports]):
    create = blocking(imports.Imports.create)
    get = blocking(imports.Imports.get)
    cancel = blocking(imports.Imports.cancel)


class Episodes(Group[episodes.Episodes]):
    all = listing(episodes.Episodes.all)
    get = blocking(episodes.Episodes.get)
    outline = blocking(episodes.Episodes.outline)
    create = blocking(episodes.Episodes.create)
    update = blocking(episodes.Episodes.update)
    delete = blocking(episodes.Episodes.delete)
    order = blocking(episodes.Episodes.order)
    reorder = blocking(episodes.Episodes.reorder)
    revisions = listing(episodes.Episodes.revisions)
    status = blocking(episodes.Episodes.status)
    assets = listing(episodes.Episodes.assets)
    segments = listing(episodes.Episodes.segments)
    add_asset = blocking(episodes.Episodes.add_asset)
    metrics = blocking(episodes.Episodes.metrics)


class Segments(Group[segments.Segments]):
    get = blocking(segments.Segments.get)
    create = blocking(segments.Segments.create)
    update = blocking(segments.Segments.update)
    delete = blocking(segments.Segments.delete)
    restore = blocking(segments.Segments.restore)
    approve = blocking(segments.Segments.approve)
    reject = blocking(segments.Segments.reject)
    regenerate = blocking(segments.Segments.regenerate)


class Assets(Group[assets.Assets]):
    get = blocking(assets.Assets.get)
    save_draft = blocking(assets.Assets.save_draft)
    discard_draft = blocking(assets.Assets.discard_draft)
    regenerate = blocking(assets.Assets.regenerate)
    estimate = blocking(assets.Assets.estimate)
    runs = listing(assets.Assets.runs)
    versions = listing(assets.Assets.versions)
    add_version = blocking(assets.Assets.add_version)
    compare = blocking(assets.Assets.compare)


class Versions(Group[versions.Versions]):
    get = blocking(versions.Versions.get)
    rollback = blocking(versions.Versions.rollback)
    provenance = blocking(versions.Versions.provenance)


class Notes(Group[notes.Notes]):
    of = blocking(notes.Notes.of)
    get = blocking(notes.Notes.get)
    create = blocking(notes.Notes.create)
    update = blocking(notes.Notes.update)
    resolve = blocking(notes.Notes.resolve)
    delete = blocking(notes.Notes.delete)


class Runs(Group[runs.Runs]):
    all = listing(runs.Runs.all)
    mine = listing(runs.Runs.mine)
    get = blocking(runs.Runs.get)
    cancel = blocking(runs.Runs.cancel)
    reopen = blocking(runs.Runs.reopen)


class Reviews(Group[reviews.Reviews]):
    all = listing(reviews.Reviews.all)
    approve = blocking(reviews.Reviews.approve)
    reject = blocking(reviews.Reviews.reject)


class Bulk(Group[bulk.Bulk]):
    approve = blocking(bulk.Bulk.approve)
    reject = blocking(bulk.Bulk.reject)
    regenerate = blocking(bulk.Bulk.regenerate)
    transition = blocking(bulk.Bulk.transition)


class Batches(Group[batches.Batches]):
    create = blocking(batches.Batches.create)
    estimate = blocking(batches.Batches.estimate)
    estimate_render = blocking(batches.Batches.estimate_render)
    generate_segments = blocking(batches.Batches.generate_segments)
    render = blocking(batches.Batches.render)
    all = listing(batches.Batches.all)
    get = blocking(batches.Batches.get)
    pause = blocking(batches.Batches.pause)
    resume = blocking(batches.Batches.resume)
    cancel = blocking(batches.Batches.cancel)


class Films(Group[films.Films]):
    create = blocking(films.Films.create)
    estimate = blocking(films.Films.estimate)
    get = blocking(films.Films.get)
    all = listing(films.Films.all)
    cancel = blocking(films.Films.cancel)
    rate = blocking(films.Films.rate)
    provenance = blocking(films.Films.provenance)


class Retake:
    """A blocking client of one gateway. Close it, or use it as a context manager."""

    def __init__(self, client: AsyncRetake) -> None:
        self._client = client
        self._portal = Portal()
        self.url = client.url
        self.accounts = Accounts(self._portal, client.accounts)
        self.site = Site(self._portal, client.site)
        self.media = Media(self._portal, client.media)
        self.catalogue = Catalogue(self._portal, client.catalogue)
        self.projects = Projects(self._portal, client.projects)
        self.uploads = Uploads(self._portal, client.uploads)
        self.imports = Imports(self._portal, client.imports)
        self.episodes = Episodes(self._portal, client.episodes)
        self.segments = Segments(self._portal, client.segments)
        self.assets = Assets(self._portal, client.assets)
        self.versions = Versions(self._portal, client.versions)
        self.notes = Notes(self._portal, client.notes)
        self.runs = Runs(self._portal, client.runs)
        self.reviews = Reviews(self._portal, client.reviews)
        self.bulk = Bulk(self._portal, client.bulk)
        self.batches = Batches(self._portal, client.batches)
        self.films = Films(self._portal, client.films)

    @classmethod
    def connect(cls, url: str, token: str | None = None) -> Retake:
        """A client of the gateway at this URL, as `client.AsyncRetake.connect`."""
        return cls(AsyncRetake.connect(url, token))

    @classmethod
    def locate(cls, url: str | None = None, token: str | None = None, data: Path | None = None) -> Retake:
        """A client of the gateway of the environment, or of the local system (`client.locate`)."""
        return cls(AsyncRetake.locate(url, token, data))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._portal.run(self._client.close())
        self._portal.close()

    def check(self) -> None:
        """Raise Unreachable unless a gateway answers now."""
        self._portal.run(self._client.check())

    def events(
        self,
        project_id: str | None = None,
        last_event_id: str | None = None,
        *,
        unreachable_s: float | None = None,
        episode_id: str | None = None,
    ) -> Iterator[Event]:
        """As `AsyncRetake.events`; leaving the loop closes the stream."""
        stream = self._client.events(project_id, last_event_id, unreachable_s=unreachable_s, episode_id=episode_id)
        events = aiter(stream)
        try:
            while True:
                try:
                    yield self._portal.run(_next(events.__anext__))
                except StopAsyncIteration:
                    return
        finally:
            self._portal.run(stream.close())

    def download(self, url: str, target: Path, *, on_progress: OnProgress | None = None) -> int:
        """Download a media URL into a file, which appears only when it is complete. Returns its size in bytes."""
        return self._portal.run(self._client.download(url, target, on_progress=on_progress))


async def _next(step: Callable[[], Awaitable[T]]) -> T:
    return await step()
