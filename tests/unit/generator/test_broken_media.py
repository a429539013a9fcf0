"""Broken files of every kind: they are read, or refused in words, and nothing else ever comes out."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from services.generator.media.base import ComparisonFiles
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.media.playability import index_is_first, is_truncated, steady_rate
from shared.contracts.values import AssetKind
from shared.core.errors import Permanent, RetakeError
from shared.media.file_type import Form, sniff
from shared.media.probe import probe
from tests.support.films import ffmpeg

READ = 60  # mutations of each file that are looked into without decoding
DECODED = 2  # and with


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("seeds")
    found = {}
    for name, options in {
        "h264.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart"),
        "fragments.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "frag_keyframe+empty_moov"),
        "vp8.webm": ("-c:v", "libvpx", "-deadline", "realtime"),
        "mpeg4.avi": ("-c:v", "mpeg4"),
    }.items():
        path = folder / name
        ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=size=64x36:rate=12", "-f", "lavfi", "-i", "sine", "-t", "0.5", *options, path
        )
        found[name] = path.read_bytes()
    return found


def broken(data: bytes, chance: random.Random) -> bytes:
    """As transfers, disks and attackers leave files: cut, flipped, filled, repeated, with sizes that lie."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(max(1, len(changed)))
        match chance.randrange(6):
            case 0:
                del changed[at:]
            case 1:
                changed[at : at + 8] = chance.randbytes(8)
            case 2:
                changed[at : at + 64] = bytes(64)
            case 3:
                changed[at : at + 4] = chance.choice(
                    (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\0\0\0\0")
                )
            case 4:
                changed[at:at] = changed[: chance.randrange(512)]
            case _:
                head = chance.randrange(min(600, max(1, len(changed))))  # where the boxes and tables are
                changed[head : head + 1] = chance.randbytes(1)
    return bytes(changed)


def test_a_title_in_an_old_encoding_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "old.avi"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x36:rate=12:d=0.5", "-c:v", "mpeg4", "-metadata", "title=Xrger", path)
    path.write_bytes(path.read_bytes().replace(b"Xrger", "Ärger".encode("latin-1")))
    assert probe(path).frames == 6


@pytest.mark.parametrize("name", ["h264.mp4", "fragments.mp4", "vp8.webm", "mpeg4.avi"])
def test_looking_into_broken_files_ends_in_facts_or_in_words(
    name: str, seeds: dict[str, bytes], tmp_path: Path
) -> None:
    chance, path = random.Random(name), tmp_path / name
    told: list[Permanent] = []
    for _ in range(READ):
        path.write_bytes(broken(seeds[name], chance))
        form = sniff(path)
        if form is Form.MP4:
            assert index_is_first(path) in (True, False)
            assert is_truncated(path) in (True, False)
        if form.demuxer is None:
            continue
        for look in (probe, steady_rate):
            try:
                look(path)
            except Permanent as e:
                told.append(e)
    assert told, "nothing was broken enough"
    assert all(e.cause and e.recovery for e in told)


@pytest.mark.parametrize("name", ["h264.mp4", "vp8.webm", "mpeg4.avi"])
async def test_bringing_broken_files_ends_in_a_version_or_in_words(
    name: str, seeds: dict[str, bytes], tmp_path: Path
) -> None:
    chance, studio = random.Random(name * 2), FfmpegMediaProcessor()
    told: list[RetakeError] = []

    async def bring(number: int, data: bytes) -> None:
        work = tmp_path / str(number)
        work.mkdir()
        path = work / "brought"
        path.write_bytes(data)
        try:
            made = await studio.ingest(path, AssetKind.VIDEO, work)
            found = await studio.inspect(made.path, AssetKind.VIDEO, work, ComparisonFiles())
            assert found.media.frames
        except RetakeError as e:
            told.append(e)

    await asyncio.gather(*(bring(n, broken(seeds[name], chance)) for n in range(DECODED)))
    assert all(e.cause and e.recovery and not e.retryable for e in told), told
