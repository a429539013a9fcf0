"""The expected timeline of the film, to the frame, calculated from the script alone."""

from __future__ import annotations

from dataclasses import dataclass

from client.script.document import Document

FPS = 24.0
WIDTH, HEIGHT = 1920, 1080
TRANSITION_S = 0.5  # of a transition without a duration in the script
SEGMENT_S = 5.0


@dataclass(frozen=True)
class Shot:
    """A segment in the film: its number of frames, and its first frame in the film (within the transition before)."""

    number: int
    start: int
    frames: int

    @property
    def middle(self) -> int:
        """The frame of the film in the middle of the segment, outside both transitions."""
        return self.start + self.frames // 2


@dataclass(frozen=True)
class Timeline:
    width: int
    height: int
    fps: float
    shots: tuple[Shot, ...]

    @property
    def frames(self) -> int:
        last = self.shots[-1]
        return last.start + last.frames

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


def timeline(document: Document) -> Timeline:
    """Neighbours overlap for the duration of the transition between them; a cut has no duration."""
    output = document.output
    fps = (output.fps if output else None) or FPS
    shots: list[Shot] = []
    start = 0
    for number, segment in enumerate(document.segments, 1):
        frames = round((segment.duration or SEGMENT_S) * fps)
        shots.append(Shot(number, start, frames))
        after = segment.transition_after
        seconds = TRANSITION_S if after is None or after.duration is None else after.duration
        overlap = round(seconds * fps) if after and after.style != "cut" else 0
        start += frames - overlap
    width, height = (output.width if output else None) or WIDTH, (output.height if output else None) or HEIGHT
    return Timeline(width, height, fps, tuple(shots))
