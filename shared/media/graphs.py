"""ffmpeg command lines as graphs of streams, built by ffmpeg-python and run by `shared.media.ffmpeg.run_ffmpeg`.

    pictures = moving_pictures(media_file(source))
    small = pictures.filter("scale", w=320, h=180).output(str(path), **{"c:v": "libx264"})
    await run_ffmpeg(arguments(small), timeout_s=60)

The library names the links between filters and escapes the values of their options: paths, expressions, text. This is
the only module that imports it. The protocols below describe the part of it that is used, which leaves out two things:
`run`, `run_async` and `probe`, which start ffmpeg without limits and with our environment; and filter options by
position, which version 0.2.0 escapes once too often.

ffmpeg trims white space at both ends of an option's value, which the library does not prevent.

The library takes two nodes for one if their options and inputs are equal: see `again` in `media_file`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

import ffmpeg

from shared.media.sandbox import Option, input_options

_NONE: Final[Mapping[str, Option]] = MappingProxyType({})


class Output(Protocol):
    """An output file with the streams that go into it."""

    def global_args(self, *args: str) -> Output:
        """The same with options of the whole command."""
        ...


class Stream(Protocol):
    """What an input, a filter or one output of a filter gives."""

    def __getitem__(self, selector: str) -> Stream:
        """Some of an input's streams by ffmpeg's specifier ("V:0", "a:0?")."""
        ...

    def filter(self, filter_name: str, /, **options: str | float) -> Stream: ...

    def output(self, *streams_and_path: Stream | str, **options: Option) -> Output:
        """Writes this stream, and others if there are any, to the path that comes last."""
        ...


def media_file(path: Path, options: Mapping[str, Option] = _NONE, *, again: bool = False) -> Stream:
    """A file as an input, opened as `shared.media.sandbox` says. `format` among the options names a demuxer.

    A file that is read twice in one graph is opened `again` the second time: with an offset of 0, which does nothing
    but makes it another node.
    """
    offset: dict[str, Option] = {"itsoffset": 0} if again else {}
    stream: Stream = ffmpeg.input(f"file:{path}", **input_options(path, options), **offset)
    return stream


def pipe(options: Mapping[str, Option]) -> Stream:
    """Standard input as an input; `format` and its other options describe the data."""
    stream: Stream = ffmpeg.input("pipe:0", protocol_whitelist="pipe", **options)
    return stream


def generated(source_filter: str, **options: str | float) -> Stream:
    """A source filter ("color", "testsrc2", "sine") as an input."""
    # The library writes only filters that have an input, so this one is written with an input and taken out of it.
    written = arguments(ffmpeg.input("-").filter(source_filter, **options).output("-"))
    graph = written[written.index("-filter_complex") + 1]
    description = graph.removeprefix("[0]").removesuffix("[s0]")
    stream: Stream = ffmpeg.input(description, format="lavfi", protocol_whitelist="pipe")
    return stream


def moving_pictures(source: Stream) -> Stream:
    """An input's first video stream that is not a cover or thumbnail."""
    return source["V:0"]


def joined(streams: list[Stream], filter_name: str, **options: str | float) -> Stream:
    """One stream from several, by a filter with as many inputs ("overlay", "xfade", "concat")."""
    stream: Stream = ffmpeg.filter(streams, filter_name, **options)
    return stream


def split(stream: Stream, count: int, *, audio: bool = False) -> tuple[Stream, ...]:
    """The same stream `count` times: a graph may use each stream once. All of them have to be used."""
    node = ffmpeg.filter_multi_output(stream, "asplit" if audio else "split")
    return tuple(node[number] for number in range(count))


def arguments(*outputs: Output, global_options: Sequence[str] = ()) -> list[str]:
    """The command line after ffmpeg's own name, as `run_ffmpeg` takes it. `global_options`: such as "-xerror"."""
    command: Output = outputs[0] if len(outputs) == 1 else ffmpeg.merge_outputs(*outputs)
    if global_options:
        command = command.global_args(*global_options)
    written: list[str] = ffmpeg.get_args(command)
    return written
