"""Probing: what a media file really holds."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import av
import av.audio.stream
import av.error
import av.video.frame
import av.video.stream
from av.sidedata.sidedata import Type

from shared.contracts.messages import message
from shared.media.display_timing import display_timing, exact_rate_of
from shared.media.sandbox import DECODERS, Option, open_media, packets, unreadable

_UNSTATED: Final = ("mp3", "aac")  # formats without a header that tells their length
_DELAY_S: Final = 0.1  # more than encoders add at both ends
_ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class Probe:
    """What a file really holds. Sizes are in pixels as displayed (after rotation); a missing stream leaves None.

    `duration_s` and `frames` describe the displayed pictures (`shared.media.display_timing`), or else the sound.
    `turned`: the file asks for its pictures to be rotated or mirrored, which ffmpeg does. `decoder`: the name of the
    video decoder where ffmpeg's first choice would not do. `first_s`, `shift_s`: see `shared.media.display_timing`.
    `frame_rate`: `fps`, exact, as a fraction; `variable_rate`: pictures are not where that rate puts them.
    `colour`: matrix, transfer and primaries as code points, 2 where the file does not say.
    `is_length_stated`: the header tells how long sound lasts; of a recording that was streamed it does not.
    """

    container: str
    duration_s: float
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    frame_rate: str | None = None
    variable_rate: bool = False
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
    is_length_stated: bool = True

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """From its fields, as another process writes them."""
        return cls(**{**stored, "colour": tuple(stored["colour"])})

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
            if video is not None:
                found |= _video(container, video)
            else:
                found["is_length_stated"] = bool(container.duration)
                found["duration_s"] = _sound_seconds(container)
            name = container.format.name
        if video is not None:
            # From the start again: seeking fails in a file whose first key frame is not at its start.
            with open_media(path) as container:
                found |= _first_picture(container, str(found["video_codec"]))
        return Probe(container=name, **found)  # type: ignore[arg-type]
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise unreadable(message("problem.media_read_failed", reason=message_of(error))) from error


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


def _sound_seconds(container: av.container.InputContainer) -> float:
    """As the header says where it can be relied on; else, as far as the packets go.

    A recording that was streamed has no length in its header, the frames of an MP3 are counted for its first part only,
    and the length of AAC is guessed from its bit rate.
    """
    stated = container.duration / av.time_base if container.duration else 0.0
    if not container.streams.audio or (stated > 0 and container.format.name not in _UNSTATED):
        return float(stated)
    stream = container.streams.audio[0]
    base, total, start, end = stream.time_base, 0, None, 0
    with suppress(av.error.FFmpegError):  # it lasts as far as it can be read
        for packet in packets(container, stream):
            lasts = packet.duration or 0
            total += lasts
            if packet.pts is not None:
                start = packet.pts if start is None else min(start, packet.pts)
                end = max(end, packet.pts + lasts)
    length = total if container.format.name in _UNSTATED or start is None else end - start
    counted = float(length * base) if base else 0.0
    # Where both agree, the header is more precise: it leaves out the encoder's delay.
    return float(stated) if abs(stated - counted) <= _DELAY_S else counted


def _video(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> dict[str, object]:
    times = display_timing(container, stream)
    rate = exact_rate_of(stream)
    codec = _codec(stream)
    # Alpha in WebM is a second picture next to the first one, which ffmpeg's own decoders ignore.
    alpha_decoder = _ALPHA_DECODERS.get(codec) if stream.metadata.get("alpha_mode") == "1" else None
    return {
        "fps": float(rate) if rate else None,
        "frame_rate": str(rate) if rate else None,
        "variable_rate": times.varies,
        "frames": times.frames,
        "duration_s": times.seconds,
        "first_s": times.first_s,
        "shift_s": times.shift_s,
        "video_codec": codec,
        "alpha": alpha_decoder is not None,
        "decoder": alpha_decoder,
    }


def _first_picture(container: av.container.InputContainer, codec: str) -> dict[str, object]:
    """Raises ValueError if there is none: its size, rotation and colour are nowhere else in every format."""
    stream = picture_stream(container)
    frame = next(container.decode(stream), None) if stream is not None else None
    if stream is None or frame is None:
        raise ValueError(f"none of its pictures can be decoded as {codec}")
    return _picture(frame, stream)


def _picture(frame: av.video.frame.VideoFrame, stream: av.video.stream.VideoStream) -> dict[str, object]:
    width = round(frame.width * (stream.sample_aspect_ratio or 1))  # as displayed, with square pixels
    width, height = (frame.height, width) if frame.rotation % 180 else (width, frame.height)
    facts: dict[str, object] = {
        "width": width,
        "height": height,
        "pix_fmt": frame.format.name,
        "rotation": frame.rotation,
        "turned": bool(frame.rotation) or _has_matrix(frame),
        "interlaced": frame.interlaced_frame,
        "colour": (frame.colorspace, frame.color_trc, frame.color_primaries),
    }
    return facts | ({"alpha": True} if any(part.is_alpha for part in frame.format.components) else {})


def _has_matrix(frame: av.video.frame.VideoFrame) -> bool:
    """Whether ffmpeg will rotate or mirror it; assumed where the frame has side data that PyAV does not know."""
    try:
        return Type.DISPLAYMATRIX in frame.side_data
    except ValueError:
        return True
