"""The plan of `retake film`, complete and checked before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from client.cli.exit_codes import UsageError
from client.script.document import Document, EpisodeDirections, Segment, SegmentDirections, picture_paths, read_document
from client.script.pictures import Photograph, check, expand
from client.script.source import read_source

MOVES = (
    "Slowly push in",
    "Drift slowly to the right",
    "Slowly pull back",
    "Pan slowly to the left",
    "Tilt slowly up",
    "Drift slowly to the left",
)
"""Directions for photographs without a script: neighbours never have the same camera move."""

MUSIC = "warm and calm"
STYLES = ("cut", "fade", "dissolve")


@dataclass(frozen=True)
class Plan:
    """`pictures` by the index of their segment. `transition` None: each boundary as in the script."""

    document: Document
    pictures: dict[int, Photograph]
    warnings: list[str]
    transition: str | None
    has_music: bool


def make_plan(
    photos: list[Path],
    script: Path | None,
    music: str | None,
    no_music: bool,
    title: str | None,
    seconds: float,
    transition: str | None,
    episode: str | None,
) -> Plan:
    """The plan of these options. Raises UsageError, ScriptError or PictureError, which lists all problems."""
    if transition is not None and transition not in STYLES:
        raise UsageError(f"Unknown transition: {transition!r}.", f"Choose one of: {', '.join(STYLES)}.")
    if music and no_music:
        raise UsageError("--music and --no-music exclude each other.", "Omit one of them.")
    if episode:
        if photos or script:
            raise UsageError("An existing episode already has its pictures.", "Omit PHOTOS and --script.")
        return Plan(Document(title="-", segments=[Segment()]), {}, [], transition, not no_music)
    files, left_out = expand(photos)
    if script:
        document, warnings = read_script(script)
        pictures = _fill(document, picture_paths(document, script), files)
    elif files:
        document, warnings = _of_photos(len(files), seconds), []
        pictures = dict(enumerate(files))
    else:
        raise UsageError("No photographs and no script.", "Give files or a folder, or --script FILE.")
    checked = dict(zip(pictures, check(pictures.values()), strict=True))
    document = _with_options(document, music or (None if script else MUSIC), no_music, title)
    own = any(s.transition_after for s in document.segments)
    has_music = bool(document.directions and document.directions.music)
    return Plan(document, checked, [*left_out, *warnings], transition or (None if own else "dissolve"), has_music)


def read_script(script: Path) -> tuple[Document, list[str]]:
    """The document in a file, and warnings about it. Raises ScriptError."""
    document, warnings = read_document(read_source(script))
    return document, [str(w) for w in warnings]


def _of_photos(count: int, seconds: float) -> Document:
    segments = [
        Segment(duration=seconds, directions=SegmentDirections(video=MOVES[i % len(MOVES)])) for i in range(count)
    ]
    return Document(title="Film", segments=segments)


def _fill(document: Document, named: dict[int, Path], files: list[Path]) -> dict[int, Path]:
    """Assign the photographs, in order, to the segments without a picture of their own."""
    free = [i for i, s in enumerate(document.segments) if s.starting_image is None and s.starting_image_url is None]
    if len(files) > len(free):
        raise UsageError(
            f"There are {len(files)} photographs, but only {len(free)} segments without a picture of their own.",
            "Omit some photographs, or add segments to the script.",
        )
    return dict(sorted({**named, **dict(zip(free, files, strict=False))}.items()))


def _with_options(document: Document, music: str | None, no_music: bool, title: str | None) -> Document:
    changes: dict[str, object] = {}
    if title:
        changes["title"] = title
    if no_music:
        changes["directions"] = None
    elif music:
        changes["directions"] = EpisodeDirections(music=music)
    return document.model_copy(update=changes)
