"""Pictures as telephones, generation tools and editing programs write them, at the gateway and in the generator."""

from __future__ import annotations

import asyncio
import io
import resource
import struct
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image, PngImagePlugin

from services.gateway.api.media_inspection import MediaInspector
from services.gateway.domain import uploads as gateway
from services.generator.media.uploads import ingest
from shared.contracts.values import AssetKind
from shared.core.errors import UserError
from tests.support.heic import heic

ROOT: Final = Path(__file__).resolve().parents[3]
PHONE_50: Final = (8160, 6144)
PHONE_200: Final = (16320, 12288)
MOST_BYTES: Final = 1_600 << 20  # of one child that decodes 200 megapixels; it may have twice as much


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.effect_noise((size[0] // 24, size[1] // 24), 60).convert("RGB").resize(size)


async def encoded_apart(size: tuple[int, int], *, progressive: bool) -> bytes:
    """A JPEG of `noise`, made by a process of its own: the peak of a child includes that of the process that starts
    it."""
    code = "import sys; from tests.unit.shared.test_foreign_pictures import encoded, noise; "
    code += f"sys.stdout.buffer.write(encoded(noise({size}), 'JPEG', progressive={progressive}))"
    made = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    data, _ = await made.communicate()
    return data


def _largest_child() -> int:
    """Bytes that the largest child so far had in memory."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10


async def bring(data: bytes, tmp_path: Path) -> tuple[gateway.MediaFacts, Image.Image]:
    path = tmp_path / "brought"
    path.write_bytes(data)
    said = gateway.sniff(data[: gateway.SNIFFED_BYTES])
    assert said is not None
    found = await MediaInspector().inspect(said, path)
    made = await ingest(path, AssetKind.IMAGE, tmp_path)
    return found, Image.open(made.path)


@pytest.mark.parametrize(("size", "progressive"), [(PHONE_50, False), (PHONE_50, True), (PHONE_200, False)])
async def test_telephones_largest_pictures(size: tuple[int, int], progressive: bool, tmp_path: Path) -> None:
    before = _largest_child()
    found, made = await bring(await encoded_apart(size, progressive=progressive), tmp_path)
    assert (found.width, found.height) == size
    assert made.size == (4096, round(4096 * size[1] / size[0]))
    assert _largest_child() <= max(before, MOST_BYTES)  # another test's child may have been larger


async def test_a_picture_that_generation_tools_made(tmp_path: Path) -> None:
    """Their workflow is in a compressed text of megabytes, which is ignored."""
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "node " * 500_000, zip=True)
    text.add_itxt("prompt", "a cat " * 500_000, zip=True)
    found, made = await bring(encoded(noise((480, 320)), "PNG", pnginfo=text), tmp_path)
    assert (found.width, found.height) == made.size == (480, 320)


async def test_a_second_picture_behind_the_first(tmp_path: Path) -> None:
    picture = noise((480, 320))
    found, made = await bring(encoded(picture, "MPO", save_all=True, append_images=[picture.rotate(180)]), tmp_path)
    assert found.content_type == "image/jpeg"
    assert made.size == (480, 320)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_the_orientation_in_xmp_is_ignored_as_in_browsers(kind: str, tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    found, made = await bring(encoded(noise((480, 320)), kind, xmp=xmp), tmp_path)
    assert (found.width, found.height) == made.size == (480, 320)


@pytest.mark.parametrize("animation", ["PNG", "WEBP", "GIF"])
async def test_a_moving_picture_is_its_first(animation: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (96, 80), colour) for colour in ("red", "blue", "blue")]
    data = encoded(frames[0], animation, save_all=True, append_images=frames[1:], duration=100)
    _, made = await bring(data, tmp_path)
    red, _, blue = made.convert("RGB").getpixel((48, 40))  # type: ignore[misc]
    assert red > 230 and blue < 30


@pytest.mark.parametrize("seed", range(6))
async def test_a_broken_heic_is_refused_in_words_of_ours(seed: int, tmp_path: Path) -> None:
    data = bytearray(heic(Image.effect_noise((96, 80), 40)))
    at = 24 + seed * 31
    data[at : at + 12] = b"\xff" * 12
    path = tmp_path / "brought"
    path.write_bytes(data)
    told: list[UserError] = []
    for look in (MediaInspector().inspect("image/heic", path), ingest(path, AssetKind.IMAGE, tmp_path)):
        try:
            await look
        except UserError as refused:
            told.append(refused)
    for refused in told:
        assert str(tmp_path) not in refused.cause and "/" not in refused.cause
        assert refused.cause.startswith("The picture") and refused.recovery
        assert "gave up" not in refused.cause


async def test_colours_that_no_decoder_here_converts_are_told(tmp_path: Path) -> None:
    """BT.2020 with constant luminance, as in AVIF's test collections."""
    data = encoded(noise((416, 256)), "AVIF", quality=90, subsampling="4:4:4")
    at = data.index(b"colrnclx") + 8
    with pytest.raises(UserError, match="its decoder cannot convert its data") as refused:
        await bring(data[:at] + struct.pack(">HHH", 9, 16, 10) + data[at + 6 :], tmp_path)
    assert refused.value.recovery == "Save it as JPEG or PNG and use that."
