"""The notation of a score: notes and drum strokes in beats, and the conversion of beats to seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from services.generator.providers.animatic.music.moods import Style


@dataclass(frozen=True)
class Note:
    """Times in beats until `Score.seconds`; `pitch` is a MIDI number (60 is middle C), `force` 0-1."""

    at: float
    length: float
    pitch: int
    force: float


@dataclass(frozen=True)
class Hit:
    at: float
    drum: str
    force: float


@dataclass
class Score:
    """Parts by role. The last chord begins after `beats`."""

    style: Style
    bars: int
    beats: float
    bpm: float
    tonic: int
    parts: dict[str, list[Note]] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    _clock: list[float] = field(default_factory=list)

    def seconds(self, beat: float) -> float:
        """The time of a beat in seconds: off-beats swing, and the last bar slows down into the last chord."""
        if abs(beat % 1 - 0.5) < 1e-6 and beat < self.beats:
            beat += self.style.swing
        grid = 24
        if not self._clock:
            self._clock.append(0.0)
            slow = min(float(self.style.beats), self.beats / 4)
            for step in range(math.ceil(self.beats * grid)):
                left = self.beats - step / grid
                stretch = 1 + 0.22 * max(0.0, 1 - left / slow)
                self._clock.append(self._clock[-1] + 60 / self.bpm / grid * stretch)
        at = min(max(0.0, beat) * grid, len(self._clock) - 1)
        whole = min(int(at), len(self._clock) - 2)
        inside = self._clock[whole] + (self._clock[whole + 1] - self._clock[whole]) * (at - whole)
        return inside + max(0.0, beat - self.beats) * 60 / self.bpm


@dataclass(frozen=True)
class Bar:
    """A bar of the form: its chord (degree, and pitches above the tonic's octave), fullness and role."""

    index: int
    degree: int
    tones: tuple[int, ...]
    force: float
    role: str  # intro, a, b, rest, outro
    ends_phrase: bool
    in_phrase: int
