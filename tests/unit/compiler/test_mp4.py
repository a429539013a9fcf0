"""The film's tables and bytes, from files with numbered contents: every byte must come from the planned position."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.compiler.planning.chapters import FilmChapter
from services.compiler.rendering.mp4.film import FilmLayout, Line, Packets, VideoRun, lay_out_film
from services.compiler.rendering.mp4.samples import VideoIndex, strip_adts
from services.compiler.rendering.mp4.write import WriteStopped, write_film
from shared.contracts.values import Output
from shared.core.errors import Permanent

OUTPUT = Output(width=320, height=180, fps=24)


def piece(folder: Path, number: int, sizes: list[int], keyframes: set[int], gap: int = 0) -> tuple[Path, VideoIndex]:
    """A file in which the bytes of sample i of piece p encode p and i, with `gap` bytes between samples."""
    path = folder / f"piece-{number}"
    offsets, data = [], b"header"
    for i, size in enumerate(sizes):
        offsets.append(len(data))
        data += bytes(((number * 31 + i) % 251,)) * size + b"\xff" * gap
    path.write_bytes(data)
    return path, VideoIndex(tuple(offsets), tuple(sizes), tuple(sorted(keyframes | {0})), b"avcC")


def boxes(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[tuple[str, bytes]]:
    at, stop = start, len(data) if stop is None else stop
    while at < stop:
        size, kind = struct.unpack_from(">I4s", data, at)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            header = 16
        yield kind.decode(), data[at + header : at + size]
        at += size


def find(data: bytes, *path: str) -> list[bytes]:
    found = [data]
    for name in path:
        found = [content for parent in found for kind, content in boxes(parent) if kind == name]
    return found


def samples(film: bytes, track: int) -> list[bytes]:
    """The samples of the track, found by its tables alone."""
    (table,) = find(find(film, "moov", "trak")[track], "mdia", "minf", "stbl")
    (stsz,), (stsc,), (co64,) = find(table, "stsz"), find(table, "stsc"), find(table, "co64")
    count = struct.unpack_from(">I", stsz, 8)[0]
    sizes = struct.unpack_from(f">{count}I", stsz, 12)
    chunks = struct.unpack_from(f">{struct.unpack_from('>I', co64, 4)[0]}Q", co64, 8)
    runs = [struct.unpack_from(">III", stsc, 8 + 12 * i) for i in range(struct.unpack_from(">I", stsc, 4)[0])]
    found: list[bytes] = []
    for number, offset in enumerate(chunks, 1):
        per_chunk = next(n for first, n, _ in reversed(runs) if first <= number)
        for _ in range(per_chunk):
            size = sizes[len(found)]
            found.append(film[offset : offset + size])
            offset += size
    assert len(found) == count
    return found


@st.composite
def runs(draw: st.DrawFn) -> list[tuple[list[int], set[int], int, int, int]]:
    made = []
    for _ in range(draw(st.integers(1, 5))):
        sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=60))
        keys = draw(st.sets(st.integers(0, len(sizes) - 1), max_size=5)) | {0}
        start = draw(st.sampled_from(sorted(keys)))
        made.append((sizes, keys, start, draw(st.integers(start + 1, len(sizes))), draw(st.sampled_from([0, 0, 3]))))
    return made


@given(drawn=runs(), seed=st.integers(0, 3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_sample_is_found_where_the_tables_say(
    drawn: list[tuple[list[int], set[int], int, int, int]], seed: int, tmp_path: Path
) -> None:
    pictures, wanted, keys = [], [], []
    for number, (sizes, keyframes, start, stop, gap) in enumerate(drawn):
        path, index = piece(tmp_path, number, sizes, keyframes, gap)
        pictures.append(VideoRun(path, index, start, stop))
        data = path.read_bytes()
        keys += [len(wanted) + k - start + 1 for k in index.keyframes if start <= k < stop]
        wanted += [data[index.offsets[i] : index.offsets[i] + sizes[i]] for i in range(start, stop)]
    frames = len(wanted)
    heard = frames * 2000
    sound_path, sound_index = piece(tmp_path, 90 + seed, [7] * (-(-(heard + 1024) // 1024)), set())
    bare = tmp_path / "bare"
    bare.write_bytes(sound_path.read_bytes()[6:])
    layout = lay_out_film(pictures, [Packets(bare, sound_index.sizes)], heard, OUTPUT)

    digest = write_film(layout, tmp_path / "film.mp4")
    film = (tmp_path / "film.mp4").read_bytes()
    assert digest == hashlib.sha256(film).hexdigest()
    assert layout.size == len(film)
    assert [kind for kind, _ in boxes(film)] == ["ftyp", "moov", "mdat"]  # playable from the first byte on
    assert samples(film, 0) == wanted
    assert b"".join(samples(film, 1)) == bare.read_bytes()
    (stss,) = find(film, "moov", "trak", "mdia", "minf", "stbl", "stss")
    assert list(struct.unpack_from(f">{len(keys)}I", stss, 8)) == keys
    assert struct.unpack_from(">I", stss, 4)[0] == len(keys)
    (stts, _) = find(film, "moov", "trak", "mdia", "minf", "stbl", "stts")
    assert struct.unpack_from(">III", stts, 4) == (1, frames, 1000)


def layout_of(tmp_path: Path) -> FilmLayout:
    path, index = piece(tmp_path, 1, [5] * 48, {0, 24})
    sound, packets = piece(tmp_path, 2, [9] * 95, set())
    return lay_out_film([VideoRun(path, index, 0, 48)], [Packets(sound, packets.sizes)], 96_000, OUTPUT)


CHAPTERS = (FilmChapter(0, "Scene 1: Küche"), FilmChapter(31, "Scene 2: 港"))
FFMETADATA = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/24
START=0
END=31
title=Scene 1: Küche
[CHAPTER]
TIMEBASE=1/24
START=31
END=48
title=Scene 2: 港
"""


def film_with_chapters(tmp_path: Path, fps: Fraction | int = 24, text: tuple[Line, ...] = ()) -> bytes:
    path, index = piece(tmp_path, 1, [5] * 48, {0, 24})
    sound, packets = piece(tmp_path, 2, [9] * 95, set())
    layout = lay_out_film(
        [VideoRun(path, index, 0, 48)], [Packets(sound, packets.sizes)], 96_000,
        Output(width=320, height=180, fps=float(fps)),  # type: ignore[arg-type]  # as people write it
        text=text, chapters=CHAPTERS,
    )  # fmt: skip
    write_film(layout, tmp_path / "film.mp4")
    return (tmp_path / "film.mp4").read_bytes()


def test_the_track_of_chapters_is_byte_for_byte_what_apples_players_take_from_ffmpeg(tmp_path: Path) -> None:
    (tmp_path / "chapters.txt").write_text(FFMETADATA)
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "color=s=32x32:r=24:d=2", "-i",
         str(tmp_path / "chapters.txt"), "-map_metadata", "1", "-c:v", "libx264", str(tmp_path / "theirs.mp4")],
        check=True,
    )  # fmt: skip
    theirs, ours = (tmp_path / "theirs.mp4").read_bytes(), film_with_chapters(tmp_path)
    mine = ours.replace(b"co64", b"stco")  # where the samples are is the one thing that is written otherwise
    for path in (["minf", "gmhd"], ["minf", "dinf"], ["minf", "stbl", "stsz"], ["minf", "stbl", "stsc"]):
        assert find(find(mine, "moov", "trak")[-1], "mdia", *path) == find(
            find(theirs, "moov", "trak")[-1], "mdia", *path
        ), path
    (entry,) = find(find(ours, "moov", "trak")[-1], "mdia", "minf", "stbl", "stsd")
    (their_entry,) = find(find(theirs, "moov", "trak")[-1], "mdia", "minf", "stbl", "stsd")
    # Theirs ends in a box with bit rates, and states the longer length.
    assert entry[16:] == their_entry[16 : len(entry)]
    assert their_entry[len(entry) + 4 : len(entry) + 8] == b"btrt"
    assert samples(ours, 2) == [
        struct.pack(">H", len(title)) + title + b"\0\0\0\x0cencd\0\0\1\0"
        for title in ("Scene 1: Küche".encode(), "Scene 2: 港".encode())
    ]
    (theirs_at,) = find(find(theirs, "moov", "trak")[-1], "mdia", "minf", "stbl", "stco")
    at = struct.unpack_from(">I", theirs_at, 8)[0]
    assert theirs[at:].startswith(samples(ours, 2)[0])


@pytest.mark.parametrize(
    ("fps", "first", "second"), [(24, 31_000, 17_000), (Fraction(24_000, 1001), 31_031, 17_017), (60, 31_000, 17_000)]
)
def test_chapters_change_exactly_with_a_frame_and_no_player_shows_their_text(
    tmp_path: Path, fps: Fraction | int, first: int, second: int
) -> None:
    film = film_with_chapters(tmp_path, fps, (Line(0, 500, "caption"),))
    *others, last = find(film, "moov", "trak")
    assert len(others) == 3
    number = struct.unpack_from(">I", find(last, "tkhd")[0], 20)[0]
    assert [find(track, "tref", "chap") for track in others] == [[struct.pack(">I", number)]] * 3
    assert number == 4 and struct.unpack_from(">I", find(film, "moov", "mvhd")[0], 108)[0] == 5
    assert find(last, "tkhd")[0][3] == 2, "in the movie, but disabled"
    (stts,) = find(last, "mdia", "minf", "stbl", "stts")
    assert struct.unpack_from(">5I", stts, 4) == (2, 1, first, 1, second)
    assert samples(film, 2)[0] == b"\0\x07caption"
    assert [title[2:-12].decode() for title in samples(film, 3)] == [c.title for c in CHAPTERS]


def test_a_film_without_chapters_refers_to_none(tmp_path: Path) -> None:
    write_film(layout_of(tmp_path), tmp_path / "film.mp4")
    film = (tmp_path / "film.mp4").read_bytes()
    assert len(find(film, "moov", "trak")) == 2
    assert find(film, "moov", "trak", "tref") == find(film, "moov", "udta") == []
    assert struct.unpack_from(">I", find(film, "moov", "mvhd")[0], 108)[0] == 3


def test_sound_lies_beside_the_pictures_that_it_is_heard_with(tmp_path: Path) -> None:
    names = [s.path.name for s in layout_of(tmp_path).slices]
    assert names == ["piece-1", "piece-2"] * 4  # half seconds


def test_a_copy_begins_at_keyframes_only(tmp_path: Path) -> None:
    path, index = piece(tmp_path, 1, [5] * 48, {0, 24})
    with pytest.raises(Permanent, match="cannot begin a copy"):
        lay_out_film([VideoRun(path, index, 12, 48)], [], 0, OUTPUT)


def test_pieces_of_different_encoders_do_not_make_a_film(tmp_path: Path) -> None:
    path, index = piece(tmp_path, 1, [5] * 24, {0})
    other = VideoIndex(index.offsets, index.sizes, index.keyframes, b"other")
    with pytest.raises(Permanent, match="parameter sets"):
        lay_out_film([VideoRun(path, index, 0, 24), VideoRun(path, other, 0, 24)], [], 0, OUTPUT)


def test_a_piece_that_was_cut_short_is_noticed(tmp_path: Path) -> None:
    layout = layout_of(tmp_path)
    (tmp_path / "piece-1").write_bytes(b"short")
    with pytest.raises(Permanent, match="piece-1 ends before"):
        write_film(layout, tmp_path / "film.mp4")


def test_writing_stops_when_it_is_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(WriteStopped):
        write_film(layout_of(tmp_path), tmp_path / "film.mp4", stop=stop)


def test_an_index_survives_being_stored(tmp_path: Path) -> None:
    for gap in (0, 3):
        _, index = piece(tmp_path, 1, [5, 6, 7], {0, 2}, gap)
        stored = index.to_json()
        assert VideoIndex.from_json(stored) == index
        assert len(stored["offsets"]) == (1 if gap == 0 else 3)


def test_bare_packets_lose_their_headers_and_nothing_else() -> None:
    packets = [bytes((n,)) * (n + 1) for n in range(5)]
    adts = b""
    for p in packets:
        n = len(p) + 7
        adts += bytes((0xFF, 0xF1, 0x4C, 0x80 | n >> 11, n >> 3 & 255, (n & 7) << 5 | 0x1F, 0xFC)) + p
    assert strip_adts(adts) == (b"".join(packets), (1, 2, 3, 4, 5))
    with pytest.raises(Permanent, match="no AAC frame"):
        strip_adts(b"\x00" * 20)
