"""Signing a film: wall seconds for its manifest, compared with the sha256 of the same file, which every signature
needs.

90 MB, as a few minutes of 1080p; ten versions with manifests of their own as ingredients. Medians of five runs.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench._films import ffmpeg
from bench._report import save, table
from shared.media.c2pa import Claim, Ingredient, sign
from shared.media.signing_identity import identity_from

RUNS: Final = 5
BYTES: Final = 90_000_000
PARTS: Final = 10


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        rows = _measure(Path(folder))
    floor = rows[0][1]
    table("signing a film of 90 MB", ["", "wall s", "times sha256"], [[what, s, s / floor] for what, s in rows])
    print(f"raw numbers: {save('signing', {'bytes': BYTES, 'rows': [{'what': w, 'wall_s': s} for w, s in rows]})}")


def _measure(folder: Path) -> list[tuple[str, float]]:
    identity = identity_from(None, None, folder / "signing")
    plain, part, film = folder / "plain.mp4", folder / "part.mp4", folder / "film.mp4"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=640x360:rate=24:duration=5",
        "-c:v",
        "libx264",
        "-preset",
        "superfast",
        "-movflags",
        "+faststart",
        plain,
    )
    _padded(plain, film, BYTES)
    made = Claim("Segment", "video/mp4", "algorithmicMedia", "animatic/camera")
    sign(plain, part, made, identity)
    parts = [Ingredient(f"Segment {n}: video", "video/mp4", part) for n in range(1, PARTS + 1)]
    composed = Claim("Film", "video/mp4", "composite", ingredients=parts)
    target = folder / "signed.mp4"
    return [
        ("sha256 of the film", _timed(lambda: _digest(film))),
        ("the film, signed", _timed(lambda: sign(film, target, composed, identity))),
        (f"a version of {plain.stat().st_size / 1e6:.1f} MB", _timed(lambda: sign(plain, target, made, identity))),
    ]


def _padded(source: Path, target: Path, size: int) -> None:
    """The same film with padding at its end (a `free` box): only the number of bytes matters for hashing."""
    data = source.read_bytes()
    missing = size - len(data)
    target.write_bytes(data + missing.to_bytes(4) + b"free" + bytes(missing - 8))


def _digest(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")


def _timed(work: Callable[[], object]) -> float:
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


if __name__ == "__main__":
    main()
