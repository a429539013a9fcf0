"""Probing, and the one encoding that every conformed piece shares.

Pieces that are joined by stream copy must have the same parameter sets, so whoever encodes video for a film
(the animatic provider, the compiler's conform and its transition windows) takes its arguments from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import av
import av.audio.stream
import av.error
import av.video.frame
import av.video.stream
from av.sidedata.sidedata import Type

from shared.core.errors import Permanent
from shared.media.display_timing import shown
from shared.media.sandbox import DECODERS, open_media, unreadable

_SEES_ALPHA: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

# superfast and veryfast write the same parameter sets with these arguments (ultrafast does not).
Preset = Literal["superfast", "veryfast"]

# H.264 table A-1: level, macroblocks per second, macroblocks per frame.
_LEVELS = (
    ("4.1", 245_760, 8_192),
    ("4.2", 522_240, 8_704),
    ("5.0", 589_824, 22_080),
    ("5.1", 983_040, 36_864),
    ("5.2", 2_073_600, 36_864),
    ("6.0", 4_177_920, 139_264),
    ("6.1", 8_355_840, 139_264),
    ("6.2", 16_711_680, 139_264),
)

# Of the bits that a frame would get otherwise. Measured on photographs, grain, gradients and noise: blended and encoded
# once more, such frames are still better than the same ones of a film that is made in one go.
_FINE_SHARE = 1.4

# For the end of a filter chain, and as options of a raw input. The encoder writes its own copy into the VUI (below),
# as `-color_primaries` and `-color_trc` of the output do not reach it; frames that are not tagged lack the colr box.
TAG_BT709 = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
RAW_BT709 = ("-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")


@dataclass(frozen=True)
class Output:
    """What a film is made of: even width and height in pixels, whole frames per second."""

    width: int
    height: int
    fps: int

    def __post_init__(self) -> None:
        if self.width < 2 or self.height < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"width and height must be even and positive, not {self.width}x{self.height}")
        if not 1 <= self.fps <= 240:
            raise ValueError(f"fps must be from 1 to 240, not {self.fps}")

    def frames(self, duration_s: float) -> int:
        """Frames of a clip that lasts `duration_s`; at least one."""
        return max(1, round(duration_s * self.fps))


@dataclass(frozen=True)
class Probe:
    """What a file really holds. Sizes are as displayed (after rotation); a missing stream leaves None.

    `duration_s` and `frames` are of the pictures that are shown (`shared.media.display_timing`), else of the sound.
    `turned`: the file asks for its pictures to be turned or mirrored, as ffmpeg does. `decoder`: input options where
    ffmpeg's first choice of one would not do. `first_s`, `shift_s`: see `shared.media.display_timing`.
    """

    container: str
    duration_s: float
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    frames: int | None = None
    video_codec: str | None = None
    pix_fmt: str | None = None
    rotation: int = 0
    turned: bool = False
    alpha: bool = False
    interlaced: bool = False
    decoder: tuple[str, ...] = ()
    first_s: float = 0.0
    shift_s: float = 0.0
    colour: tuple[int, int, int] = (2, 2, 2)  # matrix, transfer, primaries: code points, 2 where the file is silent
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None


def h264_level(output: Output) -> str:
    """The lowest level from 4.1 up that allows the frame size and rate; 4.1 takes 1080p up to 30 fps."""
    per_frame = -(-output.width // 16) * -(-output.height // 16)
    for level, per_second, frame_limit in _LEVELS:
        if per_frame <= frame_limit and per_frame * output.fps <= per_second:
            return level
    raise Permanent("output_too_large", f"No H.264 level takes {output.width}x{output.height} at {output.fps} fps.")


def cut_points(frames: int, fps: int) -> list[int]:
    """Frame numbers that must start a closed GOP: 0.25, 0.5 and 1 s from both ends (6, 12, 24 frames at 24 fps).

    A transition as long as one of these re-encodes only its own frames. Frame 0 always starts one and is left out.
    """
    near = {round(fps / 4), round(fps / 2), fps}
    return sorted(k for k in near | {frames - n for n in near} if 0 < k < frames)


def conformed_video_args(
    output: Output,
    frames: int,
    *,
    preset: Preset = "veryfast",
    crf: float = 20,
    cuttable: bool = True,
    fine_ends: int = 0,
) -> list[str]:
    """Output arguments for one conformed piece of exactly `frames` frames: everything between the input and the path.

    Closed GOPs without B-frames, IDRs at `cut_points` and every 2 s, constant rate, BT.709 limited range in the VUI,
    parameter sets that do not depend on the content, timescale fps * 1000, video only, faststart. Frames must reach
    the encoder at the output's size, rate and colour already (square pixels, first pts 0). A piece that will never
    be cut into again (a transition) does without the IDRs at `cut_points`: not `cuttable`. The first and the last
    `fine_ends` frames get `_FINE_SHARE` of the bits that they otherwise would: they can be blended and encoded again.
    """
    args = ["-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-frames:v", str(frames)]
    args += ["-c:v", "libx264", "-preset", preset, "-crf", f"{crf:g}", "-pix_fmt", "yuv420p"]
    args += ["-profile:v", "high", "-level:v", h264_level(output)]
    args += ["-bf", "0", "-g", str(2 * output.fps), "-keyint_min", "1", "-sc_threshold", "0"]
    tuned = "stitchable=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:fullrange=off:sar=1/1"
    args += ["-x264-params", tuned + _zones(frames, fine_ends)]
    if cuttable and (points := cut_points(frames, output.fps)):
        # A quarter of a frame early: a rounded time can never miss its frame.
        args += ["-force_key_frames", ",".join(f"{(k - 0.25) / output.fps:.6f}" for k in points)]
    args += ["-fps_mode", "cfr", "-video_track_timescale", str(output.fps * 1000)]
    return [*args, "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4"]


def _zones(frames: int, fine_ends: int) -> str:
    if not fine_ends:
        return ""
    if frames <= 2 * fine_ends:
        return f":zones=0,{frames - 1},b={_FINE_SHARE}"
    return f":zones=0,{fine_ends - 1},b={_FINE_SHARE}/{frames - fine_ends},{frames - 1},b={_FINE_SHARE}"


def probe(path: Path | str) -> Probe:
    """Read what a media file holds. Blocks (reads it whole, decodes one frame): call it in a thread.

    Raises Permanent `media_unreadable` when the file is not media.
    """
    try:
        with open_media(path) as container:
            video = picture_stream(container)
            found: dict[str, object] = _audio(container)
            length = float(container.duration / av.time_base) if container.duration else 0.0
            found |= {"duration_s": length} | (_video(container, video) if video is not None else {})
            return Probe(container=container.format.name, **found)  # type: ignore[arg-type]
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise unreadable(in_words(error)) from error


def in_words(error: Exception) -> str:
    """What a reader of media says, without our own path of the file."""
    said = getattr(error, "strerror", None) or str(error)
    return f"{said.rstrip('.')}."


def picture_stream(container: av.container.InputContainer) -> av.video.stream.VideoStream | None:
    """The first stream of moving pictures: a cover is none."""
    return next((s for s in container.streams.video if not _is_cover(s)), None)


def _is_cover(stream: av.video.stream.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _codec(stream: av.audio.stream.AudioStream | av.video.stream.VideoStream) -> str:
    # None where no decoder is known, whatever the types say.
    if getattr(stream, "codec_context", None) is None:
        raise ValueError("one of its streams is in a format that is not known")
    if stream.codec_context.name not in DECODERS:
        raise ValueError(f"one of its streams is {stream.codec_context.name}, which is not taken here")
    return stream.codec_context.name


def _audio(container: av.container.InputContainer) -> dict[str, object]:
    if not container.streams.audio:
        return {}
    audio = container.streams.audio[0]
    codec = _codec(audio)
    return {
        "audio_codec": codec,
        "sample_rate": audio.codec_context.sample_rate,
        "channels": audio.codec_context.channels,
    }


def _video(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> dict[str, object]:
    times = shown(container, stream)
    rate = stream.average_rate or stream.guessed_rate
    codec = _codec(stream)
    # Alpha in WebM is a second picture beside the first one, which ffmpeg's own decoders do not look at.
    sees_alpha = _SEES_ALPHA.get(codec) if stream.metadata.get("alpha_mode") == "1" else None
    frame = next(container.decode(stream), None)
    return {
        "fps": float(rate) if rate else None,
        "frames": times.frames,
        "duration_s": times.seconds,
        "first_s": times.first_s,
        "shift_s": times.shift_s,
        "video_codec": codec,
        "alpha": sees_alpha is not None,
        "decoder": ("-c:v", sees_alpha) if sees_alpha else (),
        **(_picture(frame, stream) if frame else {"width": stream.width, "height": stream.height}),
    }


def _picture(frame: av.video.frame.VideoFrame, stream: av.video.stream.VideoStream) -> dict[str, object]:
    width = round(frame.width * (stream.sample_aspect_ratio or 1))  # as displayed, with square pixels
    width, height = (frame.height, width) if frame.rotation % 180 else (width, frame.height)
    facts: dict[str, object] = {
        "width": width,
        "height": height,
        "pix_fmt": frame.format.name,
        "rotation": frame.rotation,
        "turned": Type.DISPLAYMATRIX in frame.side_data,
        "interlaced": frame.interlaced_frame,
        "colour": (frame.colorspace, frame.color_trc, frame.color_primaries),
    }
    return facts | ({"alpha": True} if any(part.is_alpha for part in frame.format.components) else {})
