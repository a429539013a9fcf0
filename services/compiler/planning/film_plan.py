"""The film plan: which frames are copied, which are rendered, and where every segment begins.

A film is a row of *parts*. A `Body` is a run of frames copied, byte for byte, from a conformed clip. A `Window` is a
short clip rendered for one boundary: the last frames of the left clip blended with the first of the right one.

      left clip   [0 ............ N-d)[N-d .. N)
      right clip                      [0 ... d)[d .. k)[k ............ M)
      film        [ body of the left )[ window of k frames )[ body of the right )

Copying can stop anywhere (there are no B-frames) but can only begin at a keyframe, so a window continues after its `d`
blended frames until `k`, the right clip's next keyframe. Conformed clips have keyframes where the usual
transitions end, so that k is nearly always d.

Everything counts in frames of the film's rate; nothing here touches a file, a clock or a database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from shared.contracts.frame_rates import Rate
from shared.contracts.messages import message
from shared.contracts.values import Transition, TransitionStyle

SHORTEST_TRANSITION = 2  # frames: a blend of one frame has nothing between its two pictures


@dataclass(frozen=True)
class Clip:
    """A conformed video. `keyframes` are ascending frame numbers from 0, at each of which copying can begin."""

    key: str
    frames: int
    keyframes: tuple[int, ...]

    def next_keyframe(self, frame: int) -> int:
        """The first keyframe at `frame` or after it; the clip's end if there is none."""
        return next((k for k in self.keyframes if k >= frame), self.frames)


@dataclass(frozen=True)
class Shot:
    """A segment in the film. `name` is how users know it ("Segment 3")."""

    segment_id: str
    name: str
    clip: Clip
    transition_after: Transition | None = None


@dataclass(frozen=True)
class Boundary:
    """The transition from a shot to the next, with `frames` of overlap; 0 for a cut."""

    style: TransitionStyle
    frames: int


@dataclass(frozen=True)
class Body:
    """Frames [start, stop) of a shot's conformed clip, copied. `start` is a keyframe."""

    shot: int
    start: int
    stop: int

    @property
    def frames(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Window:
    """The last `overlap` frames of shot `left` blended with the first of the next shot, then that shot up to `head`."""

    left: int
    style: TransitionStyle
    overlap: int
    head: int

    @property
    def frames(self) -> int:
        return self.head


@dataclass(frozen=True)
class FilmPlan:
    """Parts in film order. `starts`: the first film frame of each shot; `boundaries`: one between each two shots."""

    shots: tuple[Shot, ...]
    boundaries: tuple[Boundary, ...]
    starts: tuple[int, ...]
    parts: tuple[Body | Window, ...]
    frames: int
    warnings: tuple[str, ...]

    @property
    def windows(self) -> tuple[Window, ...]:
        return tuple(part for part in self.parts if isinstance(part, Window))


def plan_film(shots: Sequence[Shot], fps: Rate) -> FilmPlan:
    """The plan of a film of these shots, in this order. Raises ValueError without shots; clips must not be empty."""
    if not shots:
        raise ValueError("a film needs at least one shot")
    fitted = [_fit(left, right, fps) for left, right in pairwise(shots)]
    boundaries = tuple(boundary for boundary, _ in fitted)
    overlaps = [boundary.frames for boundary in boundaries]
    before, after = [0, *overlaps], [*overlaps, 0]  # how many frames of each shot are blended at either end
    lengths = [shot.clip.frames - blended for shot, blended in zip(shots, after, strict=True)]
    parts: list[Body | Window] = []
    for i, shot in enumerate(shots):
        head = 0  # frames of this shot that the window before it shows
        if before[i]:
            head = min(shot.clip.next_keyframe(before[i]), lengths[i])
            parts.append(Window(i - 1, boundaries[i - 1].style, before[i], head))
        if head < lengths[i]:
            parts.append(Body(i, head, lengths[i]))
    return FilmPlan(
        shots=tuple(shots),
        boundaries=boundaries,
        starts=tuple(accumulate(lengths[:-1], initial=0)),
        parts=tuple(parts),
        frames=sum(lengths),
        warnings=tuple(warning for _, warning in fitted if warning),
    )


def _fit(left: Shot, right: Shot, fps: Rate) -> tuple[Boundary, str | None]:
    """The transition between two shots, at most half of either, so that a clip's two windows never meet."""
    wanted = left.transition_after
    if wanted is None or wanted.style is TransitionStyle.CUT or wanted.duration_s == 0:
        return Boundary(TransitionStyle.CUT, 0), None
    requested = max(SHORTEST_TRANSITION, round(wanted.duration_s * float(fps)))
    frames = min(requested, left.clip.frames // 2, right.clip.frames // 2)
    names = {"style": wanted.style.value, "left": left.name, "right": right.name}
    if frames < SHORTEST_TRANSITION:
        return Boundary(TransitionStyle.CUT, 0), message("warning.transition_cut", **names)
    if frames == requested:
        return Boundary(wanted.style, frames), None
    seconds = {"seconds": f"{frames / float(fps):.2f}", "requested": f"{requested / float(fps):.2f}"}
    return Boundary(wanted.style, frames), message("warning.transition_shortened", **names, **seconds)
