"""The asyncio client of Retake's HTTP API. `client.blocking` has the same client for synchronous code.

async with AsyncRetake.locate() as retake:
    [project] = await retake.projects.all(1)
    async with retake.events(project.id) as stream:
        async for event in stream:
            ...
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from client.credentials import Credentials
from client.errors import ClientError, Unreachable
from client.events import EventStream
from client.locate import GatewayAddress, locate
from client.resources.accounts import Accounts
from client.resources.assets import Assets
from client.resources.base import path
from client.resources.batches import Batches
from client.resources.bulk import Bulk
from client.resources.episodes import Episodes
from client.resources.films import Films
from client.resources.imports import Imports
from client.resources.media import Media
from client.resources.notes import Notes
from client.resources.projects import Projects
from client.resources.reviews import Reviews
from client.resources.runs import Runs
from client.resources.segments import Segments
from client.resources.site import Catalogue, Site
from client.resources.uploads import Uploads
from client.resources.versions import Versions
from client.retry import RetryPolicy
from client.transfers import OnProgress, download
from client.transport import DEFAULT_RETRY, Transport, is_loopback


class AsyncRetake:
    """A client of one gateway. Close it, or use it as an async context manager.

    Every POST carries an idempotency key, so that it is repeated safely after broken connections, 429, 503 and 500.
    A refusal raises the exception of its problem type (`client.errors`).
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        credentials: Credentials | None = None,
        retry: RetryPolicy = DEFAULT_RETRY,
        http: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
        operations_url: str | None = None,
    ) -> None:
        """`operations_url`: of the port for operators, where the gateway has one (GATEWAY_OPERATIONS_PORT)."""
        credentials = credentials or Credentials(token, local=is_loopback(url))
        self.transport = Transport(
            url, credentials, retry=retry, http=http, sleep=sleep, draw=draw, operations_url=operations_url
        )
        self.url = self.transport.url
        self.accounts = Accounts(self.transport)
        self.site = Site(self.transport)
        self.media = Media(self.transport)
        self.catalogue = Catalogue(self.transport)
        self.projects = Projects(self.transport)
        self.uploads = Uploads(self.transport)
        self.imports = Imports(self.transport)
        self.episodes = Episodes(self.transport)
        self.segments = Segments(self.transport)
        self.assets = Assets(self.transport)
        self.versions = Versions(self.transport)
        self.notes = Notes(self.transport)
        self.runs = Runs(self.transport)
        self.reviews = Reviews(self.transport)
        self.bulk = Bulk(self.transport)
        self.batches = Batches(self.transport)
        self.films = Films(self.transport)

    @classmethod
    def connect(cls, url: str, token: str | None = None) -> AsyncRetake:
        """A client of the gateway at this URL, as `client.Retake.connect`."""
        return cls(url, token)

    @classmethod
    def locate(cls, url: str | None = None, token: str | None = None, data: Path | None = None) -> AsyncRetake:
        """A client of the gateway of the environment, or of the local system (`client.locate`)."""
        return cls.at(locate(url, token, data))

    @classmethod
    def at(cls, address: GatewayAddress) -> AsyncRetake:
        return cls(address.url, credentials=address.credentials(), operations_url=address.operations_url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.transport.close()

    async def check(self) -> None:
        """Raise Unreachable unless a gateway answers now."""
        try:
            async with self.transport.stream("/health/live", headers={}, read_timeout_s=5.0, authorised=False):
                return
        except httpx.TransportError as e:
            raise self.transport.unreachable(e) from e
        except ClientError as e:
            raise Unreachable(f"{self.url} does not respond like a Retake gateway.", "Check the address.") from e

    def events(
        self,
        project_id: str | None = None,
        last_event_id: str | None = None,
        *,
        unreachable_s: float | None = None,
        on_connection: Callable[[bool], None] | None = None,
        episode_id: str | None = None,
    ) -> EventStream:
        """The events of a project (None: the outcomes in all projects of the caller), from `last_event_id` on; or those
        of one episode alone, which is all that the guests of a share link may see.

        The stream resumes after any interruption, without a gap. Without `last_event_id` it begins with a snapshot
        of active runs and waiting reviews. After `unreachable_s` seconds without a connection it raises Unreachable.
        """
        if episode_id:
            stream = path("episodes", episode_id, "events")
        else:
            stream = path("projects", project_id, "events") if project_id else "/events"
        return EventStream(
            self.transport, stream, last_event_id, unreachable_s=unreachable_s, on_connection=on_connection
        )

    async def download(
        self,
        url: str,
        target: Path,
        *,
        on_progress: OnProgress | None = None,
        renew_url: Callable[[], Awaitable[str]] | None = None,
    ) -> int:
        """Download a media URL into a file, which appears only when it is complete. Returns its size in bytes."""
        return await download(self.transport, url, target, on_progress=on_progress, renew_url=renew_url)
