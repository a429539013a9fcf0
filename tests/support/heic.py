"""A HEIC picture, as telephones write it: no library that we use can, so its boxes are written here (ISO/IEC 23008-12).

The picture itself is the first frame of an HEVC video.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
from PIL import Image

from tests.support.films import ffmpeg

GAIN_MAP: Final = b"urn:com:apple:photo:2020:aux:hdrgainmap"


@dataclass(frozen=True)
class _Item:
    """`properties` are the item's own; `aux` says what it is of the first item."""

    properties: Sequence[bytes]
    data: bytes
    aux: bool = False


def heic(image: Image.Image, cicp: tuple[int, int, int] | None = None, gain_map: Image.Image | None = None) -> bytes:
    """Width and height must be even. `cicp`: what the file says of its primaries, transfer and matrix. `gain_map`: by
    which a telephone's own programs brighten the picture."""
    colour = [_box("colr", b"nclx" + struct.pack(">HHHB", *cicp, 0x80))] if cicp else []
    items = [_item(image, colour)]
    if gain_map:
        items.append(_item(gain_map, [_full("auxC", 0, GAIN_MAP + b"\0")], aux=True))
    brands = _box("ftyp", b"heic" + bytes(4) + b"mif1heic")
    at = 0
    for _ in range(2):  # the second time it is known where the data begins
        meta = _meta(items, at)
        at = len(brands) + len(meta) + 8
    return brands + meta + _box("mdat", b"".join(item.data for item in items))


def _item(image: Image.Image, more: Sequence[bytes], *, aux: bool = False) -> _Item:
    configuration, data = _encoded(image)
    size = _full("ispe", 0, struct.pack(">II", *image.size))
    return _Item([_box("hvcC", configuration), size, *more], data, aux)


def _encoded(image: Image.Image) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "a.png", Path(folder) / "a.mp4"
        image.convert("RGB").save(source)
        ffmpeg(
            "-i",
            source,
            "-vf",
            "scale=out_color_matrix=bt601:out_range=pc",
            "-c:v",
            "libx265",
            "-pix_fmt",
            "yuvj420p",
            "-x265-params",
            "log-level=none:crf=12",
            "-tag:v",
            "hvc1",
            out,
        )
        with av.open(str(out)) as container:
            stream = container.streams.video[0]
            packet = next(container.demux(stream))
            return bytes(stream.codec_context.extradata or b""), bytes(packet)


def _meta(items: Sequence[_Item], at: int) -> bytes:
    infos, places, used, references = [], [], [], b""
    properties: list[bytes] = []
    for number, item in enumerate(items, 1):
        infos.append(_full("infe", 2, struct.pack(">HH4s", number, 0, b"hvc1") + b"\0"))
        places.append(struct.pack(">HHHII", number, 0, 1, at, len(item.data)))
        at += len(item.data)
        own = range(len(properties) + 1, len(properties) + len(item.properties) + 1)
        properties += item.properties
        # The decoder's configuration and what an auxiliary picture is are essential.
        essential = [n | 0x80 if n == own[0] or (item.aux and n == own[-1]) else n for n in own]
        used.append(struct.pack(">HB", number, len(own)) + bytes(essential))
        if item.aux:
            references += _box("auxl", struct.pack(">HHH", number, 1, 1))
    return _full(
        "meta",
        0,
        _full("hdlr", 0, bytes(4) + b"pict" + bytes(13))
        + _full("pitm", 0, struct.pack(">H", 1))
        + _full("iloc", 0, struct.pack(">BBH", 0x44, 0, len(items)) + b"".join(places))
        + _full("iinf", 0, struct.pack(">H", len(items)) + b"".join(infos))
        + (_full("iref", 0, references) if references else b"")
        + _box(
            "iprp",
            _box("ipco", b"".join(properties)) + _full("ipma", 0, struct.pack(">I", len(items)) + b"".join(used)),
        ),
    )


def _box(name: str, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name.encode()) + body


def _full(name: str, version: int, body: bytes) -> bytes:
    return _box(name, bytes([version, 0, 0, 0]) + body)
