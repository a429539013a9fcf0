"""One suite for the object store, run against every adapter."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from shared.contracts.topics import Service
from shared.contracts.values import ObjectRef
from shared.core.errors import DependencyMissing, Permanent, Retryable, UserError
from shared.core.ids import new_id
from shared.objects import Objects, StoredObject, directory, open_objects, s3
from shared.objects.proof import open_proven_objects
from shared.objects.s3 import PART
from tests.support.gcs import ACCOUNT, GcsServer, service_account
from tests.support.s3 import S3Server
from tests.support.waiting import eventually

BUCKET = "retake-tests"


@pytest.fixture(
    params=[
        "directory",
        pytest.param("s3", marks=pytest.mark.component("s3_server")),
        pytest.param("gs", marks=pytest.mark.component("gcs_server")),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store."""
    if request.param == "directory":
        return f"file://{tmp_path}/the store"
    server: S3Server | GcsServer
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        request.getfixturevalue("s3_bucket")
    else:
        server = request.getfixturevalue("gcs_server")
        request.getfixturevalue("gcs_bucket")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return f"{request.param}://{BUCKET}/{new_id()}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gcs_bucket(gcs_server: GcsServer) -> None:
    await gcs_server.create_bucket(BUCKET)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def s3_bucket(s3_server: S3Server) -> None:
    import aioboto3

    e = s3_server.environment
    async with aioboto3.Session().client(
        "s3",
        endpoint_url=e["AWS_ENDPOINT_URL_S3"],
        region_name=e["AWS_REGION"],
        aws_access_key_id=e["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=e["AWS_SECRET_ACCESS_KEY"],
    ) as client:
        await client.create_bucket(Bucket=BUCKET)


@pytest_asyncio.fixture
async def objects(url: str, tmp_path: Path) -> AsyncIterator[Objects]:
    async with open_objects(url, Service.GENERATOR, work_dir=tmp_path) as found:
        yield found


def key() -> str:
    return f"versions/{new_id()}/content.bin"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


async def listed(objects: Objects, prefix: str = "") -> dict[str, StoredObject]:
    return {found.key: found async for found in objects.own.list(prefix)}


def file_of(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [0, 1, 100_000, PART + 3])
async def test_a_file_comes_back_as_it_went_in(objects: Objects, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    ref = await objects.own.put_file(k := key(), file_of(tmp_path / "in", data), "video/mp4")
    assert ref == ObjectRef(bucket="generator", key=k, size=size, sha256=sha256(data), content_type="video/mp4")
    assert (tmp_path / "in").read_bytes() == data

    await objects.of(ref.bucket).fetch(ref, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    assert await whole(objects.own.read(k)) == data
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "the store") == ["in", "out"]


async def test_moving_a_file_leaves_nothing_behind(objects: Objects, tmp_path: Path) -> None:
    ref = await objects.own.put_file(key(), file_of(tmp_path / "in", b"moved"), "text/plain", move=True)
    assert not (tmp_path / "in").exists()
    assert await whole(objects.own.read(ref.key)) == b"moved"


async def test_a_checksum_taken_while_the_file_was_written_is_kept(objects: Objects, tmp_path: Path) -> None:
    known = sha256(b"written")
    ref = await objects.own.put_file(key(), file_of(tmp_path / "in", b"written"), "text/plain", move=True, sha256=known)
    assert (ref.sha256, ref.size) == (known, 7)
    await objects.own.fetch(ref, tmp_path / "out")


async def test_bytes_and_streams_come_back(objects: Objects) -> None:
    a = await objects.own.put_bytes(key(), b"abc", "text/plain")
    b = await objects.own.put_stream(key(), stream(b"ab", b"", b"c"), "text/plain", max_size=3)
    assert a.sha256 == b.sha256 == sha256(b"abc")
    assert await whole(objects.own.read(b.key)) == b"abc"


async def test_a_stream_that_is_too_long_is_the_users_error_and_leaves_nothing(
    objects: Objects, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="too_large"):
        await objects.own.put_stream(key(), stream(b"abc", b"d"), "text/plain", max_size=3)
    assert await listed(objects) == {}
    assert list(tmp_path.rglob("writing-*")) == []


async def test_a_stream_that_breaks_leaves_nothing(objects: Objects, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 3_000_000
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await objects.own.put_stream(key(), broken(), "text/plain", max_size=10_000_000)
    assert await listed(objects) == {}
    assert list(tmp_path.rglob("writing-*")) == []


@pytest.mark.parametrize("size", [5, PART + 3])
async def test_a_key_is_written_once(objects: Objects, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    first = await objects.own.put_file(k := key(), file_of(tmp_path / "a", data), "text/plain")
    again = await objects.own.put_file(k, file_of(tmp_path / "a", data), "text/plain")
    assert again == first
    with pytest.raises(Permanent, match="object_exists"):
        await objects.own.put_file(k, file_of(tmp_path / "b", b"y" + data[1:]), "text/plain")
    with pytest.raises(Permanent, match="object_exists"):
        await objects.own.put_bytes(k, b"other", "text/plain")
    with pytest.raises(Permanent, match="object_exists"):
        await objects.own.put_stream(k, stream(b"other"), "text/plain", max_size=100)
    assert await whole(objects.own.read(k)) == data


async def test_of_many_writers_of_one_key_one_wins(objects: Objects) -> None:
    k = key()
    bodies = [f"writer {i}".encode() for i in range(8)]
    said = await asyncio.gather(
        *(objects.own.put_bytes(k, body, "text/plain") for body in bodies), return_exceptions=True
    )
    won = [s for s in said if isinstance(s, ObjectRef)]
    lost = [s for s in said if isinstance(s, Permanent) and s.code == "object_exists"]
    assert (len(won), len(lost)) == (1, 7)
    assert sha256(await whole(objects.own.read(k))) == won[0].sha256


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (3, 4, b"3456"),
        (8, 10, b"89"),
        (0, 1, b"0"),
        (9, 1, b"9"),
        (10, None, b""),
        (50, 5, b""),
        (4, 0, b""),
    ],
)
async def test_ranges(objects: Objects, start: int, length: int | None, expected: bytes) -> None:
    ref = await objects.own.put_bytes(key(), b"0123456789", "text/plain")
    assert await whole(objects.own.read(ref.key, start, length)) == expected


async def test_a_range_of_a_large_object(objects: Objects, tmp_path: Path) -> None:
    data = os.urandom(PART + 1000)
    ref = await objects.own.put_file(key(), file_of(tmp_path / "in", data), "video/mp4")
    assert await whole(objects.own.read(ref.key, PART - 500, 1000)) == data[PART - 500 : PART + 500]
    assert await whole(objects.own.read(ref.key, 1000, 3_000_000)) == data[1000:3_001_000]


async def test_what_is_missing_is_said_to_be(objects: Objects, tmp_path: Path) -> None:
    k = key()
    gone = ObjectRef(bucket="generator", key=k, size=1, sha256="0" * 64, content_type="text/plain")
    assert await objects.own.stat(k) is None
    with pytest.raises(Permanent, match="object_missing"):
        await objects.own.fetch(gone, tmp_path / "out")
    with pytest.raises(Permanent, match="object_missing"):
        await whole(objects.own.read(k))
    assert not (tmp_path / "out").exists()
    await objects.own.delete(k)


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"size": 99}])
async def test_bytes_that_are_not_those_of_the_reference_never_appear(
    objects: Objects, tmp_path: Path, change: dict[str, Any]
) -> None:
    ref = await objects.own.put_bytes(key(), b"abc", "text/plain")
    with pytest.raises(Retryable, match="object_corrupt"):
        await objects.own.fetch(ref.model_copy(update=change), tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir() if p.name != "the store"] == []


async def test_stat_list_and_delete(objects: Objects) -> None:
    refs = [await objects.own.put_bytes(f"pieces/{i}/{new_id()}", b"x" * i, "text/plain") for i in range(3)]
    other = await objects.own.put_bytes(key(), b"other", "text/plain")

    assert {k: s.size for k, s in (await listed(objects)).items()} == {r.key: r.size for r in [*refs, other]}
    assert set(await listed(objects, "pieces/")) == {r.key for r in refs}
    assert set(await listed(objects, "pieces/1")) == {refs[1].key}
    assert set(await listed(objects, "nothing/")) == set()
    stat = await objects.own.stat(refs[2].key)
    assert stat is not None
    assert stat.size == 2
    assert stat.sha256 in (None, refs[2].sha256)
    assert stat.content_type in (None, "text/plain")
    assert stat.modified.tzinfo is not None

    await objects.own.delete(*(r.key for r in refs), key())
    assert set(await listed(objects)) == {other.key}
    assert await objects.own.stat(refs[0].key) is None


async def test_many_objects_are_listed_and_deleted(objects: Objects) -> None:
    keys = [f"pieces/{i:04}/{new_id()}" for i in range(1_010)]
    for i in range(0, len(keys), 50):
        await asyncio.gather(*(objects.own.put_bytes(k, b"x", "text/plain") for k in keys[i : i + 50]))
    assert set(await listed(objects)) == set(keys)
    await objects.own.delete(*keys)
    assert await listed(objects) == {}


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "a/",
        ".hidden",
        "a/.b",
        "a\\b",
        "a b",
        "a\x00b",
        "ä",
        "a" * 201,
        "a/" * 401 + "a",
        "a\n",
    ],
)
async def test_keys_that_we_did_not_make_are_refused(objects: Objects, tmp_path: Path, bad: str) -> None:
    ref = ObjectRef(bucket="generator", key=bad, size=1, sha256="0" * 64, content_type="text/plain")
    for attempt in (
        lambda: objects.own.put_bytes(bad, b"x", "text/plain"),
        lambda: objects.own.fetch(ref, tmp_path / "out"),
        lambda: whole(objects.own.read(bad)),
        lambda: objects.own.stat(bad),
        lambda: objects.own.delete(bad),
        lambda: objects.own.presign(bad, ttl_s=60),
    ):
        with pytest.raises(Permanent, match="bad_key"):
            await attempt()
    with pytest.raises(Permanent, match="bad_key"):
        objects.own.local_path(bad)


async def test_another_services_bucket_is_read_and_never_written(url: str, objects: Objects, tmp_path: Path) -> None:
    async with open_objects(url, Service.GATEWAY) as gateways:
        ref = await gateways.own.put_bytes(key(), b"upload", "image/png")
    uploads = objects.of(ref.bucket)
    assert await whole(uploads.read(ref.key)) == b"upload"
    assert await objects.own.stat(ref.key) is None, "buckets do not share keys"
    for attempt in (
        lambda: uploads.put_bytes(key(), b"x", "text/plain"),
        lambda: uploads.put_file(key(), file_of(tmp_path / "x", b"x"), "text/plain", move=True),
        lambda: uploads.put_stream(key(), stream(b"x"), "text/plain", max_size=9),
        lambda: uploads.delete(ref.key),
    ):
        with pytest.raises(Permanent, match="foreign_bucket"):
            await attempt()
    assert (tmp_path / "x").exists()
    with pytest.raises(Permanent, match="unknown_bucket"):
        objects.of("studio")


async def test_cancelling_a_copy_leaves_nothing(objects: Objects, tmp_path: Path) -> None:
    path = tmp_path / "in"
    with path.open("wb") as file:
        file.truncate(300_000_000)
    task = asyncio.create_task(objects.own.put_file(key(), path, "video/mp4"))
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await listed(objects) == {}
    assert list(tmp_path.rglob("writing-*")) == []


async def test_a_url_for_browsers(objects: Objects, url: str, request: pytest.FixtureRequest) -> None:
    ref = await objects.own.put_bytes(key(), b"0123456789", "text/plain")
    signed = await objects.own.presign(ref.key, ttl_s=60, filename='a "film" ü.mp4', content_type="video/mp4")
    assert await objects.link_origin() == (signed and "/".join(signed.split("/")[:3]))
    if url.startswith("file:"):
        assert signed is None
        assert (path := objects.own.local_path(ref.key))
        assert path.read_bytes() == b"0123456789"
        return
    assert signed is not None
    assert objects.own.local_path(ref.key) is None

    with await asyncio.to_thread(urllib.request.urlopen, signed) as answer:
        assert answer.read() == b"0123456789"
        assert answer.headers["Content-Type"] == "video/mp4"
        assert answer.headers["Content-Disposition"] == ("attachment; filename*=UTF-8''a%20%22film%22%20%C3%BC.mp4")
    part = urllib.request.Request(signed, headers={"Range": "bytes=2-4"})
    with await asyncio.to_thread(urllib.request.urlopen, part) as answer:
        assert (answer.status, answer.read()) == (206, b"234")

    if url.startswith("gs:"):
        _has_a_signature_of_google(signed, request.getfixturevalue("gcs_server").public_key, life_s=60)
        return
    if not request.getfixturevalue("s3_server").checks_signatures:
        pytest.skip("s3: moto checks no signatures")
    other = await objects.own.put_bytes(key(), b"secret", "text/plain")
    for bad in (signed.replace(ref.key, other.key), signed.replace("Expires=60", "Expires=90")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            await asyncio.to_thread(urllib.request.urlopen, bad)
    brief = await objects.own.presign(ref.key, ttl_s=1)
    assert brief is not None
    await eventually(lambda: asyncio.to_thread(_refused, brief), every=0.1, what="the end of the URL's time")


def _has_a_signature_of_google(url: str, key: rsa.RSAPublicKey, *, life_s: int) -> None:
    """As https://cloud.google.com/storage/docs/authentication/signatures defines it; the emulator checks none."""
    address, query = url.split("?")
    host, path = address.removeprefix("http://").split("/", 1)
    signed, signature = query.split("&X-Goog-Signature=")
    fields = dict(parse_qsl(query))
    scope = f"{fields['X-Goog-Date'][:8]}/auto/storage/goog4_request"
    assert fields["X-Goog-Credential"] == f"{ACCOUNT}/{scope}"
    assert fields["X-Goog-Expires"] == str(life_s)
    assert fields["X-Goog-SignedHeaders"] == "host"
    assert signed.split("&") == sorted(signed.split("&"))
    canonical = "\n".join(["GET", f"/{path}", signed, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"])
    text = "\n".join(["GOOG4-RSA-SHA256", fields["X-Goog-Date"], scope, sha256(canonical.encode())])
    key.verify(bytes.fromhex(signature), text.encode(), padding.PKCS1v15(), SHA256())


def _refused(url: str) -> bool:
    try:
        urllib.request.urlopen(url).close()
    except urllib.error.HTTPError as e:
        return e.code == 403
    return False


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_a_store_that_is_away_is_worth_another_try(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = "http://127.0.0.1:9"
    server = S3Server(away, checks_signatures=True) if scheme == "s3" else GcsServer(away, service_account(tmp_path))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    async with open_objects(f"{scheme}://b/p", Service.REVIEW) as objects:
        with pytest.raises(Retryable, match="object_store_unavailable"):
            await whole(objects.own.read(key()))


async def test_an_upload_in_parts_that_fails_leaves_no_parts(
    s3_server: S3Server, s3_bucket: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    send = s3._part

    def fail_at_the_third(path: Path, start: int, size: int, stop: threading.Event) -> tuple[bytes, str]:
        if start == 2 * PART:
            raise OSError(5, "Input/output error")
        return send(path, start, size, stop)

    path = tmp_path / "in"
    with path.open("wb") as file:
        file.truncate(3 * PART)
    async with open_objects(f"s3://{BUCKET}/{new_id()}", Service.REVIEW) as objects:
        monkeypatch.setattr(s3, "_part", fail_at_the_third)
        with pytest.raises(Retryable, match="object_store_unavailable"):
            await objects.own.put_file(key(), path, "video/mp4", move=True)
        assert path.exists()
        assert await listed(objects) == {}
        assert isinstance(objects.own, s3.S3Store)
        left = await objects.own._client.list_multipart_uploads(Bucket=BUCKET)
        assert left.get("Uploads", []) == []


async def test_wrong_credentials_and_buckets_are_not_retried(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not s3_server.checks_signatures:
        pytest.skip("s3: moto checks no signatures")
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    async with open_objects("s3://no-such-bucket/p", Service.REVIEW) as objects:
        with pytest.raises(Permanent, match="object_store_denied"):
            await objects.own.put_bytes(key(), b"x", "text/plain")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    async with open_objects(f"s3://{BUCKET}/p", Service.REVIEW) as objects:
        with pytest.raises(Permanent, match="object_store_denied"):
            await objects.own.stat(key())


async def test_a_bucket_of_google_that_is_not_there_is_not_retried(
    gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in gcs_server.environment.items():
        monkeypatch.setenv(name, value)
    async with open_objects("gs://no-such-bucket/p", Service.REVIEW) as objects:
        with pytest.raises(Permanent, match="object_store_denied"):
            await objects.own.put_bytes(key(), b"x", "text/plain")


@pytest.mark.parametrize("bad", ["", "/tmp/x", "file://host/x", "file:x", "s3:///x", "gs:///x", "https://bucket/x"])
async def test_urls_that_name_no_store(bad: str) -> None:
    with pytest.raises(UserError, match="bad_objects_url"):
        async with open_objects(bad, Service.REVIEW):
            pass


async def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    incoming = tmp_path / "generator" / ".incoming"
    incoming.mkdir(parents=True)
    old, new = file_of(incoming / "writing-old", b"x"), file_of(incoming / "writing-new", b"x")
    os.utime(old, (0, 0))
    async with open_objects(f"file://{tmp_path}", Service.GENERATOR) as objects:
        assert await listed(objects) == {}
    assert (old.exists(), new.exists()) == (False, True)


async def test_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    async with open_objects(f"file://{tmp_path}", Service.GENERATOR) as objects:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(Retryable, match="object_store_full"):
            await objects.own.put_bytes(key(), b"x", "text/plain")
        monkeypatch.undo()
        assert await listed(objects) == {}
        assert list(tmp_path.rglob("writing-*")) == []


async def test_a_deletion_that_takes_an_empty_directory_stops_no_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last object of a directory goes, and the directory with it, just when another is written there."""
    real = directory._sync_directory
    taken: list[Path] = []

    def sync(path: Path) -> None:
        if path.name == "a" and not taken:
            (path / "b").rmdir()
            path.rmdir()
            taken.append(path)
        real(path)

    monkeypatch.setattr(directory, "_sync_directory", sync)
    async with open_objects(f"file://{tmp_path}", Service.GENERATOR) as objects:
        await objects.own.put_bytes("a/b/c", b"x", "text/plain")
        assert taken
        assert list(await listed(objects)) == ["a/b/c"]


@pytest_asyncio.fixture
async def forgetful(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A server that takes what is written and knows no conditions, like S3 before 2024."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next((int(v) for k, v in _headers(head) if k == "content-length"), 0)
                if any(k == "expect" for k, _ in _headers(head)):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await reader.readexactly(length)
                writer.write(b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n')
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name, value in S3Server(url, checks_signatures=False).environment.items():
            monkeypatch.setenv(name, value)
        yield


def _headers(head: bytes) -> Iterator[tuple[str, str]]:
    for line in head.decode().split("\r\n")[1:]:
        name, _, value = line.partition(":")
        yield name.lower(), value.strip()


async def test_a_store_that_writes_over_objects_is_refused(forgetful: None) -> None:
    with pytest.raises(DependencyMissing, match=r"object_store_overwrites: .*If-None-Match") as told:
        async with open_proven_objects("s3://b/p", Service.REVIEW):
            pass
    assert told.value.dependency == "objects"
    assert "REVIEW_OBJECTS_URL" in told.value.recovery


async def test_a_store_that_writes_once_is_proven_by_several_and_nothing_is_left(url: str, tmp_path: Path) -> None:
    async def prove() -> dict[str, StoredObject]:
        async with open_proven_objects(url, Service.REVIEW, work_dir=tmp_path):
            await asyncio.sleep(0)
        async with open_objects(url, Service.REVIEW) as objects:
            return await listed(objects, "probe/")

    await asyncio.gather(prove(), prove(), prove())
    assert await prove() == {}


async def test_a_bucket_is_waited_for_and_found_once_it_is_there(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not s3_server.checks_signatures:
        pytest.skip("s3: moto checks no signatures")
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"late-{uuid.uuid4().hex}"

    async def told(code: str) -> str:
        with pytest.raises(DependencyMissing, match=code) as missing:
            async with open_proven_objects(f"s3://{bucket}/p", Service.COMPILER):
                pass
        again = str(missing.value)
        with pytest.raises(DependencyMissing) as same:
            async with open_proven_objects(f"s3://{bucket}/p", Service.COMPILER):
                pass
        assert str(same.value) == again, "the same cause has the same words, so that the log says it once"
        return f"{again} {missing.value.recovery}"

    assert "NoSuchBucket" in (words := await told("object_store_denied")) and "COMPILER_OBJECTS_URL" in words
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        assert "http://127.0.0.1:9" in await told("object_store_unavailable")
    async with open_objects(f"s3://{bucket}/p", Service.COMPILER) as objects:
        assert isinstance(objects.own, s3.S3Store)
        await objects.own._client.create_bucket(Bucket=bucket)
    with monkeypatch.context() as wrong:
        wrong.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        assert "credentials" in await told("object_store_denied")
    async with open_proven_objects(f"s3://{bucket}/p", Service.COMPILER) as objects:
        assert await listed(objects) == {}


async def test_settings_with_which_no_store_can_be_used_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in S3Server("http://127.0.0.1:9", checks_signatures=True).environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Permanent, match="object_store_misconfigured") as told:
        async with open_proven_objects("s3://no$bucket/p", Service.REVIEW):
            pass
    assert "Invalid bucket name" in told.value.cause
    assert "the bucket's name" in told.value.recovery
    with pytest.raises(UserError, match="bad_objects_url"):
        async with open_proven_objects("ftp://b", Service.REVIEW):
            pass


async def test_a_folder_that_cannot_be_had_is_waited_for(tmp_path: Path) -> None:
    file_of(tmp_path / "occupied", b"")
    with pytest.raises(DependencyMissing, match="Not a directory"):
        async with open_proven_objects(f"file://{tmp_path}/occupied/x", Service.REVIEW):
            pass
