"""Colours of stills that say them by code points. What is right is what Chromium 156 shows on an sRGB screen."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.generator.media.photographs import load_photograph
from tests.support.heic import heic

GRAYS = (0, 64, 96, 128, 148, 160, 192, 224, 255)
COLOURS = ((150, 80, 60), (60, 150, 80), (70, 70, 150), (180, 170, 90))
PATCH = 16

# By primaries and transfer: the gray values, and the colours' values, in Chromium.
SHOWN = {
    (9, 16): ((0, 30, 70, 132, 187, 213, 255, 255, 255), ((240, 0, 0), (0, 204, 0), (0, 30, 203), (255, 201, 0))),
    (12, 16): ((0, 30, 70, 132, 187, 213, 255, 255, 255), ((211, 22, 0), (0, 197, 0), (36, 36, 201), None)),
    (9, 18): ((0, 43, 71, 99, 120, 135, 189, 228, 255), ((137, 49, 40), (0, 125, 54), (41, 48, 112), (175, 149, 59))),
    (9, 13): (GRAYS, ((180, 65, 54), (0, 157, 68), (59, 69, 156), (190, 169, 72))),
    (12, 13): (GRAYS, ((161, 75, 54), (0, 152, 71), (70, 70, 155), (182, 170, 76))),
    (1, 13): (GRAYS, COLOURS),
}  # fmt: skip


def patches(mode: str = "RGB") -> Image.Image:
    colours = [(g, g, g) for g in GRAYS] + [*COLOURS, (0, 0, 0)]
    picture = np.repeat(np.array([colours], np.uint8), PATCH, axis=1).repeat(4 * PATCH, axis=0)
    return Image.fromarray(picture, "RGB").convert(mode)


def shown(path: Path) -> list[tuple[int, ...]]:
    loaded = load_photograph(path, at_least=4096)
    seen = np.asarray(loaded)[2 * PATCH, PATCH // 2 :: PATCH]
    return [tuple(int(v) for v in value) for value in seen]


def png(path: Path, picture: Image.Image, cicp: tuple[int, int], peak: float | None = None) -> None:
    out = io.BytesIO()
    picture.save(out, "PNG")
    data = out.getvalue()
    chunks = _chunk(b"cICP", bytes([*cicp, 0, 1]))
    if peak:
        chunks += _chunk(b"cLLI", struct.pack(">II", int(peak * 10_000), 1_000_000))
    path.write_bytes(data[:33] + chunks + data[33:])


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@pytest.mark.parametrize("cicp", SHOWN)
def test_png_is_shown_as_browsers_show_it(cicp: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    png(path, patches(), cicp)
    grays, colours = SHOWN[cicp]
    seen = shown(path)
    assert [value[0] for value in seen[: len(GRAYS)]] == pytest.approx(grays, abs=2)
    for value, right in zip(seen[len(GRAYS) :], colours, strict=False):
        assert right is None or value == pytest.approx(right, abs=3)


def test_a_picture_that_is_less_bright_than_usual_is_toned_down_less(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    png(path, patches(), (9, 16), peak=203)
    assert shown(path)[3][0] == pytest.approx(182, abs=3), "nothing is brighter than white"


def test_hdr_keeps_its_transparency(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    clear = patches("RGBA")
    clear.putalpha(0)
    png(path, clear, (9, 16))
    assert set(shown(path)) == {(24, 24, 26)}, "the ground that transparent pictures get"


@pytest.mark.parametrize("cicp", [(9, 16), (9, 18), (12, 13)])
def test_avif_and_heic_are_shown_as_png(cicp: tuple[int, int], tmp_path: Path) -> None:
    avif, phone, still = tmp_path / "a.avif", tmp_path / "a.heic", tmp_path / "a.png"
    out = io.BytesIO()
    patches().save(out, "AVIF", quality=100, subsampling="4:4:4")
    data = out.getvalue()
    at = data.index(b"colrnclx") + 8
    avif.write_bytes(data[:at] + struct.pack(">HH", *cicp) + data[at + 4 :])
    phone.write_bytes(heic(patches(), (*cicp, 6)))
    png(still, patches(), cicp)
    right = np.array(shown(still)[: len(GRAYS)], float)
    assert np.abs(np.array(shown(avif)[: len(GRAYS)]) - right).mean() < 4
    assert np.abs(np.array(shown(phone)[: len(GRAYS)]) - right).mean() < 6, "PQ magnifies what HEVC loses"


def test_a_telephone_s_gain_map_leaves_the_picture_as_it_is(tmp_path: Path) -> None:
    """Ultra HDR: a JPEG that every program shows, and behind it the map by which others brighten it."""
    path = tmp_path / "a.jpg"
    gain = Image.new("L", (52, 32), 255).convert("RGB")
    patches().save(path, "MPO", save_all=True, append_images=[gain], quality=95, subsampling=0)
    seen = np.array(shown(path)[: len(GRAYS)], float)
    assert np.abs(seen[:, 0] - np.array(GRAYS)).max() <= 4


def test_a_gain_map_in_heic_leaves_the_picture_as_it_is(tmp_path: Path) -> None:
    plain, mapped = tmp_path / "plain.heic", tmp_path / "mapped.heic"
    gain = Image.new("L", (104, 64), 255).convert("RGB")
    plain.write_bytes(heic(patches()))
    mapped.write_bytes(heic(patches(), gain_map=gain))
    assert b"hdrgainmap" in mapped.read_bytes()
    assert shown(mapped) == shown(plain)
    assert np.abs(np.array(shown(mapped)[: len(GRAYS)], float)[:, 0] - np.array(GRAYS)).max() <= 6
