"""What users may bring is one list: whatever the gateway takes, the generator makes a version of."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from PIL import Image, TiffImagePlugin

from client import file_types
from client.script import pictures as client_pictures
from services.gateway.api.media_inspection import MediaInspector
from services.gateway.domain import uploads as gateway
from services.generator.media.uploads import ingest
from shared.contracts.values import AssetKind
from shared.core.errors import UserError
from shared.media import pictures as shared_pictures
from shared.media.file_type import PICTURES, SOUNDS, VIDEOS
from tests.support.films import ffmpeg
from tests.support.heic import heic

KINDS: Final = {"image": AssetKind.IMAGE, "video": AssetKind.VIDEO, "audio": AssetKind.MUSIC}


def picture(format: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        Image.effect_noise((96, 80), 40).convert("RGB").save(path, format)

    return make


def film(*options: str) -> Callable[[Path], None]:
    return lambda path: ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=12:duration=0.5", *options, path)


def sound(*options: str) -> Callable[[Path], None]:
    return lambda path: ffmpeg("-f", "lavfi", "-i", "sine=duration=0.5:sample_rate=44100", *options, path)


H264: Final = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
MADE: Final[dict[str, Callable[[Path], object]]] = {
    "image/jpeg": picture("JPEG"),
    "image/png": picture("PNG"),
    "image/webp": picture("WEBP"),
    "image/gif": picture("GIF"),
    "image/avif": picture("AVIF"),
    "image/tiff": picture("TIFF"),
    "image/bmp": picture("BMP"),
    "image/heic": lambda path: path.write_bytes(heic(Image.effect_noise((96, 80), 40))),
    "video/mp4": film(*H264, "-f", "mp4"),
    "video/quicktime": film(*H264, "-f", "mov"),
    "video/x-matroska": film(*H264, "-f", "matroska"),
    "video/webm": film("-c:v", "libvpx", "-f", "webm"),
    "video/x-msvideo": film("-c:v", "mpeg4", "-f", "avi"),
    "video/ogg": film("-c:v", "libtheora", "-f", "ogg"),
    "video/mp2t": film(*H264, "-f", "mpegts"),
    "video/mpeg": film("-c:v", "mpeg2video", "-r", "25", "-f", "vob"),
    "video/x-flv": film(*H264, "-f", "flv"),
    "audio/mpeg": sound("-f", "mp3"),
    "audio/wav": sound("-f", "wav"),
    "audio/flac": sound("-f", "flac"),
    "audio/ogg": sound("-c:a", "libopus", "-f", "ogg"),
    "audio/mp4": sound("-c:a", "aac", "-f", "ipod"),
    "audio/aac": sound("-c:a", "aac", "-f", "adts"),
    "audio/webm": sound("-c:a", "libopus", "-f", "webm"),
    "audio/x-matroska": sound("-c:a", "libopus", "-f", "matroska"),
    "audio/aiff": sound("-f", "aiff"),
    "audio/x-caf": sound("-f", "caf"),
    "audio/amr": sound("-c:a", "libopencore_amrnb", "-ar", "8000", "-f", "amr"),
    "audio/x-w64": sound("-f", "w64"),
    "audio/basic": sound("-f", "au"),
}


def test_every_type_that_is_taken_is_tried_and_said() -> None:
    assert set(MADE) == set(gateway.EXTENSIONS)
    said = f"{PICTURES} {VIDEOS} {SOUNDS}".lower().replace("jpeg", "jpg")
    assert [e for e in gateway.EXTENSIONS.values() if e not in said] == []


@pytest.mark.parametrize("content_type", MADE)
async def test_what_the_gateway_takes_becomes_a_version(content_type: str, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    MADE[content_type](path)
    kind = gateway.media_kind(content_type)
    said = gateway.sniff(path.read_bytes()[: gateway.SNIFFED_BYTES])
    assert said is not None
    found = await MediaInspector().inspect(said, path)
    assert found.content_type == content_type
    made = await ingest(path, KINDS[kind], tmp_path)
    assert made.path.stat().st_size > 0


@pytest.mark.parametrize("content_type", MADE)
def test_the_command_knows_files_as_the_gateway_does(content_type: str, tmp_path: Path) -> None:
    """Without the machine's list of suffixes, which slim images and macOS lack."""
    path = tmp_path / "no suffix"
    MADE[content_type](path)
    found = file_types.content_type(path)
    assert found == gateway.sniff(path.read_bytes()[: gateway.SNIFFED_BYTES])
    assert file_types.media_kind(found) in (None, gateway.media_kind(content_type))
    if content_type.startswith("video/"):
        assert file_types.may_be_film(found)


def test_every_door_has_the_same_limits() -> None:
    assert gateway.MAX_BYTES["image"] == client_pictures.MAX_BYTES
    assert client_pictures.MAX_PIXELS == shared_pictures.MAX_PIXELS
    assert set(client_pictures.TYPES.values()) == {t for t in gateway.EXTENSIONS if t.startswith("image/")}
    assert file_types.PICTURES == PICTURES


def test_what_only_begins_like_a_bitmap_is_none() -> None:
    assert gateway.sniff(b"BMW is no picture, whatever this begins with") is None
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "BMP")
    assert gateway.sniff(buffer.getvalue()[:64]) == "image/bmp"


REFUSED: Final[dict[str, bytes | Callable[[Path], object]]] = {
    "a Windows Media file (WMA or WMV)": sound("-c:a", "wmav2", "-f", "asf"),
    "an MXF file": film("-c:v", "mpeg2video", "-r", "25", "-f", "mxf"),
    "Dolby Digital sound (AC-3)": sound("-c:a", "ac3", "-f", "ac3"),
    "WavPack sound": sound("-c:a", "wavpack", "-f", "wv"),
    "a video stream without a container": film(*H264, "-f", "h264"),
    "a YUV4MPEG file": film("-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe"),
    "a JPEG 2000 picture": picture("JPEG2000"),
    "an icon": picture("ICO"),
    "a Photoshop document": b"8BPS\0\1" + bytes(40),
    "a JPEG XL picture": b"\xff\x0a" + bytes(40),
    "a camera's raw file": b"\0\0\0\x18ftypcrx " + bytes(40),
    "a PDF document": b"%PDF-1.7",
    "a MIDI file": b"MThd" + bytes(20),
}


@pytest.mark.parametrize("description", REFUSED)
async def test_what_is_not_taken_is_refused_by_name(description: str, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    make = REFUSED[description]
    path.write_bytes(make) if isinstance(make, bytes) else make(path)
    head = path.read_bytes()[: gateway.SNIFFED_BYTES]
    assert gateway.sniff(head) is None and file_types.content_type(path) is None
    assert gateway.refusal_reason(head) == f"This is {description}, which is not accepted."
    with pytest.raises(UserError) as refused:
        await ingest(path, AssetKind.VIDEO, tmp_path)
    assert description in refused.value.cause or "a document or an archive" in refused.value.cause


async def test_a_raw_file_is_no_photograph_however_small_its_preview(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"  # DNGVersion
    Image.effect_noise((160, 120), 40).convert("RGB").save(path, "TIFF", tiffinfo=tags)
    for refusal in (MediaInspector().inspect("image/tiff", path), ingest(path, AssetKind.IMAGE, tmp_path)):
        with pytest.raises(UserError, match="raw file") as refused:
            await refusal
        assert refused.value.recovery


async def test_sound_in_a_format_for_films_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "sound.ts"
    sound("-c:a", "aac", "-f", "mpegts")(path)
    with pytest.raises(UserError, match="only sound") as refused:
        await MediaInspector().inspect("video/mp2t", path)
    assert "MP3" in refused.value.recovery


async def test_a_camcorder_s_transport_stream_and_a_large_tiff_are_taken(tmp_path: Path) -> None:
    film_path, picture_path = tmp_path / "a.mts", tmp_path / "a.tif"
    film(*H264, "-mpegts_m2ts_mode", "1", "-f", "mpegts")(film_path)
    Image.effect_noise((96, 80), 40).save(picture_path, "TIFF", big_tiff=True)
    for path, kind in ((film_path, AssetKind.VIDEO), (picture_path, AssetKind.IMAGE)):
        said = gateway.sniff(path.read_bytes()[: gateway.SNIFFED_BYTES])
        assert said is not None
        assert (await MediaInspector().inspect(said, path)).width in (160, 96)
        assert (await ingest(path, kind, tmp_path)).path.stat().st_size > 0


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "x" * 100)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content_type", "more", "word"),
    [
        ("image/jpeg", b"PK\x03\x04<?php ?>", "ZIP"),
        ("image/jpeg", b"<?php system($_GET[0]); ?>", "program"),
        ("image/png", b"\n<script>alert(1)</script>", "web page"),
        ("image/gif", b"%PDF-1.7", "PDF"),
        ("image/webp", zipped(), "ZIP"),
        ("video/mp4", zipped(), "ZIP"),
    ],
)
async def test_a_file_that_is_two_things_is_refused_by_name(
    content_type: str, more: bytes, word: str, tmp_path: Path
) -> None:
    path = tmp_path / "upload"
    MADE[content_type](path)
    with path.open("ab") as file:
        file.write(more)
    with pytest.raises(UserError, match=word) as caught:
        await MediaInspector().inspect(content_type, path)
    assert "two things" in caught.value.cause and caught.value.recovery


async def test_a_telephones_moving_picture_is_taken(tmp_path: Path) -> None:
    path, film = tmp_path / "upload", tmp_path / "film"
    MADE["image/jpeg"](path)
    MADE["video/mp4"](film)
    path.write_bytes(path.read_bytes() + film.read_bytes())
    assert (await MediaInspector().inspect("image/jpeg", path)).width == 96
