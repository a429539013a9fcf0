"""The object store: where bytes live. One bucket per service, written by its owner only, read by reference.

Keys are made by us, contain an id that is new, and are written once. Putting the same bytes under the same key again
is harmless, so that a job may repeat its last step; other bytes are refused.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.contracts.topics import Service
from shared.contracts.values import ObjectRef
from shared.core.errors import Permanent, UserError

MAX_KEY_LENGTH: Final = 800  # S3 takes 1,024 bytes, of which a prefix and the owner's name want some

_KEY: Final = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,199}(/[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,199})*")


@dataclass(frozen=True)
class StoredObject:
    """What the store knows of an object. A directory knows neither type nor checksum: the reference has them."""

    key: str
    size: int
    modified: datetime
    content_type: str | None = None
    sha256: str | None = None


class ObjectStore(Protocol):
    """One bucket. Its name is logical: that of the service that owns it.

    Errors of every method: Permanent("bad_key"), Permanent("foreign_bucket") when writing to another's bucket,
    Permanent("object_store_denied"), Retryable("object_store_unavailable"), Retryable("object_store_full").
    """

    async def put_file(
        self, key: str, path: Path, content_type: str, *, move: bool = False, sha256: str | None = None
    ) -> ObjectRef:
        """Store a file; with `move` it is gone from `path` afterwards. Permanent("object_exists") if the key has
        other bytes. `sha256` (hex): its checksum, if taken while it was written; it is then not read again."""
        ...

    async def put_bytes(self, key: str, data: bytes, content_type: str) -> ObjectRef: ...

    async def put_stream(
        self, key: str, chunks: AsyncIterator[bytes], content_type: str, *, max_size: int
    ) -> ObjectRef:
        """Store what a client sends; UserError("too_large") beyond `max_size` bytes, and nothing is kept."""
        ...

    async def fetch(self, ref: ObjectRef, path: Path) -> None:
        """Copy to `path`, which appears only when size and SHA-256 are those of the reference.

        Permanent("object_missing"), Retryable("object_corrupt").
        """
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Bytes from `start` on, `length` at most; nothing beyond the end. Permanent("object_missing")."""
        ...

    async def stat(self, key: str) -> StoredObject | None: ...

    async def delete(self, *keys: str) -> None:
        """Missing ones are no error."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """Every object whose key starts with `prefix`."""
        ...

    def local_path(self, key: str) -> Path | None:
        """The file itself, if the store is a directory and the object may be there. Never write to it."""
        ...

    async def presign(
        self, key: str, *, ttl_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str | None:
        """A URL that reads this object for `ttl_s` seconds, offered as `filename`. None: serve it yourself."""
        ...


@dataclass(frozen=True)
class Objects:
    """A service's view of all buckets: writes to its own, reads the others'."""

    own: ObjectStore
    open_bucket: Callable[[Service], ObjectStore] = field(repr=False)

    def of(self, bucket: str) -> ObjectStore:
        """The bucket that a reference names, for reading. Raises Permanent("unknown_bucket")."""
        try:
            return self.open_bucket(Service(bucket))
        except ValueError as e:
            raise Permanent("unknown_bucket", f"no service is called {bucket!r}, so it owns no bucket") from e


@asynccontextmanager
async def open_objects(url: str, owner: Service, *, work_dir: Path | None = None) -> AsyncIterator[Objects]:
    """Open the store of `file:///folder` or `s3://bucket/prefix`.

    S3's region, credentials and endpoint come from the AWS_* environment (AWS_ENDPOINT_URL_S3 for other servers than
    Amazon's). `?public_endpoint=URL` is the address that browsers reach it by, if that differs. `work_dir` takes what
    is on its way to S3. Raises UserError("bad_objects_url").
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path.startswith("/") and parts.netloc in ("", "localhost"):
        from shared.objects.directory import open_directory

        yield await open_directory(Path(unquote(parts.path)), owner)
    elif parts.scheme == "s3" and parts.netloc:
        from shared.objects.s3 import open_s3  # aioboto3 takes half a second to import

        public = dict(parse_qsl(parts.query)).get("public_endpoint")
        async with open_s3(parts.netloc, parts.path.strip("/"), owner, public, work_dir) as objects:
            yield objects
    else:
        raise UserError("bad_objects_url", f"{url!r} is no object store.", "Use file:///folder or s3://bucket/prefix.")


def checked_key(key: str) -> str:
    """The key, if it is one that we could have made: no `..`, no hidden or absolute path, plain ASCII."""
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise Permanent("bad_key", f"{key[:100]!r} is no object key")
    return key


def checked_prefix(prefix: str) -> str:
    if prefix:
        checked_key(prefix.removesuffix("/"))
    return prefix


def missing(key: str) -> Permanent:
    return Permanent("object_missing", f"object {key} is gone")


def exists(key: str) -> Permanent:
    return Permanent("object_exists", f"object {key} is there already, with other bytes; keys are written once")


def foreign(bucket: str) -> Permanent:
    return Permanent("foreign_bucket", f"only {bucket} writes to the bucket {bucket}")


def too_large(max_size: int) -> UserError:
    return UserError("too_large", f"The file is larger than {max_size / 1e6:,.0f} MB.", "Send a smaller file.")
