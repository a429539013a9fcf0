"""The object store. One bucket per service, written only by its owner and read by reference.

Services choose the keys; each contains a new id and is written once. Storing the same bytes under the same key again is
harmless, so that a job may repeat its last step; other bytes are refused.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.contracts.topics import Service
from shared.contracts.values import ObjectRef
from shared.core.errors import Permanent, Retryable, UserError

MAX_KEY_LENGTH: Final = 800  # S3 allows 1,024 bytes; the rest is for a prefix and the owner's name

MISCONFIGURED: Final = "object_store_misconfigured"
"""Code of a Permanent error: no store could be used with these settings."""

_KEY: Final = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,199}(/[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,199})*")


@dataclass(frozen=True)
class StoredObject:
    """An object's metadata. `size` in bytes. A directory stores neither type nor checksum: the reference has them."""

    key: str
    size: int
    modified: datetime
    content_type: str | None = None
    sha256: str | None = None


class ObjectStore(Protocol):
    """One bucket, named after the service that owns it.

    Every method may raise Permanent("bad_key"), Permanent("foreign_bucket") when it writes to the bucket of another
    service, Permanent("object_store_denied"), Retryable("object_store_unavailable") and Retryable("object_store_full").
    """

    async def put_file(
        self, key: str, path: Path, content_type: str, *, move: bool = False, sha256: str | None = None
    ) -> ObjectRef:
        """Stores a file, and removes it from `path` with `move`. Raises Permanent("object_exists") if the key has other
        bytes. `sha256` (hexadecimal) is the checksum if it was computed while the file was written; the file is then
        not read again."""
        ...

    async def put_bytes(self, key: str, data: bytes, content_type: str) -> ObjectRef: ...

    async def put_stream(
        self, key: str, chunks: AsyncIterator[bytes], content_type: str, *, max_size: int
    ) -> ObjectRef:
        """Stores what a client sends, or nothing: raises UserError("too_large") beyond `max_size` bytes."""
        ...

    async def fetch(self, ref: ObjectRef, path: Path) -> None:
        """Copies the object to `path`, which appears only if size and SHA-256 are those of the reference.

        Raises Permanent("object_missing") and Retryable("object_corrupt").
        """
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Yields at most `length` bytes from `start`, none beyond the end. Raises Permanent("object_missing")."""
        ...

    async def stat(self, key: str) -> StoredObject | None:
        """None if there is no such object."""
        ...

    async def delete(self, *keys: str) -> None:
        """Deletes objects; missing ones are ignored."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """Yields every object whose key starts with `prefix`."""
        ...

    def local_path(self, key: str) -> Path | None:
        """The object's file if the store is a directory, whether it exists or not. Never write to it."""
        ...

    async def presign(
        self, key: str, *, ttl_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str | None:
        """A URL that reads this object for `ttl_s` seconds, to be saved as `filename`. None if the store has no URLs:
        the caller serves the object itself."""
        ...


@dataclass(frozen=True)
class Objects:
    """A service's view of all buckets: it writes to its own and reads the others."""

    own: ObjectStore
    open_bucket: Callable[[Service], ObjectStore] = field(repr=False)

    def of(self, bucket: str) -> ObjectStore:
        """The bucket that a reference names, to read from. Raises Permanent("unknown_bucket")."""
        try:
            return self.open_bucket(Service(bucket))
        except ValueError as e:
            raise Permanent("unknown_bucket", f"There is no service {bucket!r}, so there is no such bucket.") from e

    async def link_origin(self) -> str | None:
        """The origin that presigned URLs lead to, e.g. `https://storage.googleapis.com`; None if there are none. A
        page must allow media from there, because a browser holds redirects to its policy, too."""
        with suppress(Permanent, Retryable):  # the page is served without its media as well
            url = await self.own.presign("origin", ttl_s=60)
            return None if url is None else "{0.scheme}://{0.netloc}".format(urlsplit(url))
        return None


@asynccontextmanager
async def open_objects(url: str, owner: Service, *, work_dir: Path | None = None) -> AsyncIterator[Objects]:
    """Opens the store at `file:///folder`, `s3://bucket/prefix` or `gs://bucket/prefix`.

    For S3, region, credentials and endpoint come from the AWS_* environment variables (AWS_ENDPOINT_URL_S3 for other
    servers than Amazon's); for Google Cloud Storage, from its application default credentials. `?public_endpoint=URL`
    is the address for browsers, if it differs. Uploads of unknown length are buffered in `work_dir`. Raises
    UserError("bad_objects_url"), Permanent("object_store_misconfigured") and Permanent("object_store_denied").
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
    elif parts.scheme == "gs" and parts.netloc:
        open_gcs = _google()
        public = dict(parse_qsl(parts.query)).get("public_endpoint")
        async with open_gcs(parts.netloc, parts.path.strip("/"), owner, public, work_dir) as objects:
            yield objects
    else:
        raise UserError(
            "bad_objects_url",
            f"{url!r} is not an object store URL.",
            "Use file:///folder, s3://bucket/prefix or gs://bucket/prefix.",
        )


def _google() -> Callable[..., AbstractAsyncContextManager[Objects]]:
    """Its library is an optional dependency. Raises UserError("bad_objects_url")."""
    try:
        from shared.objects.gcs import open_gcs
    except ImportError as e:
        raise UserError(
            "bad_objects_url",
            f"A store at gs:// needs Google's library, which is not installed: {e}.",
            "Install it with: pip install 'retake[gcs]'",
        ) from e
    return open_gcs


def checked_key(key: str) -> str:
    """Returns the key if it is valid: plain ASCII, no `..`, no hidden or absolute path. Raises Permanent("bad_key")."""
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise Permanent("bad_key", f"{key[:100]!r} is not a valid object key.")
    return key


def checked_prefix(prefix: str) -> str:
    """Returns the prefix if it is valid. Raises Permanent("bad_key")."""
    if prefix:
        checked_key(prefix.removesuffix("/"))
    return prefix


def missing(key: str) -> Permanent:
    return Permanent("object_missing", f"Object {key} does not exist.")


def exists(key: str) -> Permanent:
    return Permanent("object_exists", f"Object {key} exists already with other bytes; a key is written once.")


def foreign(bucket: str) -> Permanent:
    return Permanent("foreign_bucket", f"Only {bucket} may write to the bucket {bucket}.")


def too_large(max_size: int) -> UserError:
    return UserError("too_large", f"The file is larger than {max_size / 1e6:,.0f} MB.", "Send a smaller file.")
