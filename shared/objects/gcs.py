"""The object store on Google Cloud Storage: BUCKET/PREFIX/<owner>/<key>.

Every upload carries `ifGenerationMatch=0`, so that a key is written once, and a CRC32C that the server checks. The
SHA-256 is stored in the object's metadata, because Google computes none. Its library blocks, so it runs in threads.
"""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import google.auth
import requests
from google.api_core import exceptions as api_errors
from google.auth import exceptions as auth_errors
from google.auth.credentials import AnonymousCredentials, Signing
from google.auth.transport.requests import Request
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from shared.contracts.topics import Service
from shared.core.errors import Permanent, RetakeError, Retryable
from shared.objects import (
    Objects,
    StoredObject,
    checked_key,
    checked_prefix,
    exists,
    missing,
)
from shared.objects.remote import RemoteStore
from shared.objects.streams import CopyCancelled, Digest, in_thread

PART: Final = 16 << 20  # bytes in one request of a large upload or download; a multiple of 256 KiB, as Google requires
PAGE: Final = 1_000  # objects in one answer of a listing: Google's limit
CONCURRENT_REQUESTS: Final = 8  # of one deletion of many objects; Google's library keeps ten connections
DIGEST_METADATA: Final = "sha256"
SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
SIGNING_SCOPE: Final = "https://www.googleapis.com/auth/iam"  # a service account without its key asks IAM to sign
GOOGLE: Final = "https://storage.googleapis.com"

_NEW: Final = 0  # the generation of what does not exist
_FOREVER_S: Final = 7 * 24 * 3600  # the longest that a link may live, by its signature's definition
_TIMEOUT_S: Final = (5.0, 60.0)  # to connect; between two bytes
_RETRY: Final = DEFAULT_RETRY.with_timeout(4.0)  # when no further attempt begins; jobs repeat the rest
_FIELDS: Final = "items(name,size,timeCreated,contentType,metadata),nextPageToken"
_ERRORS: Final = (
    api_errors.GoogleAPIError,
    auth_errors.GoogleAuthError,
    requests.RequestException,
    DataCorruption,
    InvalidResponse,
    OSError,
)

T = TypeVar("T")


@asynccontextmanager
async def open_gcs(
    bucket: str, prefix: str, owner: Service, public_endpoint: str | None, work_dir: Path | None
) -> AsyncIterator[Objects]:
    """All buckets share one client. Opening asks for no object, but may ask the machine who it is."""
    with _gcs_errors(bucket):
        client, signer = await asyncio.to_thread(_client)
    try:
        buckets = {
            service: GcsStore(
                client.bucket(bucket),
                signer,
                public_endpoint or os.environ.get("STORAGE_EMULATOR_HOST") or GOOGLE,
                "/".join(filter(None, (prefix, service.value))) + "/",
                service,
                writable=service is owner,
                work_dir=work_dir or Path(tempfile.gettempdir()),
            )
            for service in Service
        }
        yield Objects(buckets[owner], buckets.__getitem__)
    finally:
        client.close()


def _client() -> tuple[Any, Any]:
    """Google's client, and the credentials that sign URLs. An emulator checks no access, but links are signed for it
    if there are credentials."""
    nobody: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
    emulated = "STORAGE_EMULATOR_HOST" in os.environ
    signer = nobody
    if not emulated or "GOOGLE_APPLICATION_CREDENTIALS" in os.environ:
        signer, _ = google.auth.default(scopes=(SCOPE, SIGNING_SCOPE))
    client = storage.Client(project=None, credentials=nobody if emulated else signer)
    client._http.mount("https://", HTTPAdapter(pool_maxsize=4 * CONCURRENT_REQUESTS))
    return client, signer


class GcsStore(RemoteStore):
    """An `ObjectStore` below a prefix of one bucket of Google's. `signer` are the credentials that sign URLs for
    browsers; those of a person cannot, and the store then has no URLs."""

    def __init__(
        self,
        gcs_bucket: Any,
        signer: Any,
        public_endpoint: str,
        prefix: str,
        bucket: Service,
        *,
        writable: bool,
        work_dir: Path,
    ) -> None:
        super().__init__(prefix, bucket, writable=writable, work_dir=work_dir)
        self._gcs_bucket = gcs_bucket
        self._signer = signer
        self._public_endpoint = public_endpoint.rstrip("/")

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        name = self._prefix + checked_key(key)
        end = None if length is None else start + length
        while end is None or start < end:
            last = start + PART - 1 if end is None else min(start + PART, end) - 1
            data = await self._call(key, partial(self._part, name, start, last))
            if data:
                yield data
            if len(data) < last - start + 1:
                return
            start = last + 1

    async def stat(self, key: str) -> StoredObject | None:
        name = self._prefix + checked_key(key)
        blob = await self._call(key, lambda: self._gcs_bucket.get_blob(name, timeout=_TIMEOUT_S, retry=_RETRY))
        return None if blob is None else self._stored(blob)

    async def delete(self, *keys: str) -> None:
        self._check_writable()
        names = {key: self._prefix + checked_key(key) for key in keys}
        slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

        def remove(name: str) -> None:
            try:
                self._gcs_bucket.blob(name).delete(timeout=_TIMEOUT_S, retry=_RETRY)
            except api_errors.NotFound as e:
                if _names_no_bucket(e):
                    raise

        async def remove_one(key: str, name: str) -> None:
            async with slots:
                await self._call(key, lambda: remove(name))

        try:
            async with asyncio.TaskGroup() as group:
                for key, name in names.items():
                    group.create_task(remove_one(key, name))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        full = self._prefix + checked_prefix(prefix)
        found = self._gcs_bucket.client.list_blobs(
            self._gcs_bucket, prefix=full, page_size=PAGE, fields=_FIELDS, timeout=_TIMEOUT_S, retry=_RETRY
        )
        pages = found.pages
        while (page := await self._call(prefix, lambda: _page(pages))) is not None:
            for blob in page:
                yield self._stored(blob)

    async def presign(
        self, key: str, *, ttl_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str | None:
        blob = self._gcs_bucket.blob(self._prefix + checked_key(key))
        signature = await self._call(key, lambda: _signature(self._signer))
        if signature is None:
            return None

        def sign() -> str:
            url: str = blob.generate_signed_url(
                version="v4",
                expiration=min(ttl_s, _FOREVER_S),
                api_access_endpoint=self._public_endpoint,
                response_disposition=filename and f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
                response_type=content_type,
                **signature,
            )
            return url

        return await self._call(key, sign)

    def _stored(self, blob: Any) -> StoredObject:
        return StoredObject(
            blob.name.removeprefix(self._prefix),
            int(blob.size),
            blob.time_created,
            blob.content_type,
            (blob.metadata or {}).get(DIGEST_METADATA),
        )

    def _part(self, name: str, first: int, last: int) -> bytes:
        """The bytes from `first` to `last`, fewer at the end of the object, none beyond it."""
        try:
            data: bytes = self._gcs_bucket.blob(name).download_as_bytes(
                start=first, end=last, raw_download=True, checksum=None, timeout=_TIMEOUT_S, retry=_RETRY
            )
        except api_errors.RequestRangeNotSatisfiable:
            return b""
        return data

    async def _upload(self, key: str, source: Path | bytes, found: Digest, content_type: str) -> None:
        """In one request up to 8 MiB, else in parts of a session, which leaves nothing if it does not finish."""
        blob = self._gcs_bucket.blob(self._prefix + key, chunk_size=PART)
        blob.metadata = {DIGEST_METADATA: found.sha256}

        def send(stop: threading.Event) -> None:
            with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
                blob.upload_from_file(
                    _Stoppable(file, stop),
                    size=found.size,
                    content_type=content_type,
                    if_generation_match=_NEW,
                    checksum="crc32c",
                    timeout=_TIMEOUT_S,
                    retry=_RETRY,
                )

        with _gcs_errors(key):
            try:
                await in_thread(send)
            except api_errors.NotFound as e:
                raise _no_bucket(self._gcs_bucket.name) from e
            except api_errors.PreconditionFailed as e:
                existing = await self.stat(key)
                if existing is None or (existing.size, existing.sha256) != (found.size, found.sha256):
                    raise exists(key) from e

    async def _call(self, key: str, work: Callable[[], T]) -> T:
        with _gcs_errors(key):
            return await asyncio.to_thread(work)


class _Stoppable(io.RawIOBase):
    """A file whose reading ends with CopyCancelled once `stop` is set."""

    def __init__(self, file: Any, stop: threading.Event) -> None:
        self._file = file
        self._stop = stop

    def read(self, size: int = -1, /) -> bytes:
        if self._stop.is_set():
            raise CopyCancelled
        data: bytes = self._file.read(size)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())


def _page(pages: Iterator[Any]) -> list[Any] | None:
    page = next(pages, None)
    return None if page is None else list(page)


def _signature(signer: Any) -> dict[str, Any] | None:
    """What signs a URL: the key of a service account, or IAM on behalf of the one that this machine or pod has. None
    for anybody else."""
    if isinstance(signer, Signing):
        return {"credentials": signer}
    if not hasattr(signer, "service_account_email"):
        return None
    if not signer.valid:
        signer.refresh(Request())  # tells the account's name, too
    return {"service_account_email": signer.service_account_email, "access_token": signer.token}


def _no_bucket(name: str) -> Permanent:
    return Permanent("object_store_denied", f"There is no bucket {name} that these credentials may use.")


def _names_no_bucket(e: api_errors.NotFound) -> bool:
    """Google answers 404 for an object and for its bucket, and tells them apart in words alone."""
    return "bucket does not exist" in str(e).lower()


@contextmanager
def _gcs_errors(key: str) -> Iterator[None]:
    """Raises errors of Google's library, and of the connection, as RetakeError."""
    try:
        yield
    except RetakeError:
        raise
    except _ERRORS as e:
        raise _translate(key, e) from e


def _translate(key: str, e: Exception) -> RetakeError:
    match e:
        case api_errors.NotFound():
            if _names_no_bucket(e):
                return Permanent("object_store_denied", f"The object store refuses access to {key}: {e}")
            return missing(key)
        case api_errors.Unauthorized() | api_errors.Forbidden() | api_errors.MethodNotImplemented():
            return Permanent("object_store_denied", f"The object store refuses access to {key}: {e}")
        case auth_errors.DefaultCredentialsError() | auth_errors.MalformedError():
            return Permanent("object_store_denied", f"The object store is not configured correctly: {e}")
        case auth_errors.RefreshError() if not e.retryable:
            return Permanent("object_store_denied", f"Google refuses these credentials: {e}")
        case auth_errors.TransportError() if "PERMISSION_DENIED" in str(e):
            return Permanent(
                "object_store_denied",
                f"Google's IAM signs no URL of {key} for this service account: {e}",
                "Grant it the role roles/iam.serviceAccountTokenCreator on itself.",
            )
        case _:
            return Retryable("object_store_unavailable", f"The object store failed on {key}: {e!r}")
