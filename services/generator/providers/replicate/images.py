"""Prepares images as inputs: in the frame's shape, as a data URI if they are small, else as an uploaded file."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from services.generator.domain.frames import Frame
from services.generator.media.photographs import COVER_LEAST, load_photograph
from services.generator.providers.base import Reference
from services.generator.providers.replicate.settings import MAX_DATA_URI, MAX_FILE
from shared.core.clock import Clock
from shared.core.errors import UserError

LONGEST_SIDE: Final = 2048  # pixels; no model of the catalogue makes larger videos
REFERENCE_LONGEST_SIDE: Final = 1280  # pixels; enough to recognise a face
JPEG_QUALITY: Final = 92
MAX_REFERENCES: Final = 64  # cached URLs; data URIs have up to 256 kB each
MAX_FILES: Final = 256  # cached URLs
# Replicate deletes files after 24 h; a prediction may wait for half an hour.
CACHED_FOR_S: Final = 20 * 3600.0

Upload = Callable[[str, bytes, str], Awaitable[str]]


class InputImages:
    """Fits and uploads each image once per content and frame."""

    def __init__(self, upload: Upload, clock: Clock) -> None:
        self._upload = upload
        self._clock = clock
        self._urls: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._references: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._one_at_a_time = asyncio.Semaphore(1)  # a decoded photograph takes up to a hundred megabytes

    async def reference_url(self, picture: Reference) -> str:
        """The picture in its own shape, made smaller; cached by content for all runs."""
        known = self._references.get(picture.sha256)
        if known and self._clock.monotonic() < known[1]:
            return known[0]
        url = await self.url(picture.path, None, longest=REFERENCE_LONGEST_SIDE)
        self._references[picture.sha256] = (url, self._clock.monotonic() + CACHED_FOR_S)
        while len(self._references) > MAX_REFERENCES:
            self._references.popitem(last=False)
        return url

    async def url(self, path: Path, frame: Frame | None, *, longest: int = LONGEST_SIDE) -> str:
        """Raises Permanent or UserError for an image that cannot be used."""
        async with self._one_at_a_time:
            data = await asyncio.to_thread(fitted, path, frame, longest)
        uri = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
        if len(uri) <= MAX_DATA_URI:
            return uri
        if len(data) > MAX_FILE:
            raise UserError("image_too_large", "The image is larger than 100 MB.", "Use a smaller one.")
        digest = hashlib.sha256(data).hexdigest()
        known = self._urls.get(digest)
        if known and self._clock.monotonic() < known[1]:
            return known[0]
        url = await self._upload(f"{digest[:16]}.jpg", data, "image/jpeg")
        self._urls[digest] = (url, self._clock.monotonic() + CACHED_FOR_S)
        while len(self._urls) > MAX_FILES:
            self._urls.popitem(last=False)
        return url


def fitted(path: Path, frame: Frame | None, longest: int = LONGEST_SIDE) -> bytes:
    """A JPEG in the frame's shape, because models make a video in the shape of its starting image.

    The image is cropped if enough of it stays in view, else placed on a dark, blurred fill of itself. Deterministic.
    """
    photo = load_photograph(path, at_least=longest)
    if frame is not None:
        photo = _shaped(photo, frame)
    photo.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _shaped(photo: Image.Image, frame: Frame) -> Image.Image:
    share = (photo.width / photo.height) / frame.aspect
    if abs(share - 1) < 0.005:
        return photo
    size = (frame.width, frame.height)
    covering = ImageOps.fit(photo, size, Image.Resampling.LANCZOS)
    if COVER_LEAST <= share <= 1 / COVER_LEAST:
        return covering
    fill = ImageEnhance.Brightness(covering.filter(ImageFilter.GaussianBlur(frame.short_side / 24))).enhance(0.5)
    whole = ImageOps.contain(photo, size, Image.Resampling.LANCZOS)
    fill.paste(whole, ((frame.width - whole.width) // 2, (frame.height - whole.height) // 2))
    return fill
