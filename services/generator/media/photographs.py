"""Loads a photograph in any format as upright, opaque sRGB."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageCms, ImageOps

from services.generator.media.still_colour import StillColour, as_srgb, still_colour
from shared.media.pictures import opened, prepare

prepare()
COVER_LEAST: Final = 0.6
"""The smallest share of a photograph that may stay in view when it is cropped to cover a frame."""

_REDUCIBLE: Final = ("RGB", "RGBA", "L", "CMYK")


def load_photograph(path: Path, *, at_least: int) -> Image.Image:
    """Upright, opaque sRGB. A large JPEG is decoded at a fraction of its size, not below `at_least` pixels a side.

    Raises Permanent `image_unreadable` or `image_too_large`.
    """
    with opened(path) as source:
        source.draft("RGB", (at_least, at_least))
        smaller = min(source.size) // at_least
        photo = _reduced(source, smaller) if smaller > 1 else source
        photo.info = source.info
        ImageOps.exif_transpose(photo, in_place=True)
        return _flatten(_to_srgb(photo, source.format, still_colour(path, source.format)))


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Before anything else is made of it, so that one large picture at a time is in memory."""
    if image.mode in ("1", "P", "LA", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode in ("LA", "PA") else "RGB")
    return image.reduce(factor) if image.mode in _REDUCIBLE else image


def _to_srgb(image: Image.Image, form: str | None, colour: StillColour | None) -> Image.Image:
    """Phones write Display P3; read as sRGB its colours would fade. A profile that cannot be used is left out.

    Code points take precedence over a profile where they say HDR, and in PNG.
    """
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if values.max() > 255 else 255.0
        image = Image.fromarray(np.clip(values * 255 / top, 0, 255).astype(np.uint8), "L")
    if colour and (colour.is_hdr or not profile or form == "PNG"):
        return as_srgb(image, colour)
    if profile and image.mode in ("RGB", "CMYK", "RGBA"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            mode = "RGBA" if image.mode == "RGBA" else "RGB"
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
            image = converted or image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        clear = image.convert("RGBA")
        ground = Image.new("RGBA", clear.size, (24, 24, 26, 255))
        return Image.alpha_composite(ground, clear).convert("RGB")
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")
