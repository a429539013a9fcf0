"""The object store on S3 or a compatible server: BUCKET/PREFIX/<owner>/<key>.

Every upload carries its SHA-256, which the server checks, and `If-None-Match: *`, so that a key is written once. A
large file is uploaded in parts; S3 keeps no checksum of the whole file then, so it is stored in the object's metadata.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from shared.contracts.topics import Service
from shared.core.errors import Permanent, RetakeError, Retryable
from shared.objects import (
    MISCONFIGURED,
    Objects,
    StoredObject,
    checked_key,
    checked_prefix,
    exists,
    missing,
    too_large,
)
from shared.objects.remote import RemoteStore
from shared.objects.streams import CHUNK, Digest, in_thread

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

PART: Final = 16 << 20  # bytes; a smaller file is uploaded in one request
MAX_PARTS: Final = 9_000  # S3 allows 10,000
CONCURRENT_PARTS: Final = 3
DELETE_BATCH: Final = 1_000  # the limit of S3
DIGEST_METADATA: Final = "sha256"

_MISSING: Final = {"404", "NoSuchKey", "NotFound"}
_SET: Final = (
    "Set AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the pod's role), the bucket's name, and for other "
    "servers than Amazon's AWS_ENDPOINT_URL_S3."
)
_FOREVER_S: Final = 7 * 24 * 3600  # the longest that a link may live, by its signature's definition
_EXISTS: Final = {"412", "PreconditionFailed"}
_DENIED: Final = {
    "401",
    "403",
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "NoSuchBucket",
    "AllAccessDisabled",
    "MethodNotAllowed",
    "NotImplemented",
}
_MISCONFIGURED: Final = (NoRegionError, PartialCredentialsError, ParamValidationError)


@asynccontextmanager
async def open_s3(
    bucket: str, prefix: str, owner: Service, public_endpoint: str | None, work_dir: Path | None
) -> AsyncIterator[Objects]:
    """All buckets share one client. Opening sends no request."""
    own_endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    async with AsyncExitStack() as stack:
        with _s3_errors(bucket):
            client = await stack.enter_async_context(_client(own_endpoint))
            signer = await stack.enter_async_context(_client(public_endpoint)) if public_endpoint else client
        buckets = {
            service: S3Store(
                client,
                signer,
                bucket,
                "/".join(filter(None, (prefix, service.value))) + "/",
                service,
                writable=service is owner,
                work_dir=work_dir or Path(tempfile.gettempdir()),
            )
            for service in Service
        }
        yield Objects(buckets[owner], buckets.__getitem__)


def _client(endpoint: str | None) -> Any:
    config = AioConfig(
        signature_version="s3v4",
        # Other servers than Amazon's rarely have a host name per bucket.
        s3={"addressing_style": "path" if endpoint else "auto"},
        retries={
            "mode": "standard",
            "total_max_attempts": 3,
        },  # with exponential back-off and jitter; jobs repeat the rest
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=50,
        # Uploads carry their own SHA-256, and downloads are checked against that of the reference.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ("us-east-1" if endpoint else None)
    return aioboto3.Session().client("s3", endpoint_url=endpoint, region_name=region, config=config)


async def _session_life_s(client: Any) -> int:
    """Seconds that the credentials of this client will live: a link that they sign works no longer than they do."""
    credentials = client._request_signer._credentials
    await credentials.get_frozen_credentials()  # renews those that are about to end
    expires = getattr(credentials, "_expiry_time", None)
    if expires is None:
        return _FOREVER_S
    return max(1, int((expires - datetime.now(UTC)).total_seconds()))


class S3Store(RemoteStore):
    """An `ObjectStore` below a prefix of one S3 bucket. `signer` is the client that signs URLs for browsers."""

    def __init__(
        self,
        client: S3Client,
        signer: S3Client,
        s3_bucket: str,
        prefix: str,
        bucket: Service,
        *,
        writable: bool,
        work_dir: Path,
    ) -> None:
        super().__init__(prefix, bucket, writable=writable, work_dir=work_dir)
        self._client = client
        self._signer = signer
        self._s3_bucket = s3_bucket

    def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        if length is not None and length <= 0:
            return _nothing()
        if start == 0 and length is None:
            return self._read(key, {})
        last = "" if length is None else str(start + length - 1)
        return self._read(key, {"Range": f"bytes={start}-{last}"})

    async def stat(self, key: str) -> StoredObject | None:
        checked_key(key)
        with _s3_errors(key):
            try:
                head = await self._client.head_object(Bucket=self._s3_bucket, Key=self._prefix + key)
            except ClientError as e:
                if _code(e) in _MISSING:
                    return None
                raise
        return StoredObject(
            key,
            head["ContentLength"],
            head["LastModified"],
            head.get("ContentType"),
            head.get("Metadata", {}).get(DIGEST_METADATA),
        )

    async def delete(self, *keys: str) -> None:
        self._check_writable()
        names = [self._prefix + checked_key(key) for key in keys]
        for i in range(0, len(names), DELETE_BATCH):
            with _s3_errors(keys[i]):
                response = await self._client.delete_objects(
                    Bucket=self._s3_bucket,
                    Delete={"Objects": [{"Key": name} for name in names[i : i + DELETE_BATCH]], "Quiet": True},
                )
            if failed := [e for e in response.get("Errors", []) if e.get("Code") not in _MISSING]:
                first = failed[0]
                raise Retryable(
                    "object_store_unavailable",
                    f"{len(failed)} objects were not deleted: {first.get('Code')} {first.get('Message')}",
                )

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        full = self._prefix + checked_prefix(prefix)
        with _s3_errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._s3_bucket, Prefix=full)
            async for page in pages:
                for item in page.get("Contents", []):
                    yield StoredObject(item["Key"].removeprefix(self._prefix), item["Size"], item["LastModified"])

    async def presign(
        self, key: str, *, ttl_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str | None:
        params: dict[str, Any] = {"Bucket": self._s3_bucket, "Key": self._prefix + checked_key(key)}
        if filename:
            params["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        if content_type:
            params["ResponseContentType"] = content_type
        with _s3_errors(key):
            life_s = min(ttl_s, await _session_life_s(self._signer))
            return await self._signer.generate_presigned_url("get_object", Params=params, ExpiresIn=life_s)

    async def _read(self, key: str, options: dict[str, Any]) -> AsyncIterator[bytes]:
        name = self._prefix + checked_key(key)
        with _s3_errors(key):
            try:
                response = await self._client.get_object(Bucket=self._s3_bucket, Key=name, **options)
            except ClientError as e:
                if _code(e) in {"416", "InvalidRange"}:
                    return
                raise
            async with response["Body"] as body:
                async for chunk in body.content.iter_chunked(CHUNK):
                    yield chunk

    async def _upload(self, key: str, source: Path | bytes, found: Digest, content_type: str) -> None:
        with _s3_errors(key):
            if isinstance(source, bytes):
                await self._put_whole(key, source, found, content_type)
            elif found.size > PART:
                await self._put_parts(key, source, found, content_type)
            else:
                await self._put_whole(key, await asyncio.to_thread(source.read_bytes), found, content_type)

    async def _put_whole(self, key: str, data: bytes, found: Digest, content_type: str) -> None:
        try:
            await self._client.put_object(
                Bucket=self._s3_bucket,
                Key=self._prefix + key,
                Body=data,
                ContentType=content_type,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(found.sha256)).decode(),
                Metadata={DIGEST_METADATA: found.sha256},
                IfNoneMatch="*",
            )
        except ClientError as e:
            await self._accept_same(key, found, e)

    async def _accept_same(self, key: str, found: Digest, e: ClientError) -> None:
        """Ignores the error if the key exists already with the same bytes."""
        if _code(e) not in _EXISTS:
            raise e
        existing = await self.stat(key)
        if existing is None or (existing.size, existing.sha256) != (found.size, found.sha256):
            raise exists(key) from e

    async def _put_parts(self, key: str, path: Path, found: Digest, content_type: str) -> None:
        target: dict[str, Any] = {"Bucket": self._s3_bucket, "Key": self._prefix + key}
        upload = await self._client.create_multipart_upload(
            **target, ContentType=content_type, ChecksumAlgorithm="SHA256", Metadata={DIGEST_METADATA: found.sha256}
        )
        target["UploadId"] = upload["UploadId"]
        try:
            parts = await self._send_parts(target, path, found.size)
            await self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
        except BaseException as e:
            with suppress(Exception):  # remaining parts are removed by the bucket's lifecycle rule
                await asyncio.shield(self._client.abort_multipart_upload(**target))
            if not isinstance(e, ClientError):
                raise
            await self._accept_same(key, found, e)

    async def _send_parts(self, target: dict[str, Any], path: Path, size: int) -> Sequence[CompletedPartTypeDef]:
        part_size = max(PART, -(-size // MAX_PARTS))
        slots = asyncio.Semaphore(CONCURRENT_PARTS)

        async def send(number: int) -> CompletedPartTypeDef:
            async with slots:
                data, checksum = await in_thread(partial(_part, path, (number - 1) * part_size, part_size))
                sent = await self._client.upload_part(**target, PartNumber=number, Body=data, ChecksumSHA256=checksum)
            return {"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum}

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(send(n)) for n in range(1, -(-size // part_size) + 1)]
        return [task.result() for task in tasks]


def _part(path: Path, start: int, size: int, _: threading.Event) -> tuple[bytes, str]:
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(size)
    return data, base64.b64encode(hashlib.sha256(data).digest()).decode()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _code(e: ClientError) -> str:
    return str(e.response.get("Error", {}).get("Code", ""))


@contextmanager
def _s3_errors(key: str) -> Iterator[None]:
    """Raises errors of S3, and of the connection to it, as RetakeError."""
    try:
        yield
    except RetakeError:
        raise
    except BaseExceptionGroup as group:  # of several parts of one upload: the first one counts
        raise _translate(key, group.exceptions[0]) from group
    except (ClientError, BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as e:
        raise _translate(key, e) from e


def _translate(key: str, e: BaseException) -> BaseException:
    match e:
        case ClientError() if _code(e) in _MISSING:
            return missing(key)
        case ClientError() if _code(e) in _DENIED:
            return Permanent("object_store_denied", f"The object store refuses access to {key}: {e}")
        case ClientError() if _code(e) == "EntityTooLarge":
            return too_large(5 << 40)
        case ClientError() | BotoCoreError() | aiohttp.ClientError() | OSError() | TimeoutError():
            if isinstance(e, _MISCONFIGURED):
                return Permanent(MISCONFIGURED, f"The object store is not configured correctly: {e}", _SET)
            if isinstance(e, NoCredentialsError):
                return Permanent("object_store_denied", f"There are no credentials for the object store: {e}", _SET)
            return Retryable("object_store_unavailable", f"The object store failed on {key}: {e!r}")
        case _:
            return e
