"""How far what a model made may differ from what it was asked for, before the run fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.generator.domain.frames import Frame
from shared.contracts.frame_sizes import ratio_label
from shared.contracts.values import AssetKind, Media
from shared.core.errors import Permanent

DURATION_LEAST_S: Final = 0.5
DURATION_SHARE: Final = 0.05
ASPECT_SHARE: Final = 0.02
SHORT_SIDE_SHARE: Final = 0.95
IMAGE_SHORT_SIDE_SHARE: Final = 0.50  # image models answer with their own sizes
FPS: Final = (12.0, 120.0)


@dataclass(frozen=True)
class Asked:
    """What the model was really asked for; None where it decides itself."""

    frame: Frame | None = None
    duration_s: float | None = None
    sound: bool = False


class OutputDiffers(Permanent):
    """The model's answer is not what was asked. A person may try again; by itself it is not paid twice."""

    retryable = True


def check(kind: AssetKind, asked: Asked, found: Media) -> None:
    """Raises OutputDiffers with the measured and the wanted value."""
    if kind is AssetKind.VIDEO:
        _check_video(asked, found)
    elif kind.is_picture:
        _check_picture(asked, found)
    elif found.audio_codec is None:
        raise _differs("The file has no sound.")
    _check_duration(asked, found)


def _check_video(asked: Asked, found: Media) -> None:
    if found.video_codec is None or not found.width or not found.height:
        raise _differs("The file has no picture.")
    if found.fps is None or not FPS[0] <= found.fps <= FPS[1]:
        raise _differs(f"The video has {found.fps or 0:g} frames per second, not {FPS[0]:g} to {FPS[1]:g}.")
    if asked.sound and found.audio_codec is None:
        raise _differs("The video has no sound, but was asked to have some.")
    if asked.frame:
        _check_frame(asked.frame, Frame(found.width, found.height), SHORT_SIDE_SHARE)


def _check_picture(asked: Asked, found: Media) -> None:
    if not found.width or not found.height:
        raise _differs("The file is no picture.")
    if asked.frame:
        _check_frame(asked.frame, Frame(found.width, found.height), IMAGE_SHORT_SIDE_SHARE)


def _check_frame(asked: Frame, found: Frame, share: float) -> None:
    if abs(found.aspect / asked.aspect - 1) > ASPECT_SHARE:
        wanted, got = ratio_label(asked.width, asked.height), ratio_label(found.width, found.height)
        raise _differs(f"The picture is {found.width}x{found.height} ({got}), not {wanted}.")
    if found.short_side < share * asked.short_side:
        raise _differs(f"The picture is {found.width}x{found.height}, smaller than {asked.width}x{asked.height}.")


def _check_duration(asked: Asked, found: Media) -> None:
    if asked.duration_s is None:
        return
    allowed = max(DURATION_LEAST_S, DURATION_SHARE * asked.duration_s)
    if found.duration_s is None or abs(found.duration_s - asked.duration_s) > allowed:
        raise _differs(f"It lasts {found.duration_s or 0:.2f} s, not {asked.duration_s:g} s.")


def _differs(cause: str) -> OutputDiffers:
    return OutputDiffers("output_differs", cause, "Regenerate, or choose other settings or another model.")
