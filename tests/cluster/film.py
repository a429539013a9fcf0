"""A film made on the cluster from this machine, by the client and through the gateway; its frames are looked at."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.cluster.images import ROOT
from tests.cluster.namespaces import Cluster, Failed
from tests.support.http_client import photograph

HUES: Final = (20, 110)
SECONDS: Final = 2.0
_FILM_S: Final = 420.0


@dataclass(frozen=True)
class Film:
    """`seconds` it took to make; `length` (seconds), `size` (pixels) and `frames` as they were decoded."""

    seconds: float
    length: float
    size: tuple[int, int]
    frames: int

    def __str__(self) -> str:
        return (
            f"{self.length:.1f} s of {self.size[0]}x{self.size[1]}, {self.frames} frames, made in {self.seconds:.1f} s"
        )


class Making:
    """`retake film` as a process on the cluster's network."""

    def __init__(self, cluster: Cluster, url: str, token: str, folder: Path) -> None:
        self._folder = folder
        self._began = time.monotonic()
        photos = folder / "photographs"
        photos.mkdir(parents=True)
        for number, hue in enumerate(HUES):
            (photos / f"{number}.jpg").write_bytes(photograph(hue=hue))
        self._out = (folder / "output").open("w+")
        command = ("film", str(photos), "--yes", "--seconds", f"{SECONDS:g}", "--no-music", "--output", str(self._path))
        self._process = subprocess.Popen(
            cluster.enter(sys.executable, "-m", "client", *command),
            cwd=ROOT,
            env=os.environ | {"RETAKE_URL": url, "RETAKE_TOKEN": token, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.STDOUT,
        )

    def finished(self) -> Film:
        """Waits for it and watches it. Raises Failed with what the client said, or with what is wrong with the film."""
        try:
            code = self._process.wait(_FILM_S)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            self.stop()
        taken = time.monotonic() - self._began
        self._out.seek(0)
        if code != 0:
            last = "\n".join(self._out.read().splitlines()[-12:])
            raise Failed(f"no film ({f'exit code {code}' if code is not None else f'after {taken:.0f} s'}):\n{last}")
        return _watched(self._path, taken)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def _path(self) -> Path:
        return self._folder / "film.mp4"


def make(cluster: Cluster, url: str, token: str, folder: Path) -> Film:
    """Raises Failed."""
    return Making(cluster, url, token, folder).finished()


def _watched(path: Path, seconds: float) -> Film:
    """Decodes all of it. Each photograph must be seen in its half of the film, and the picture must move."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        size = (stream.width, stream.height)
        pictures = [frame.reformat(64, 36, "rgb24").to_ndarray().astype(float) for frame in container.decode(stream)]
        length = float(container.duration or 0) / av.time_base
    wanted = len(HUES) * SECONDS
    if not wanted * 0.7 < length < wanted * 1.5:
        raise Failed(f"the film is {length:.1f} s long; its segments are {wanted:.1f} s")
    photos = [_small(photograph(hue=hue)) for hue in HUES]
    for part in range(len(HUES)):
        seen = pictures[int(len(pictures) * (part + 0.5) / len(HUES))]
        distances = [_apart(seen, photo) for photo in photos]
        if distances.index(min(distances)) != part or min(distances) > 40:
            raise Failed(f"part {part + 1} of the film does not show photograph {part + 1}: {distances}")
        first = pictures[int(len(pictures) * (part + 0.3) / len(HUES))]
        if float(np.abs(seen - first).mean()) < 0.5:
            raise Failed(f"part {part + 1} of the film stands still")
    return Film(seconds, length, size, len(pictures))


def _small(jpeg: bytes) -> NDArray[np.float64]:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB").resize((64, 36)), dtype=float)


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Between their mean colours: a camera moves over the photograph, and keeps its colours."""
    return float(np.abs(one.mean(axis=(0, 1)) - other.mean(axis=(0, 1))).max())
