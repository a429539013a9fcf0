"""The same client for code without an event loop: a loop of its own, in a thread, does the work.

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
from client.resources import accounts, episodes, media, projects, site, work
from client.resources.base import Listing, Resource
from client.transfers import OnProgress

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=Resource)


class Portal:
    """A thread that runs an event loop; `run` waits for a coroutine there."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="retake-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C in the waiting thread: the work must not go on unseen
            future.cancel()
            raise

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


class Items(Generic[M]):
    """A list of the gateway, fetched page by page while it is walked; `list(...)` has all of it."""

    def __init__(self, portal: Portal, items: Listing[M]) -> None:
        self._portal = portal
        self._items = items

    def __iter__(self) -> Iterator[M]:
        walk = aiter(self._items)
        while True:
            try:
                yield self._portal.run(_next(walk.__anext__))
            except StopAsyncIteration:
                return


class Group(Generic[R]):
    """The blocking twin of a group of calls."""

    def __init__(self, portal: Portal, calls: R) -> None:
        self._portal = portal
        self._calls = calls


def blocking(
    method: Callable[Concatenate[R, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Group[R], P], T]:
    """The same method, waiting for its result."""

    @functools.wraps(method)
    def call(group: Group[R], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return group._portal.run(method(group._calls, *args, **kwargs))

    return call


def listing(
    method: Callable[Concatenate[R, P], Listing[M]],
) -> Callable[Concatenate[Group[R], P], Items[M]]:
    """The same list, walked without a loop."""

    @functools.wraps(method)
    def call(group: Group[R], /, *args: P.args, **kwargs: P.kwargs) -> Items[M]:
        return Items(group._portal, method(group._calls, *args, **kwargs))

    return call


class Accounts(Group[accounts.Accounts]):
    me = blocking(accounts.Accounts.me)
    token = blocking(accounts.Accounts.token)
    ticket = blocking(accounts.Accounts.ticket)
    open_session = blocking(accounts.Accounts.open_session)
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
    members = listing(projects.Projects.members)
    set_member = blocking(projects.Projects.set_member)
    remove_member = blocking(projects.Projects.remove_member)
    usage = blocking(projects.Projects.usage)
    metrics = blocking(projects.Projects.metrics)
    progress = listing(projects.Projects.progress)
    reviews = listing(projects.Projects.reviews)


class Uploads(Group[projects.Uploads]):
    create = blocking(projects.Uploads.create)


class Imports(Group[projects.Imports]):
    create = blocking(projects.Imports.create)
    get = blocking(projects.Imports.get)
    cancel = blocking(projects.Imports.cancel)


class Episodes(Group[episodes.Episodes]):
    all = listing(episodes.Episodes.all)
    get = blocking(episodes.Episodes.get)
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


class Segments(Group[episodes.Segments]):
    get = blocking(episodes.Segments.get)
    create = blocking(episodes.Segments.create)
    update = blocking(episodes.Segments.update)
    delete = blocking(episodes.Segments.delete)
    approve = blocking(episodes.Segments.approve)
    reject = blocking(episodes.Segments.reject)
    regenerate = blocking(episodes.Segments.regenerate)


class Assets(Group[episodes.Assets]):
    get = blocking(episodes.Assets.get)
    save_draft = blocking(episodes.Assets.save_draft)
    discard_draft = blocking(episodes.Assets.discard_draft)
    regenerate = blocking(episodes.Assets.regenerate)
    runs = listing(episodes.Assets.runs)
    versions = listing(episodes.Assets.versions)
    add_version = blocking(episodes.Assets.add_version)
    compare = blocking(episodes.Assets.compare)


class Versions(Group[episodes.Versions]):
    get = blocking(episodes.Versions.get)
    rollback = blocking(episodes.Versions.rollback)


class Runs(Group[work.Runs]):
    all = listing(work.Runs.all)
    get = blocking(work.Runs.get)
    cancel = blocking(work.Runs.cancel)
    approve = blocking(work.Runs.approve)
    reject = blocking(work.Runs.reject)
    reopen = blocking(work.Runs.reopen)


class Batches(Group[work.Batches]):
    create = blocking(work.Batches.create)
    generate_segments = blocking(work.Batches.generate_segments)
    render = blocking(work.Batches.render)
    all = listing(work.Batches.all)
    get = blocking(work.Batches.get)
    pause = blocking(work.Batches.pause)
    resume = blocking(work.Batches.resume)
    cancel = blocking(work.Batches.cancel)


class Compilations(Group[work.Compilations]):
    create = blocking(work.Compilations.create)
    get = blocking(work.Compilations.get)
    all = listing(work.Compilations.all)
    cancel = blocking(work.Compilations.cancel)
    rate = blocking(work.Compilations.rate)


class Retake:
    """One gateway, blocking. Close it, or use it as a context manager."""

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
        self.runs = Runs(self._portal, client.runs)
        self.batches = Batches(self._portal, client.batches)
        self.compilations = Compilations(self._portal, client.compilations)

    @classmethod
    def connect(cls, url: str, token: str | None = None) -> Retake:
        return cls(AsyncRetake(url, token))

    @classmethod
    def locate(cls, url: str | None = None, token: str | None = None, data: Path | None = None) -> Retake:
        """The gateway of the environment, or of the local system (client.locate)."""
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
        """Raise Unreachable unless a live gateway answers now."""
        self._portal.run(self._client.check())

    def events(
        self,
        project_id: str | None = None,
        last_event_id: str | None = None,
        *,
        patience_s: float | None = None,
    ) -> Iterator[Event]:
        """As AsyncRetake.events; leaving the loop closes the stream."""
        stream = self._client.events(project_id, last_event_id, patience_s=patience_s)
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
        """Fetch a media URL into a file, which appears only when it is complete. Returns its size in bytes."""
        return self._portal.run(self._client.download(url, target, on_progress=on_progress))


async def _next(step: Callable[[], Awaitable[T]]) -> T:
    return await step()
