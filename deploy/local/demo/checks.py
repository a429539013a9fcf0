"""Is it the film that was meant? Looked at, listened to, counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.local.demo.decode import Facts, Picture, decode
from deploy.local.demo.timeline import Timeline

LOUDNESS_LUFS = -16.0
LOUDNESS_TOLERANCE = 1.0
TRUE_PEAK_DBTP = -1.0
PEAK_TOLERANCE = 0.3  # between one meter's oversampling and another's, and of AAC
BLACK_LUMA = 24  # of 255: a pixel below it is black; studio black is 16
BLACK_SHARE = 0.98  # as in ffmpeg's blackdetect: a picture with this share of black pixels is black
STILL_DIFFERENCE = 0.05  # mean of 255: below it nothing has moved, encoder noise of a frozen picture included
LONGEST_STILL_S = 1.0
LONGEST_BLACK_S = 0.25
LIKENESS_DB = 27.0  # PSNR between a film's frame and the version's; another frame of the same shot is far below


@dataclass(frozen=True)
class Check:
    """`found` and `wanted` are for people."""

    name: str
    ok: bool
    found: str
    wanted: str


@dataclass
class _Watcher:
    """Looks at each picture as it comes: what moves, what is black; keeps those that are asked for."""

    keep: frozenset[int]
    fps: float

    def __post_init__(self) -> None:
        self.kept: dict[int, Picture] = {}
        self.longest_still = self.longest_black = 0
        self._still = self._black = 0
        self._last: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None = None

    def see(self, number: int, picture: Picture) -> None:
        if number in self.keep:
            self.kept[number] = picture.copy()
        luma = picture.astype(np.float32) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
        still = self._last is not None and float(np.abs(luma - self._last).mean()) < STILL_DIFFERENCE
        self._still = self._still + 1 if still else 0
        self._black = self._black + 1 if float((luma < BLACK_LUMA).mean()) >= BLACK_SHARE else 0
        self.longest_still = max(self.longest_still, self._still)
        self.longest_black = max(self.longest_black, self._black)
        self._last = luma


@dataclass(frozen=True)
class Verdict:
    facts: Facts
    checks: tuple[Check, ...]
    pictures: Mapping[int, Picture]

    @property
    def wrong(self) -> list[Check]:
        return [c for c in self.checks if not c.ok]


def check_film(
    path: Path,
    plan: Timeline,
    accepted: Mapping[int, Picture],
    *,
    keep: frozenset[int] = frozenset(),
    loudness_lufs: float = LOUDNESS_LUFS,
) -> Verdict:
    """`accepted` has, by film frame, the picture that the accepted version shows there. `keep`: frames wanted back."""
    watcher = _Watcher(keep | frozenset(accepted), plan.fps)
    facts = decode(path, watcher.see)
    checks = [
        Check("decodes cleanly", not facts.errors, "; ".join(facts.errors) or "yes", "yes"),
        Check("frames", facts.frames == plan.frames, str(facts.frames), str(plan.frames)),
        Check("size", (facts.width, facts.height) == (plan.width, plan.height),
              f"{facts.width}x{facts.height}", f"{plan.width}x{plan.height}"),
        Check("frame rate", abs(facts.fps - plan.fps) < 0.01, f"{facts.fps:g}", f"{plan.fps:g}"),
        _length(facts, plan),
        _still(watcher, plan),
        _black(watcher, plan),
        _loud(facts, loudness_lufs),
        _peak(facts),
        *(_alike(frame, picture, watcher.kept.get(frame)) for frame, picture in sorted(accepted.items())),
    ]  # fmt: skip
    return Verdict(facts, tuple(checks), watcher.kept)


def difference(one: Picture, other: Picture) -> float:
    """Mean difference of two pictures, in percent of the whole range."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean()) / 2.55


def _length(facts: Facts, plan: Timeline) -> Check:
    found = "no sound" if facts.audio_s is None else f"{facts.audio_s:.2f} s"
    ok = facts.audio_s is not None and abs(facts.audio_s - plan.seconds) <= 2 / plan.fps
    return Check("sound's length", ok, found, f"{plan.seconds:.2f} s")


def _still(watcher: _Watcher, plan: Timeline) -> Check:
    seconds = watcher.longest_still / plan.fps
    return Check("never frozen", seconds <= LONGEST_STILL_S, f"{seconds:.2f} s", f"at most {LONGEST_STILL_S:g} s")


def _black(watcher: _Watcher, plan: Timeline) -> Check:
    seconds = watcher.longest_black / plan.fps
    return Check("never black", seconds <= LONGEST_BLACK_S, f"{seconds:.2f} s", f"at most {LONGEST_BLACK_S:g} s")


def _loud(facts: Facts, wanted: float) -> Check:
    found = "silent" if facts.loudness_lufs is None else f"{facts.loudness_lufs:.1f} LUFS"
    ok = facts.loudness_lufs is not None and abs(facts.loudness_lufs - wanted) <= LOUDNESS_TOLERANCE
    return Check("loudness", ok, found, f"{wanted:g} LUFS")


def _peak(facts: Facts) -> Check:
    found = "silent" if facts.true_peak_dbtp is None else f"{facts.true_peak_dbtp:.1f} dBTP"
    ok = facts.true_peak_dbtp is not None and facts.true_peak_dbtp <= TRUE_PEAK_DBTP + PEAK_TOLERANCE
    return Check("true peak", ok, found, f"at most {TRUE_PEAK_DBTP:g} dBTP")


def _alike(frame: int, accepted: Picture, shown: Picture | None) -> Check:
    """Whether the film shows, at this frame, what was accepted."""
    name = f"frame {frame} is the accepted version's"
    if shown is None:
        return Check(name, False, "no such frame", f"at least {LIKENESS_DB:g} dB")
    error = float(np.square(accepted.astype(np.float32) - shown.astype(np.float32)).mean())
    likeness = 99.0 if error == 0 else float(10 * np.log10(255**2 / error))
    return Check(name, likeness >= LIKENESS_DB, f"{likeness:.1f} dB", f"at least {LIKENESS_DB:g} dB")
