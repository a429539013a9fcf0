"""Probing: what a media file really holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import av.audio.stream
import av.error
import av.video.frame
import av.video.stream
from av.sidedata.sidedata import Type

from shared.media.display_timing import display_timing
from shared.media.sandbox import DECODERS, Option, open_media, unreadable

_ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class Probe:
    """What a file really holds. Sizes are in pixels as displayed (after rotation); a missing stream leaves None.

    `duration_s` and `frames` describe the displayed pictures (`shared.media.display_timing`), or else the sound.
    `turned`: the file asks for its pictures to be rotated or mirrored, which ffmpeg does. `decoder`: the name of the
    video decoder where ffmpeg's first choice would not do. `first_s`, `shift_s`: see `shared.media.display_timing`.
    `colour`: matrix, transfer and primaries as code points, 2 where the file does not say.
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
    decoder: str | None = None
    first_s: float = 0.0
    shift_s: float = 0.0
    colour: tuple[int, int, int] = (2, 2, 2)
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None

    @property
    def input_options(self) -> dict[str, Option]:
        """ffmpeg's options for decoding the file."""
        return {"c:v": self.decoder} if self.decoder else {}


def probe(path: Path | str) -> Probe:
    """Reads what a media file holds. Blocks (reads the whole file, decodes one frame): call it in a thread.

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
        raise unreadable(message_of(error)) from error


def message_of(error: Exception) -> str:
    """A media library's error message, without our own path of the file."""
    message = getattr(error, "strerror", None) or str(error)
    return f"{message.rstrip('.')}."


def picture_stream(container: av.container.InputContainer) -> av.video.stream.VideoStream | None:
    """The first video stream that is not a cover."""
    return next((s for s in container.streams.video if not _is_cover(s)), None)


def _is_cover(stream: av.video.stream.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _codec(stream: av.audio.stream.AudioStream | av.video.stream.VideoStream) -> str:
    # None where no decoder is known, contrary to the type stubs.
    if getattr(stream, "codec_context", None) is None:
        raise ValueError("one of its streams is in an unknown format")
    if stream.codec_context.name not in DECODERS:
        raise ValueError(f"one of its streams is {stream.codec_context.name}, which is not supported")
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
    times = display_timing(container, stream)
    rate = stream.average_rate or stream.guessed_rate
    codec = _codec(stream)
    # Alpha in WebM is a second picture next to the first one, which ffmpeg's own decoders ignore.
    alpha_decoder = _ALPHA_DECODERS.get(codec) if stream.metadata.get("alpha_mode") == "1" else None
    frame = next(container.decode(stream), None)
    return {
        "fps": float(rate) if rate else None,
        "frames": times.frames,
        "duration_s": times.seconds,
        "first_s": times.first_s,
        "shift_s": times.shift_s,
        "video_codec": codec,
        "alpha": alpha_decoder is not None,
        "decoder": alpha_decoder,
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
