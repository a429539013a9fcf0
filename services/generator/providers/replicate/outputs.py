"""Downloads outputs from Replicate's own hosts, without the token. Replicate deletes them after an hour."""

from __future__ import annotations

import asyncio
import base64
import binascii
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

import httpx
import tenacity

from services.generator.providers.replicate.errors import RetryableByUser
from services.generator.providers.replicate.settings import ReplicateSettings
from shared.contracts.values import AssetKind
from shared.core.clock import Clock
from shared.core.errors import Retryable
from shared.media.file_type import Form, sniff

DELIVERY: Final = "replicate.delivery"
TOTAL_S: Final = 600.0
ATTEMPTS: Final = 4
MEBIBYTE: Final = 1 << 20
MAX_SIZE: Final = {
    AssetKind.VIDEO: 1024 * MEBIBYTE,
    AssetKind.STARTING_IMAGE: 100 * MEBIBYTE,
    AssetKind.IMAGE: 100 * MEBIBYTE,
    AssetKind.NARRATION: 500 * MEBIBYTE,
    AssetKind.MUSIC: 500 * MEBIBYTE,
}

_TYPES: Final = {
    Form.MP4: (".mp4", "video/mp4"),
    Form.MATROSKA: (".webm", "video/webm"),
    Form.WAV: (".wav", "audio/wav"),
    Form.MP3: (".mp3", "audio/mpeg"),
    Form.FLAC: (".flac", "audio/flac"),
    Form.OGG: (".ogg", "audio/ogg"),
}


def output_url(output: Any) -> str | None:
    """Models output a string, a list of strings, or an object with a `url`."""
    if isinstance(output, list):
        output = next((o for o in output if o), None)
    if isinstance(output, dict):
        output = output.get("url")
    return output if isinstance(output, str) and output else None


class OutputDownloads:
    """`transport` is for tests."""

    def __init__(
        self, settings: ReplicateSettings, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport

    async def fetch(self, url: str, kind: AssetKind, work: Path) -> tuple[Path, str]:
        """The file in `work` and its content type.

        Raises Permanent if it no longer exists, is on a foreign host or is too large, Retryable if it is unavailable.
        """
        raw = work / "output"
        if url.startswith("data:"):
            await asyncio.to_thread(raw.write_bytes, _inline(url, MAX_SIZE[kind]))
        else:
            self._check_host(url)
            await self._download(url, raw, MAX_SIZE[kind])
        suffix, content_type = await asyncio.to_thread(_type_of, raw)
        path = raw.with_suffix(suffix)
        raw.rename(path)
        return path, content_type

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        own = self._settings.host
        delivery = parts.scheme == "https" and (host == DELIVERY or host.endswith("." + DELIVERY))
        if parts.username or not (delivery or (parts.scheme, parts.netloc) == (own.scheme, own.netloc)):
            raise _foreign(host or "no host")

    async def _download(self, url: str, path: Path, most: int) -> None:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Retryable),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential(multiplier=1.0, max=10.0) + tenacity.wait_random(0, 0.5),
            sleep=self._clock.sleep,
            reraise=True,
        )
        await retrying(self._download_once, url, path, most)

    async def _download_once(self, url: str, path: Path, most: int) -> None:
        try:
            async with (
                asyncio.timeout(TOTAL_S),
                httpx.AsyncClient(
                    transport=self._transport,
                    follow_redirects=False,
                    timeout=httpx.Timeout(30.0, connect=10.0),
                    trust_env=not self._settings.is_local,
                ) as client,
            ):
                await _save(client, url, path, most)
        except (httpx.HTTPError, TimeoutError) as e:
            cause = f"The output could not be downloaded: {e or type(e).__name__}"
            raise Retryable("output_unreachable", cause) from e


async def _save(client: httpx.AsyncClient, url: str, path: Path, most: int) -> None:
    async with client.stream("GET", url, headers={"User-Agent": "Retake"}) as response:
        if response.status_code == 429 or response.status_code >= 500:
            raise Retryable("output_unreachable", f"The output's host answered {response.status_code}.")
        if response.is_redirect:
            raise _foreign(urlsplit(response.headers.get("location", "")).hostname or "another address")
        if response.status_code != 200:
            raise output_gone(f"its URL answered {response.status_code}")
        size = 0
        with path.open("wb") as file:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > most:
                    raise _too_large(most)
                await asyncio.to_thread(file.write, chunk)


def _too_large(most: int) -> RetryableByUser:
    return RetryableByUser(
        "output_too_large",
        f"The output is larger than {most >> 20} MiB.",
        "Request a shorter duration or a lower resolution.",
    )


def _foreign(host: str) -> RetryableByUser:
    return RetryableByUser(
        "output_foreign",
        f"The output is on {host}, which is not a host of Replicate.",
        "Report this to the operator; nothing was downloaded from there.",
    )


def output_gone(why: str) -> RetryableByUser:
    return RetryableByUser(
        "output_gone",
        f"The model's output no longer exists: {why}.",
        "Replicate deletes outputs after an hour. Regenerate.",
    )


def _inline(url: str, most: int) -> bytes:
    head, _, body = url.partition(",")
    if len(body) > most * 4 // 3 + 4:
        raise RetryableByUser(
            "output_too_large",
            f"The output is larger than {most >> 20} MiB.",
            "Request a shorter duration or a lower resolution.",
        )
    try:
        raw = unquote_to_bytes(body)
        return base64.b64decode(raw, validate=True) if head.endswith(";base64") else raw
    except (binascii.Error, ValueError):
        raise RetryableByUser("output_unreadable", "The output cannot be decoded.", "Regenerate.") from None


def _type_of(path: Path) -> tuple[str, str]:
    form = sniff(path)
    if form is not Form.PICTURE:
        return _TYPES.get(form, (".bin", "application/octet-stream"))
    with path.open("rb") as file:
        head = file.read(12)
    if head.startswith(b"\x89PNG"):
        return ".png", "image/png"
    return (".webp", "image/webp") if head[8:12] == b"WEBP" else (".jpg", "image/jpeg")
