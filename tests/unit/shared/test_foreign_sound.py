"""Sound as telephones, browsers, editing programs and text-to-speech services write it: all of it is a narration."""

from __future__ import annotations

import io
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from services.gateway.api.media_inspection import MediaInspector
from services.gateway.domain import uploads as gateway
from services.generator.media.base import ComparisonFiles
from services.generator.media.inspection import inspect
from services.generator.media.uploads import ingest
from shared.contracts.values import AssetKind
from shared.core.errors import Permanent, UserError
from shared.media.ffmpeg import ffmpeg_exe
from tests.support.sounds import read_sound

SECONDS: Final = 3.0
TONE: Final = ("-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS:g}:sample_rate=44100")


def written(*options: str) -> bytes:
    """To a file, whose header the writer completes at the end."""
    path = Path("tone.part")
    subprocess.run([ffmpeg_exe(), "-v", "error", "-y", *TONE, *options, str(path)], check=True)
    return path.read_bytes()


def piped(*options: str) -> bytes:
    """To a pipe, where no writer can go back to its header."""
    command = [ffmpeg_exe(), "-v", "error", *TONE, *options, "pipe:1"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def wave(sizes: int, *, extra: bytes = b"") -> bytes:
    """A WAV of 16 bits in stereo, with these sizes in its header."""
    tone = (np.sin(np.arange(int(SECONDS * 24_000)) * 0.1) * 8_000).astype("<i2")
    data = np.repeat(tone, 2).tobytes() + extra
    out = io.BytesIO()
    out.write(
        b"RIFF" + struct.pack("<I", sizes) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 24_000, 96_000, 4, 16)
    )
    out.write(b"data" + struct.pack("<I", sizes) + data)
    return out.getvalue()


MP3: Final = ("-id3v2_version", "3", "-metadata", "title=tone", "-f", "mp3")
MADE: Final[dict[str, tuple[str, Callable[[], bytes]]]] = {
    **{
        f"MP4 {brand}": ("audio/mp4", lambda brand=brand: written("-c:a", "aac", "-brand", brand, "-f", "mp4"))  # type: ignore[misc]
        for brand in ("mp42", "isom", "3gp4", "dash", "M4V ", "M4A ")
    },
    "MP4 fragments": ("audio/mp4", lambda: piped("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4")),
    "MOV": ("audio/mp4", lambda: written("-c:a", "pcm_s16le", "-f", "mov")),
    "browser's WebM": ("audio/webm", lambda: piped("-c:a", "libopus", "-f", "webm", "-live", "1")),
    "browser's MKV": ("audio/x-matroska", lambda: piped("-c:a", "libopus", "-f", "matroska", "-live", "1")),
    "piped WAV": ("audio/wav", lambda: piped("-f", "wav")),
    "WAV without sizes": ("audio/wav", lambda: wave(0)),
    "SoX's WAV": ("audio/wav", lambda: wave(0x7FFFF000)),
    "WAV within a sample": ("audio/wav", lambda: wave(0xFFFFFFFF, extra=b"\1\2\3")),
    "RF64": ("audio/wav", lambda: written("-rf64", "always", "-f", "wav")),
    "BW64": ("audio/wav", lambda: b"BW64" + written("-rf64", "always", "-f", "wav")[4:]),
    "piped RF64": ("audio/wav", lambda: piped("-rf64", "always", "-f", "wav")),
    "piped FLAC": ("audio/flac", lambda: piped("-f", "flac")),
    "tagged AAC": ("audio/aac", lambda: written("-metadata", "title=x", "-write_id3v2", "1", "-f", "adts")),
    "tagged MP3": ("audio/mpeg", lambda: written(*MP3)),
    "MP3 and a line end": ("audio/mpeg", lambda: written(*MP3) + b"\n"),
    "padded MP3": ("audio/mpeg", lambda: written(*MP3) + bytes(512)),
    "MP3 that breaks off": ("audio/mpeg", lambda: written("-write_xing", "0", "-f", "mp3")[:-60]),
    "MP3 with a foreign tag": ("audio/mpeg", lambda: written(*MP3) + b"LYRICSBEGIN" + b"la " * 60),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def upload(path: Path) -> gateway.MediaFacts:
    said = gateway.sniff(path.read_bytes()[: gateway.SNIFFED_BYTES])
    assert said is not None
    return await MediaInspector().inspect(said, path)


@pytest.mark.parametrize("name", MADE)
async def test_it_is_a_narration_of_three_seconds(name: str, tmp_path: Path) -> None:
    content_type, make = MADE[name]
    path = tmp_path / "brought"
    path.write_bytes(make())
    found = await upload(path)
    assert found.content_type == content_type
    assert found.duration == pytest.approx(SECONDS, abs=0.1)
    made = await ingest(path, AssetKind.NARRATION, tmp_path)
    media = (await inspect(made.path, AssetKind.NARRATION, tmp_path, ComparisonFiles(), None)).media
    assert media.duration_s == pytest.approx(SECONDS, abs=0.06)
    assert media.width is None and media.loudness_lufs is not None


@pytest.mark.parametrize("name", ["piped WAV", "WAV without sizes", "browser's WebM", "piped FLAC", "padded MP3"])
async def test_a_providers_output_of_the_kind_is_kept(name: str, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_bytes(MADE[name][1]())
    media = (await inspect(path, AssetKind.NARRATION, tmp_path, ComparisonFiles(), None)).media
    assert media.duration_s == pytest.approx(SECONDS, abs=0.1)


async def test_joined_files_last_as_long_as_both(tmp_path: Path) -> None:
    """The second one's tag is no sound, and costs none."""
    parts = written(*MP3), written("-write_id3v1", "1", "-write_apetag", "1", *MP3)
    bare = written("-id3v2_version", "0", "-write_id3v1", "0", "-f", "mp3")
    lengths = []
    for number, data in enumerate((parts[1] + parts[0], bare * 2)):
        path = tmp_path / f"joined{number}"
        path.write_bytes(data)
        work = tmp_path / str(number)
        work.mkdir()
        made = await ingest(path, AssetKind.NARRATION, work)
        lengths.append(len(read_sound(made.path)))
    assert lengths[0] == lengths[1]
    assert lengths[0] / 48_000 == pytest.approx(2 * SECONDS, abs=0.1)


async def test_a_film_named_as_sound_is_a_film(tmp_path: Path) -> None:
    path = tmp_path / "film"
    picture = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=12")
    path.write_bytes(written(*picture, "-t", "1", "-c:v", "libx264", "-c:a", "aac", "-f", "ipod"))
    assert (await upload(path)).content_type == "video/mp4"


async def test_sound_that_is_mostly_rubbish_is_refused_in_words(tmp_path: Path) -> None:
    data = bytearray(written("-write_xing", "0", "-f", "mp3"))
    for at in range(2_000, len(data) - 400, 800):
        data[at : at + 400] = b"\x55" * 400
    path = tmp_path / "broken"
    path.write_bytes(data)
    with pytest.raises(UserError) as refused:
        await ingest(path, AssetKind.NARRATION, tmp_path)
    assert "=" not in refused.value.cause and str(tmp_path) not in refused.value.cause


async def test_wave_that_was_cut_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    data = wave(0)
    path.write_bytes(data[:40] + struct.pack("<I", len(data) - 44) + data[44 : len(data) // 2])
    with pytest.raises(Permanent):
        await inspect(path, AssetKind.NARRATION, tmp_path, ComparisonFiles(), None)
