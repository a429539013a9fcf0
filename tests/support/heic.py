"""A HEIC picture, as telephones write it: no library that we use can, so its boxes are written here (ISO/IEC 23008-12).

The picture itself is the first frame of an HEVC video.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import av
from PIL import Image

from tests.support.films import ffmpeg


def heic(image: Image.Image, cicp: tuple[int, int, int] | None = None) -> bytes:
    """Width and height must be even. `cicp`: what the file says of its primaries, transfer and matrix."""
    configuration, data = _encoded(image)
    brands = _box("ftyp", b"heic" + bytes(4) + b"mif1heic")
    at = 0
    for _ in range(2):  # the second time it is known where the data begins
        meta = _meta(image.size, configuration, at, len(data), cicp)
        at = len(brands) + len(meta) + 8
    return brands + meta + _box("mdat", data)


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


def _meta(
    size: tuple[int, int], configuration: bytes, at: int, length: int, cicp: tuple[int, int, int] | None
) -> bytes:
    items = struct.pack(">H", 1) + _full("infe", 2, struct.pack(">HH4s", 1, 0, b"hvc1") + b"\0")
    colour = _box("colr", b"nclx" + struct.pack(">HHHB", *cicp, 0x80)) if cicp else b""
    properties = _box("ipco", _box("hvcC", configuration) + _full("ispe", 0, struct.pack(">II", *size)) + colour)
    associations = bytes([0x81, 0x02, 0x03] if cicp else [0x81, 0x02])
    used = _full("ipma", 0, struct.pack(">IHB", 1, 1, len(associations)) + associations)
    place = struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, at, length)
    return _full(
        "meta",
        0,
        _full("hdlr", 0, bytes(4) + b"pict" + bytes(13))
        + _full("pitm", 0, struct.pack(">H", 1))
        + _full("iloc", 0, place)
        + _full("iinf", 0, items)
        + _box("iprp", properties + used),
    )


def _box(name: str, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name.encode()) + body


def _full(name: str, version: int, body: bytes) -> bytes:
    return _box(name, bytes([version, 0, 0, 0]) + body)
