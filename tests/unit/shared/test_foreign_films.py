"""Films as telephones, cameras and editing programs write them, and as nobody should."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from client.file_types import content_type, may_be_film
from services.compiler.rendering.video import VideoRenderer
from services.gateway.api import media_inspection
from services.gateway.api.media_inspection import MediaInspector
from services.gateway.domain import uploads as gateway
from services.generator.media.base import ComparisonFiles
from services.generator.media.film.cutter import FilmCutter
from services.generator.media.inspection import inspect
from services.generator.media.playability import sdr
from services.generator.media.uploads import ingest
from shared.contracts.values import AssetKind, Media, Output
from shared.core.errors import Permanent, UserError
from shared.media import sandbox
from shared.media.ffmpeg import ffmpeg_exe
from shared.media.graphs import media_file, moving_pictures
from shared.media.probe import probe
from shared.media.sandbox import open_media, packets
from tests.support.boxes import amplified, replaced
from tests.support.films import ffmpeg, render

PICTURES = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    ffmpeg(*PICTURES, *H264, "-g", "10", path)
    return path


async def bring(path: Path) -> Media:
    work = path.with_suffix(".work")
    work.mkdir()
    said = gateway.sniff(path.read_bytes()[: gateway.SNIFFED_BYTES])
    assert said is not None
    assert (await MediaInspector().inspect(said, path)).content_type == said
    made = await ingest(path, AssetKind.VIDEO, work)
    return (await inspect(made.path, AssetKind.VIDEO, work, ComparisonFiles(), None)).media


async def test_media_data_that_only_claim_to_be_longer(film: Path) -> None:
    data = bytearray(film.read_bytes())
    at = data.index(b"mdat") - 4
    index = data.index(b"moov") - 4
    struct.pack_into(">I", data, at, len(data) + 5_000 - at)  # reaches over the index, too: that is put first
    head = bytes(data[:at])
    moved = index - at
    moov = bytes(data[index:])
    table = moov.index(b"stco") + 12
    count = struct.unpack_from(">I", moov, table - 4)[0]
    offsets = [n + len(moov) for n in struct.unpack_from(f">{count}I", moov, table)]
    moov = moov[:table] + struct.pack(f">{count}I", *offsets) + moov[table + 4 * count :]
    film.write_bytes(head + moov + bytes(data[at : at + moved]))
    assert (await bring(film)).frames == 50
    film.write_bytes(film.read_bytes()[:-2_000])
    with pytest.raises(Permanent, match="truncated"):
        await inspect(film, AssetKind.VIDEO, film.parent, ComparisonFiles(), None)


async def test_a_turned_film_whose_first_picture_is_no_key_frame(film: Path) -> None:
    turned = film.with_name("turned.mp4")
    ffmpeg("-display_rotation", "90", "-i", film, "-c", "copy", turned)
    turned.write_bytes(replaced(turned.read_bytes(), {b"stss": struct.pack(">IIII", 0, 2, 11, 21)}))
    found = await bring(turned)
    assert (found.width, found.height) == (180, 320)


async def test_a_cameras_motion_jpeg_with_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    for number in range(10):
        Image.effect_noise((160, 120), 60).convert("RGB").save(tmp_path / f"{number}.jpg", exif=exif)
    path = tmp_path / "camera.avi"
    ffmpeg("-framerate", "10", "-i", tmp_path / "%d.jpg", "-c", "copy", path)
    found = await bring(path)
    assert (found.width, found.height, found.duration_s) == (160, 120, pytest.approx(1.0, abs=0.11))


async def test_an_old_telephones_film(tmp_path: Path) -> None:
    path = tmp_path / "old"
    ffmpeg(*PICTURES, "-c:v", "h263", "-vf", "scale=176:144,setsar=1", "-f", "3gp", path)
    assert may_be_film(content_type(path))
    found = await bring(path)
    assert (found.width, found.height) == (176, 144)


async def test_the_reason_is_the_decoders_in_words(film: Path) -> None:
    data = bytearray(film.read_bytes())
    at = data.index(b"mdat") + 4 + 3 * (data.index(b"moov") - data.index(b"mdat")) // 4
    data[at : at + 3_000] = b"\x00\x00\x7f\xff" * 750
    film.write_bytes(data)
    for kind, refused in ((Permanent, inspect(film, AssetKind.VIDEO, film.parent, ComparisonFiles(), None)),
                          (UserError, _brought(film))):  # fmt: skip
        with pytest.raises(kind) as told:
            await refused
        assert "fps" not in told.value.cause and "=" not in told.value.cause and "/" not in told.value.cause
        assert "KiB" not in told.value.cause and "encoder" not in told.value.cause


async def _brought(film: Path) -> None:
    work = film.with_suffix(".made")
    work.mkdir()
    made = await ingest(film, AssetKind.VIDEO, work)
    try:
        await inspect(made.path, AssetKind.VIDEO, work, ComparisonFiles(), None)
    except Permanent as e:
        raise UserError(e.code, e.cause, e.recovery) from e


def test_display_p3_with_the_curve_of_srgb(tmp_path: Path) -> None:
    """A patch of (42, 180, 60) in sRGB, as an editing program exports it."""
    to_p3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
    light = (np.array([42, 180, 60]) / 255 + 0.055) / 1.055
    stored = 1.055 * (to_p3 @ light**2.4) ** (1 / 2.4) - 0.055
    pixels = np.tile(np.round(stored * 255).astype(np.uint8), (320 * 180, 1)).tobytes() * 5
    path, out = tmp_path / "p3.mov", tmp_path / "sdr.mp4"
    command = [
        ffmpeg_exe(),
        "-v",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        "320x180",
        "-r",
        "5",
        "-i",
        "-",
    ]
    command += [
        "-vf",
        "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int",
        *H264,
        "-qp",
        "4",
    ]
    command += ["-x264-params", "colorprim=smpte432:transfer=iec61966-2-1:colormatrix=bt709", str(path)]
    subprocess.run(command, input=pixels, check=True)
    found = probe(path)
    assert found.colour == (1, 13, 12)
    render(sdr(moving_pictures(media_file(path)), found, 320, 180).output(str(out), **{"c:v": "libx264", "qp": 4}))
    shown = subprocess.run(
        [ffmpeg_exe(), "-v", "error", "-i", str(out), "-frames:v", "1", "-vf",
         "scale=in_color_matrix=bt709:in_range=tv:flags=accurate_rnd+full_chroma_int,format=rgb24",
         "-f", "rawvideo", "-"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    middle = np.frombuffer(shown, np.uint8).reshape(180, 320, 3)[90, 160].astype(int)
    assert np.abs(middle - [42, 180, 60]).max() <= 2, middle


@pytest.mark.parametrize(("chunks", "samples", "size"), [(100, 20_000, 1), (20_000, 10, 400)])
async def test_an_index_that_multiplies_the_file_is_refused_soon(
    chunks: int, samples: int, size: int, film: Path
) -> None:
    data = amplified(film.read_bytes(), chunks=chunks, samples_per_chunk=samples, sample_bytes=size)
    film.write_bytes(data)
    work = film.with_name("work")
    work.mkdir()
    assert len(data) < 400_000
    began = time.monotonic()
    for refused in (
        MediaInspector().inspect("video/mp4", film),
        ingest(film, AssetKind.VIDEO, film.parent),
        inspect(film, AssetKind.VIDEO, film.parent, ComparisonFiles(), None),
        FilmCutter().open(film, work, lambda share: None),
        # A stored version that turns out like this: the size of the film, so that its index is read, too.
        VideoRenderer().conform(film, Output(width=320, height=180), work / "piece"),
    ):
        with pytest.raises((UserError, Permanent)):
            await refused
    assert time.monotonic() - began < 60
    assert sum(p.stat().st_size for p in film.parent.rglob("*") if p.is_file()) < 2 * len(data)


def test_an_index_of_too_many_pictures_is_not_followed_to_its_end(film: Path) -> None:
    film.write_bytes(amplified(film.read_bytes(), chunks=51, samples_per_chunk=20_000, sample_bytes=1))
    with open_media(film) as container, pytest.raises(Permanent, match="more than 1,000,000 packets"):
        next(packets(container, container.streams.video[0]))


def test_packets_are_counted_where_no_index_counts_pictures(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MOST_PACKETS", 20)
    for uncounted in (film.with_name("film.mkv"), film.with_name("sound.wav")):
        sound = uncounted.suffix == ".wav"
        ffmpeg(*(("-f", "lavfi", "-i", "sine=d=5") if sound else ("-i", film, "-c", "copy")), uncounted)
        with open_media(uncounted) as container:
            found = packets(container, container.streams[0])
            assert len([next(found) for _ in range(20)]) == 20
            with pytest.raises(Permanent, match="more than 20 packets"):
                next(found)


async def test_files_wait_for_their_turn_to_be_looked_into(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0

    async def look(kind: str, path: Path) -> dict[str, Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return {"width": 1, "height": 1}

    monkeypatch.setattr(media_inspection, "_look", look)
    inspector = MediaInspector(at_once=2)
    await asyncio.gather(*(inspector.inspect("image/png", film) for _ in range(9)))
    assert most == 2
