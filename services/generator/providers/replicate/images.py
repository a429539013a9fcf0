"""A starting image as Replicate takes it: in the frame's shape, as a data URI if it is small, else as a file."""

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

from services.generator.commands.ports import Reference
from services.generator.domain.frames import Frame
from services.generator.media.photographs import COVER_LEAST, load_photograph
from services.generator.providers.replicate.settings import DATA_URI_MOST, FILE_MOST
from shared.core.clock import Clock
from shared.core.errors import UserError

LONGEST: Final = 2048  # no model here makes larger videos
REFERENCE_LONGEST: Final = 1280  # enough to know a face by
REFERENCES_KEPT: Final = 64  # addresses; as data URIs up to 256 kB each
QUALITY: Final = 92
KEPT: Final = 256
# Files are gone after 24 h; a prediction may wait for half an hour.
KEPT_S: Final = 20 * 3600.0

Upload = Callable[[str, bytes, str], Awaitable[str]]


class Images:
    """Each picture is fitted, and uploaded, once per content and frame."""

    def __init__(self, upload: Upload, clock: Clock) -> None:
        self._upload = upload
        self._clock = clock
        self._urls: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._references: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._one = asyncio.Semaphore(1)  # a decoded photograph takes up to a hundred megabytes

    async def reference(self, picture: Reference) -> str:
        """As it is, made smaller; encoded once per content, whichever runs ask for it."""
        known = self._references.get(picture.sha256)
        if known and self._clock.monotonic() < known[1]:
            return known[0]
        address = await self.address(picture.path, None, longest=REFERENCE_LONGEST)
        self._references[picture.sha256] = (address, self._clock.monotonic() + KEPT_S)
        while len(self._references) > REFERENCES_KEPT:
            self._references.popitem(last=False)
        return address

    async def address(self, path: Path, frame: Frame | None, *, longest: int = LONGEST) -> str:
        """Raises Permanent or UserError for a picture that cannot be sent."""
        async with self._one:
            data = await asyncio.to_thread(fitted, path, frame, longest)
        uri = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
        if len(uri) <= DATA_URI_MOST:
            return uri
        if len(data) > FILE_MOST:
            raise UserError("image_too_large", "The image is over 100 MB.", "Use a smaller one.")
        digest = hashlib.sha256(data).hexdigest()
        known = self._urls.get(digest)
        if known and self._clock.monotonic() < known[1]:
            return known[0]
        url = await self._upload(f"{digest[:16]}.jpg", data, "image/jpeg")
        self._urls[digest] = (url, self._clock.monotonic() + KEPT_S)
        while len(self._urls) > KEPT:
            self._urls.popitem(last=False)
        return url


def fitted(path: Path, frame: Frame | None, longest: int = LONGEST) -> bytes:
    """JPEG in the frame's shape: models that are given an image make their video in its shape, whatever else is asked.

    Cropped where enough of it stays in view, else set over a dark, blurred fill of itself. The same bytes every time.
    """
    photo = load_photograph(path, at_least=longest)
    if frame is not None:
        photo = _shaped(photo, frame)
    photo.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=QUALITY)
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
