"""What stores behind a network share: bytes are hashed before they are sent, and checked when they come back."""

from __future__ import annotations

import asyncio
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from shared.contracts.topics import Service
from shared.contracts.values import ObjectRef
from shared.core.errors import Retryable
from shared.objects import checked_key, foreign
from shared.objects.streams import Digest, digest, file_errors, in_thread, new_file, spool

PATIENCE_S: Final = 120.0  # three attempts of a request that nobody answers
SLOWEST_BYTES_PER_S: Final = 100_000
"""Of a whole transfer, beyond that patience. A store that sends a byte now and then is as good as away, and whoever
waits for it holds a worker."""


@asynccontextmanager
async def within_reason(key: str, size: int) -> AsyncIterator[None]:
    """Around the transfer of so many bytes. Raises Retryable `object_store_unavailable` if it takes too long."""
    try:
        async with asyncio.timeout(PATIENCE_S + size / SLOWEST_BYTES_PER_S):
            yield
    except TimeoutError:
        raise Retryable("object_store_unavailable", f"The object store is too slow: {key} ({size} bytes).") from None


class RemoteStore(ABC):
    """The half of an `ObjectStore` that does not depend on whose server it is. Keys lie below `prefix`; uploads of
    unknown length are buffered in `work_dir`."""

    def __init__(self, prefix: str, bucket: Service, *, writable: bool, work_dir: Path) -> None:
        self._prefix = prefix
        self._bucket = bucket
        self._writable = writable
        self._work_dir = work_dir

    @abstractmethod
    async def _upload(self, key: str, source: Path | bytes, found: Digest, content_type: str) -> None:
        """Stores bytes whose digest is known, once. Raises as `ObjectStore` says."""

    @abstractmethod
    def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]: ...

    async def put_file(
        self, key: str, path: Path, content_type: str, *, move: bool = False, sha256: str | None = None
    ) -> ObjectRef:
        self._check_writable()
        checked_key(key)
        with file_errors():
            found = Digest(path.stat().st_size, sha256) if sha256 else await in_thread(partial(digest, path))
        await self._send(key, path, found, content_type)
        if move:
            path.unlink(missing_ok=True)
        return self._ref(key, found, content_type)

    async def put_bytes(self, key: str, data: bytes, content_type: str) -> ObjectRef:
        self._check_writable()
        checked_key(key)
        found = Digest(len(data), hashlib.sha256(data).hexdigest())
        await self._send(key, data, found, content_type)
        return self._ref(key, found, content_type)

    async def put_stream(
        self, key: str, chunks: AsyncIterator[bytes], content_type: str, *, max_size: int
    ) -> ObjectRef:
        self._check_writable()
        checked_key(key)
        with new_file(self._work_dir) as new:
            found = await spool(chunks, new.file, max_size)
            await self._send(key, new.path, found, content_type)
        return self._ref(key, found, content_type)

    async def fetch(self, ref: ObjectRef, path: Path) -> None:
        with new_file(path.parent) as new:
            async with within_reason(ref.key, ref.size):
                found = await spool(self.read(ref.key), new.file)
            found.check(ref)
            with file_errors():
                os.replace(new.path, path)

    async def _send(self, key: str, source: Path | bytes, found: Digest, content_type: str) -> None:
        async with within_reason(key, found.size):
            await self._upload(key, source, found, content_type)

    def local_path(self, key: str) -> Path | None:
        checked_key(key)
        return None

    def _ref(self, key: str, found: Digest, content_type: str) -> ObjectRef:
        return ObjectRef(
            bucket=self._bucket.value, key=key, size=found.size, sha256=found.sha256, content_type=content_type
        )

    def _check_writable(self) -> None:
        if not self._writable:
            raise foreign(self._bucket)
