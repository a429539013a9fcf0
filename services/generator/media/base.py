"""The ports of media tools, which tests replace, and what they return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.generator.providers.base import CandidateFile
from shared.contracts.values import AssetKind, Media, Quality

MediaCheck = Callable[[Media], None]
"""Raises if the file is not what was expected."""


@dataclass(frozen=True)
class Inspection:
    """What a file really contains, with files made from it: poster, filmstrip, last frame, and a proxy if browsers
    cannot play the file itself."""

    media: Media
    quality: Quality
    poster: Path | None = None
    filmstrip: Path | None = None
    proxy: Path | None = None
    last_frame: Path | None = None


@dataclass(frozen=True)
class ComparisonFiles:
    """What a new version is compared with: files of committed versions.

    `previous` shows how the segment before ends: the picture of its last frame, or its video if there is none.
    """

    starting_image: Path | None = None
    previous: Path | None = None


class MediaProcessor(Protocol):
    """Inspects media and converts uploads."""

    async def inspect(
        self,
        path: Path,
        kind: AssetKind,
        work: Path,
        comparison: ComparisonFiles,
        check: MediaCheck | None = None,
    ) -> Inspection:
        """Decodes the whole file. Raises Permanent for a file that does not decode, is empty or is not media.

        `check` runs on what the file's header says, before anything is decoded.
        """
        ...

    async def ingest(self, path: Path, kind: AssetKind, work: Path) -> CandidateFile:
        """A user's file made safe: pictures are re-encoded, videos and sound put into a container that browsers play.

        Raises UserError that says what is wrong with the file.
        """
        ...


class Downloads(Protocol):
    async def fetch(self, url: str, path: Path, *, max_size: int) -> None:
        """Raises UserError for an address or an answer that is not accepted, Retryable for a server that is down."""
        ...
