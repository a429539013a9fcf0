"""How far a model's output may differ from the request before the run fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.generator.domain.frames import Frame
from shared.contracts.frame_sizes import ratio_label
from shared.contracts.messages import message
from shared.contracts.values import AssetKind, Media, OutputDifference
from shared.core.errors import Permanent

DURATION_LEAST_S: Final = 0.5
DURATION_SHARE: Final = 0.05
ASPECT_SHARE: Final = 0.02
SHORT_SIDE_SHARE: Final = 0.95
IMAGE_SHORT_SIDE_SHARE: Final = 0.50  # image models answer with their own sizes
FPS: Final = (12.0, 120.0)

ROUNDING_S: Final = 0.0006  # probed times are rounded to milliseconds
SOUND_STEP_S: Final = 0.1
SHAPE_SHARE: Final = 0.01  # sizes that models round to a multiple of 16 keep their shape
FPS_STEP: Final = 0.01  # 23.976 and 24 differ, 29.97 and 30000/1001 do not


@dataclass(frozen=True)
class ExpectedOutput:
    """What the model was asked for; None where the model decides."""

    frame: Frame | None = None
    duration_s: float | None = None
    sound: bool = False
    fps: float | None = None


class OutputDiffers(Permanent):
    """The output is not what was requested. The user may try again; it is not paid for twice automatically."""

    retryable = True


def check_output(kind: AssetKind, expected: ExpectedOutput, found: Media) -> None:
    """Raises OutputDiffers with the measured and the expected value."""
    if kind is AssetKind.VIDEO:
        _check_video(expected, found)
    elif kind.is_picture:
        _check_picture(expected, found)
    elif found.audio_codec is None:
        raise _differs(message("problem.output_without_sound"))
    _check_duration(expected, found)


def differences(kind: AssetKind, expected: ExpectedOutput, found: Media) -> list[OutputDifference]:
    """What is within the tolerances and yet not what was asked for. Less than a frame, or than a tenth of a second of
    sound, is no difference; of a picture only the shape was asked for."""
    named: list[OutputDifference] = []
    asked, made = expected.duration_s, found.duration_s
    if asked is not None and made is not None and abs(made - asked) > _duration_step(kind, found) - ROUNDING_S:
        named.append(OutputDifference(field="duration", asked=asked, made=round(made, 3)))
    if expected.frame and found.width and found.height:
        frame = Frame(found.width, found.height)
        if kind is AssetKind.VIDEO and frame != expected.frame:
            named.append(OutputDifference(field="resolution", asked=_size(expected.frame), made=_size(frame)))
        if abs(frame.aspect / expected.frame.aspect - 1) > SHAPE_SHARE:
            asked_ratio = ratio_label(expected.frame.width, expected.frame.height)
            named.append(OutputDifference(field="aspect_ratio", asked=asked_ratio, made=f"{frame.aspect:.2f}:1"))
    if expected.fps is not None and found.fps is not None and abs(found.fps - expected.fps) > FPS_STEP:
        named.append(OutputDifference(field="fps", asked=expected.fps, made=round(found.fps, 3)))
    return named


def _duration_step(kind: AssetKind, found: Media) -> float:
    return 1 / found.fps if kind is AssetKind.VIDEO and found.fps else SOUND_STEP_S


def _size(frame: Frame) -> str:
    return f"{frame.width}x{frame.height}"


def _check_video(expected: ExpectedOutput, found: Media) -> None:
    if found.video_codec is None or not found.width or not found.height:
        raise _differs(message("problem.output_without_picture"))
    if found.fps is None or not FPS[0] <= found.fps <= FPS[1]:
        raise _differs(
            message("problem.output_frame_rate", fps=f"{found.fps or 0:g}", least=f"{FPS[0]:g}", most=f"{FPS[1]:g}")
        )
    if expected.sound and found.audio_codec is None:
        raise _differs(message("problem.output_sound_requested"))
    if expected.frame:
        _check_frame(expected.frame, Frame(found.width, found.height), SHORT_SIDE_SHARE)


def _check_picture(expected: ExpectedOutput, found: Media) -> None:
    if not found.width or not found.height:
        raise _differs(message("problem.output_not_a_picture"))
    if expected.frame:
        _check_frame(expected.frame, Frame(found.width, found.height), IMAGE_SHORT_SIDE_SHARE)


def _check_frame(expected: Frame, found: Frame, share: float) -> None:
    if abs(found.aspect / expected.aspect - 1) > ASPECT_SHARE:
        expected_ratio = ratio_label(expected.width, expected.height)
        actual_ratio = ratio_label(found.width, found.height)
        size = f"{found.width}x{found.height}"
        raise _differs(message("problem.output_aspect_ratio", size=size, ratio=actual_ratio, expected=expected_ratio))
    if found.short_side < share * expected.short_side:
        size, wanted = f"{found.width}x{found.height}", f"{expected.width}x{expected.height}"
        raise _differs(message("problem.output_smaller", size=size, expected=wanted))


def _check_duration(expected: ExpectedOutput, found: Media) -> None:
    if expected.duration_s is None:
        return
    allowed = max(DURATION_LEAST_S, DURATION_SHARE * expected.duration_s)
    if found.duration_s is None or abs(found.duration_s - expected.duration_s) > allowed:
        seconds, wanted = f"{found.duration_s or 0:.2f}", f"{expected.duration_s:g}"
        raise _differs(message("problem.output_duration", seconds=seconds, expected=wanted))


def _differs(cause: str) -> OutputDiffers:
    return OutputDiffers("output_differs", cause, message("problem.output_differs.recovery"))
