"""The limits of ffmpeg on an untrusted file: no other file, bounded time and resources, and clear errors."""

from __future__ import annotations

import asyncio
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from shared.core import isolation
from shared.core.errors import Permanent, Retryable, disk_full_is_retryable
from shared.core.isolation import enforced, without_network
from shared.core.processes import ResourceLimits, child, read_tail
from shared.media.ffmpeg import run_ffmpeg
from shared.media.graphs import Stream, arguments, generated, media_file
from shared.media.probe import probe
from tests.support.films import ffmpeg, video
from tests.support.waiting import eventually

ROOMY = ResourceLimits(memory=4 << 30, cpu_s=60, file_size=1 << 30)
ENDLESS = generated("testsrc2", size="1280x720", rate=24)


def decoded(source: Stream) -> list[str]:
    """Decodes everything and discards it."""
    return arguments(source.output("-", format="null"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def knocked(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def playlist(url: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n".encode()


def dressed(name: str, url: str) -> bytes:
    """Files that refer to others, plain or behind the first bytes of a harmless format."""
    box = b"\0\0\0\x14ftypisom\0\0\2\0isom"
    id3 = b"ID3\4\0\0\0\0\0\0"
    concat = f"ffconcat version 1.0\nfile '{url}'\n".encode()
    dash = f'<?xml version="1.0"?><MPD><BaseURL>{url}</BaseURL></MPD>'.encode()
    return {
        "hls": playlist(url), "hls behind a tag": id3 + playlist(url), "hls behind a box": box + playlist(url),
        "concat": concat, "concat behind a tag": id3 + concat, "dash": dash,
        "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
    }[name]  # fmt: skip


@pytest.mark.parametrize("scheme", ["http", "file", "tcp"])
@pytest.mark.parametrize(
    "name", ["hls", "hls behind a tag", "hls behind a box", "concat", "concat behind a tag", "dash", "sdp"]
)
async def test_a_list_of_other_files_dressed_as_a_film_opens_none_of_them(
    name: str, scheme: str, listener: socket.socket, tmp_path: Path
) -> None:
    other = video(tmp_path / "private.mp4", seconds=0.1, size="64x36")
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    path, out = tmp_path / "film.mp4", tmp_path / "out.rgb"
    path.write_bytes(dressed(name, f"file://{other}" if scheme == "file" else f"{scheme}://{host}/x.mp4"))
    with pytest.raises(Permanent) as looked:
        await asyncio.to_thread(probe, path)
    with pytest.raises(Permanent):
        await run_ffmpeg(arguments(media_file(path).output(str(out), format="rawvideo")), timeout_s=30)
    assert looked.value.code == "media_unreadable"
    assert looked.value.recovery
    assert not out.exists() or not out.stat().st_size
    assert not knocked(listener)


async def test_an_address_where_a_file_should_be_is_not_called(listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.mp4"
    with pytest.raises(Permanent):
        await run_ffmpeg(decoded(media_file(Path(url), {"format": "mov"})), timeout_s=30)
    assert not knocked(listener)


async def test_a_decoder_that_nobody_needs_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "old.avi"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x36:rate=12:d=0.2", "-c:v", "zmbv", path)
    with pytest.raises(Permanent, match="zmbv, which is not supported"):
        probe(path)
    with pytest.raises(Permanent, match="not on whitelist"):
        await run_ffmpeg(decoded(media_file(path)), timeout_s=30)


async def test_memory_is_limited(tmp_path: Path) -> None:
    source = video(tmp_path / "large.mp4", seconds=0.2, size="1920x1080")
    limits = ResourceLimits(memory=200 << 20, cpu_s=60, file_size=1 << 30)
    with pytest.raises(Retryable) as failure:
        await run_ffmpeg(decoded(media_file(source)), timeout_s=30, limits=limits)
    assert failure.value.code in ("out_of_memory", "ffmpeg_killed")  # parts of ffmpeg say so, others fall over
    assert "memory" in failure.value.recovery
    await run_ffmpeg(decoded(media_file(source)), timeout_s=30, limits=ROOMY)


async def test_the_size_of_a_file_is_limited(tmp_path: Path) -> None:
    limits, out = ResourceLimits(memory=4 << 30, cpu_s=60, file_size=1 << 20), tmp_path / "out.rgb"
    with pytest.raises(Permanent) as failure:
        await run_ffmpeg(arguments(ENDLESS.output(str(out), t=5, format="rawvideo")), timeout_s=30, limits=limits)
    assert failure.value.code == "file_too_large"
    assert out.stat().st_size <= 1 << 20


async def test_processor_time_is_limited_and_told_from_an_end() -> None:
    limits = ResourceLimits(memory=4 << 30, cpu_s=1, file_size=1 << 30)
    with pytest.raises(Retryable, match="1 s of processor time"):
        await run_ffmpeg(decoded(ENDLESS), timeout_s=60, limits=limits)


async def test_a_full_disk_is_reported() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with pytest.raises(Retryable) as failure:
        await run_ffmpeg(arguments(ENDLESS.output("/dev/full", t=1, format="rawvideo")), timeout_s=30)
    assert failure.value.code == "disk_full"
    assert "Free some space" in (failure.value.recovery or "")


def test_a_disk_that_is_full_for_our_own_writes_is_reported_and_nothing_else_is_hidden(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with pytest.raises(Retryable, match="The disk is full"), disk_full_is_retryable():
        Path("/dev/full").write_bytes(bytes(100_000))
    with pytest.raises(FileNotFoundError), disk_full_is_retryable():
        (tmp_path / "none" / "file").write_bytes(b"")


def pretend(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces ffmpeg with a script."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("RETAKE_FFMPEG", str(path))


async def test_a_crash_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path / "ffmpeg", "kill -SEGV $$", monkeypatch)
    with pytest.raises(Retryable, match="SIGSEGV") as failure:
        await run_ffmpeg([], timeout_s=30)
    assert failure.value.code == "ffmpeg_killed"


async def test_a_hang_is_found_long_before_the_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It still reports but makes no progress; its own child is stopped with it."""
    talk = "while :; do echo frame=7; echo out_time_us=1; sleep 0.05; done"
    pretend(tmp_path / "ffmpeg", f"sleep 600 & echo $! > {tmp_path}/pid; {talk}", monkeypatch)
    monkeypatch.setattr("shared.media.ffmpeg.STALL_S", 0.5)
    with pytest.raises(Retryable) as failure:
        await run_ffmpeg([], timeout_s=300, folder=tmp_path)
    assert failure.value.code == "ffmpeg_stalled"
    left = int((tmp_path / "pid").read_text())
    await eventually(lambda: not psutil.pid_exists(left) or psutil.Process(left).status() == "zombie", what="its end")


async def test_it_knows_no_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENERATOR_REPLICATE_TOKEN", "r8_hidden")
    pretend(tmp_path / "ffmpeg", "env >&2; ulimit -c >&2; exit 1", monkeypatch)
    with pytest.raises(Permanent) as failure:
        await run_ffmpeg([], timeout_s=30)
    said = failure.value.cause
    assert "hidden" not in said
    assert said.splitlines()[-1] == "0", "a core dump would hold what it read"


async def _exit_code(argv: list[str], **options: Any) -> int:
    async with child(argv, **options) as process:
        await read_tail(process.stderr)
        return await process.wait()


async def test_a_child_that_reads_untrusted_files_has_no_network() -> None:
    if not enforced().seccomp and not without_network():
        pytest.skip("this kernel or container gives neither seccomp filters nor network namespaces")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        call = [sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"]
        limits = ResourceLimits(memory=1 << 30, cpu_s=30, file_size=1 << 20)
        assert await _exit_code(call) == 0
        assert await _exit_code(call, limits=limits) != 0
        assert await _exit_code(call, offline=True) != 0


def test_where_no_namespace_can_be_made_it_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation.shutil, "which", lambda name: None)
    without_network.cache_clear()
    try:
        with capture_logs() as logs:
            assert without_network() == without_network() == ()
        assert [entry["event"] for entry in logs] == ["isolation.network_shared"]
    finally:
        without_network.cache_clear()
