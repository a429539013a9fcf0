"""Cuts clips by copying packets, in one pass over the film for any number of adjacent spans."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
from av.container import InputContainer, OutputContainer

from services.generator.domain.film_splits import ClipSpan
from shared.contracts.messages import problem_text
from shared.core.errors import Permanent
from shared.media.probe import message_of
from shared.media.sandbox import open_media, packets

AHEAD_S = 5.0  # seconds by which sound may follow its pictures in the file


def copy_clips(film: Path, spans: Sequence[ClipSpan], to: Sequence[Path]) -> None:
    """Writes each span (all `copied`, in order) to its path. Blocks.

    Sound is cut at its packets: it begins at most one packet (some 20 ms) after the first frame, at its own time.
    """
    try:
        with open_media(film) as container:
            copying = _Copying(container, spans, to)
            try:
                copying.run()
            finally:
                copying.close()
    except av.error.FFmpegError as error:
        raise Permanent("media_unreadable", *problem_text("film_read_failed", reason=message_of(error))) from error


@dataclass
class _Clip:
    span: ClipSpan
    out: OutputContainer
    streams: dict[int, Any]  # by the film's stream index


class _Copying:
    def __init__(self, film: InputContainer, spans: Sequence[ClipSpan], to: Sequence[Path]) -> None:
        self._film = film
        self._spans = spans
        self._paths = to
        self._video = film.streams.video[0]
        self._audio = film.streams.audio[0] if film.streams.audio else None
        self._firsts = [span.first for span in spans]
        self._begins = [span.start_s for span in spans]
        self._open: dict[int, _Clip] = {}

    def run(self) -> None:
        streams = [s for s in (self._video, self._audio) if s is not None]
        begins = self._ticks(self._spans[0].start_s)
        until = self._ticks(self._spans[-1].start_s + self._spans[-1].duration_s + AHEAD_S)
        self._film.seek(begins, stream=self._video)  # to this key frame or one before it
        frame: int | None = None  # in decoding order, which equals display order wherever a span begins or ends
        for packet in packets(self._film, *streams):
            if packet.pts is None or not packet.size:
                continue
            if packet.stream is not self._video:
                self._sound(packet)
                continue
            if frame is None and packet.pts == begins:
                frame = self._spans[0].first
            if frame is not None:
                self._picture(frame, packet)
                frame += 1
            if packet.pts > until:
                return

    def _picture(self, frame: int, packet: av.Packet[Any]) -> None:
        place = bisect_right(self._firsts, frame) - 1
        if place >= 0 and frame < self._spans[place].last:
            self._write(place, packet)

    def _sound(self, packet: av.Packet[Any]) -> None:
        at = float((packet.pts or 0) * packet.time_base)
        place = bisect_right(self._begins, at) - 1
        if place >= 0 and at < self._begins[place] + self._spans[place].duration_s:
            self._write(place, packet)

    def _ticks(self, seconds: float) -> int:
        return round(seconds / cast(Fraction, self._video.time_base))

    def _write(self, place: int, packet: av.Packet[Any]) -> None:
        clip = self._open.get(place) or self._begin(place)
        stream = clip.streams[packet.stream.index]
        shift = round(self._begins[place] / packet.time_base)
        packet.pts = (packet.pts or 0) - shift
        if packet.dts is not None:
            packet.dts -= shift
        packet.stream = stream
        clip.out.mux(packet)

    def _begin(self, place: int) -> _Clip:
        for other in [p for p in self._open if p < place - 1]:
            self._open.pop(other).out.close()
        out = av.open(str(self._paths[place]), "w", format="mp4", options={"movflags": "+faststart"})
        streams = {s.index: out.add_stream_from_template(s) for s in (self._video, self._audio) if s is not None}
        for index, stream in streams.items():
            stream.time_base = self._film.streams[index].time_base
        clip = self._open[place] = _Clip(self._spans[place], out, streams)
        return clip

    def close(self) -> None:
        for clip in self._open.values():
            clip.out.close()
        self._open.clear()
