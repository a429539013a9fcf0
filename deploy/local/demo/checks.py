"""Checks of the finished film: frames, format, motion, loudness, and likeness to the accepted versions."""

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
PEAK_TOLERANCE = 0.3  # difference between the oversampling of two meters, and of AAC
BLACK_LUMA = 24  # of 255: a darker pixel is black; studio black is 16
BLACK_SHARE = 0.98  # as in ffmpeg's blackdetect: a frame with this share of black pixels is black
STILL_DIFFERENCE = 0.05  # mean of 255: less is encoder noise of a frozen picture
LONGEST_STILL_S = 1.0
LONGEST_BLACK_S = 0.25
LIKENESS_DB = 27.0  # PSNR of a frame of the film and of the version; of another frame it is far lower


@dataclass(frozen=True)
class Check:
    """A check and its result; `found` and `wanted` are text for people."""

    name: str
    ok: bool
    found: str
    wanted: str


@dataclass
class _FrameAnalysis:
    """Analyses each frame: frozen or black; keeps the frames with the numbers in `keep`."""

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
class CheckResult:
    """The result of all checks; `pictures` has the requested frames by number."""

    facts: Facts
    checks: tuple[Check, ...]
    pictures: Mapping[int, Picture]

    @property
    def failed(self) -> list[Check]:
        return [c for c in self.checks if not c.ok]


def check_film(
    path: Path,
    plan: Timeline,
    accepted: Mapping[int, Picture],
    *,
    keep: frozenset[int] = frozenset(),
    loudness_lufs: float = LOUDNESS_LUFS,
) -> CheckResult:
    """Check the film. `accepted` has the expected picture by frame number; `keep` has the frames to return."""
    analysis = _FrameAnalysis(keep | frozenset(accepted), plan.fps)
    facts = decode(path, analysis.see)
    checks = [
        Check("decodes without errors", not facts.errors, "; ".join(facts.errors) or "yes", "yes"),
        Check("frames", facts.frames == plan.frames, str(facts.frames), str(plan.frames)),
        Check("size", (facts.width, facts.height) == (plan.width, plan.height),
              f"{facts.width}x{facts.height}", f"{plan.width}x{plan.height}"),
        Check("frame rate", abs(facts.fps - plan.fps) < 0.01, f"{facts.fps:g}", f"{plan.fps:g}"),
        _length(facts, plan),
        _still(analysis, plan),
        _black(analysis, plan),
        _loudness(facts, loudness_lufs),
        _peak(facts),
        *(_likeness(frame, picture, analysis.kept.get(frame)) for frame, picture in sorted(accepted.items())),
    ]  # fmt: skip
    return CheckResult(facts, tuple(checks), analysis.kept)


def difference(one: Picture, other: Picture) -> float:
    """Mean difference of two pictures, in percent of the full range."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean()) / 2.55


def _length(facts: Facts, plan: Timeline) -> Check:
    found = "no sound" if facts.audio_s is None else f"{facts.audio_s:.2f} s"
    ok = facts.audio_s is not None and abs(facts.audio_s - plan.seconds) <= 2 / plan.fps
    return Check("duration of the sound", ok, found, f"{plan.seconds:.2f} s")


def _still(analysis: _FrameAnalysis, plan: Timeline) -> Check:
    seconds = analysis.longest_still / plan.fps
    return Check(
        "longest frozen picture", seconds <= LONGEST_STILL_S, f"{seconds:.2f} s", f"at most {LONGEST_STILL_S:g} s"
    )


def _black(analysis: _FrameAnalysis, plan: Timeline) -> Check:
    seconds = analysis.longest_black / plan.fps
    return Check(
        "longest black picture", seconds <= LONGEST_BLACK_S, f"{seconds:.2f} s", f"at most {LONGEST_BLACK_S:g} s"
    )


def _loudness(facts: Facts, wanted: float) -> Check:
    found = "silent" if facts.loudness_lufs is None else f"{facts.loudness_lufs:.1f} LUFS"
    ok = facts.loudness_lufs is not None and abs(facts.loudness_lufs - wanted) <= LOUDNESS_TOLERANCE
    return Check("loudness", ok, found, f"{wanted:g} LUFS")


def _peak(facts: Facts) -> Check:
    found = "silent" if facts.true_peak_dbtp is None else f"{facts.true_peak_dbtp:.1f} dBTP"
    ok = facts.true_peak_dbtp is not None and facts.true_peak_dbtp <= TRUE_PEAK_DBTP + PEAK_TOLERANCE
    return Check("true peak", ok, found, f"at most {TRUE_PEAK_DBTP:g} dBTP")


def _likeness(frame: int, accepted: Picture, actual: Picture | None) -> Check:
    """Whether the frame of the film looks like that of the accepted version."""
    name = f"frame {frame} matches the accepted version"
    if actual is None:
        return Check(name, False, "no such frame", f"at least {LIKENESS_DB:g} dB")
    error = float(np.square(accepted.astype(np.float32) - actual.astype(np.float32)).mean())
    likeness = 99.0 if error == 0 else float(10 * np.log10(255**2 / error))
    return Check(name, likeness >= LIKENESS_DB, f"{likeness:.1f} dB", f"at least {LIKENESS_DB:g} dB")
