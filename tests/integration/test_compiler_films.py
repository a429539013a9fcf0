"""Films of real pieces equal the output of one plain filter graph, and a loudness meter confirms their sound."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from services.compiler.planning.film_plan import Clip, FilmPlan, Shot, plan_film
from services.compiler.planning.sound_plan import Cue, SoundPlan, Sources, Stem, plan_sound
from services.compiler.rendering.audio.level import find_level
from services.compiler.rendering.audio.loudness import Samples
from services.compiler.rendering.audio.stems import extract_stem, open_stem
from services.compiler.rendering.filters import Span, blend, film_frames
from services.compiler.rendering.mp4.film import Packets, VideoRun, lay_out_film
from services.compiler.rendering.mp4.write import write_film
from services.compiler.rendering.video import CLIP_CRF, End, VideoRenderer, source_video
from shared.contracts.values import AudioConfig, Fit, Output, Transition, TransitionStyle
from shared.core.errors import Permanent
from shared.media import graphs
from shared.media.conform import VideoFormat, conformed_video
from shared.media.probe import probe
from tests.support import films
from tests.support.film_harness import OUTPUT, FilmHarness, encode

D, F, CUT = TransitionStyle.DISSOLVE, TransitionStyle.FADE, TransitionStyle.CUT


@pytest.fixture
def harness(tmp_path: Path) -> FilmHarness:
    return FilmHarness(tmp_path, VideoRenderer())


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("takes")
    films.video(folder / "a.mp4", seconds=4, hue=0)
    films.video(folder / "b.mp4", seconds=4, hue=120, fps="30", tone=500)
    films.video(folder / "c.mp4", seconds=1, hue=240, size="180x320", fps="25")
    # Variable rate: every third frame is missing.
    films.video(folder / "vfr.mp4", seconds=3, hue=60, options=("-vf", "select=mod(n\\,3)", "-fps_mode", "vfr"))
    films.video(folder / "ten.mp4", seconds=1, hue=30, options=("-pix_fmt", "yuv420p10le"))
    films.video(folder / "odd.mp4", seconds=1, size="322x178", options=("-vf", "setsar=81/256"))
    return folder


def reference(sources: list[Path], plan: FilmPlan, output: Output, path: Path) -> NDArray[np.uint8]:
    """The pictures of one filter graph over the whole sources, without cutting, copying or seeking."""
    overlaps = [0, *(b.frames for b in plan.boundaries), 0]
    parts: list[graphs.Stream] = []
    tail: graphs.Stream | None = None
    for i, (source, shot) in enumerate(zip(sources, plan.shots, strict=True)):
        known, n, before, after = source_video(probe(source), output), shot.clip.frames, overlaps[i], overlaps[i + 1]
        pictures = graphs.moving_pictures(graphs.media_file(source, again=source in sources[:i]))
        frames = film_frames(pictures, known, Span(0, known.frames), output)
        spans = [(0, before), (before, n - after), (n - after, n)]
        used = [span for span in spans if span[0] < span[1]]
        cut = {
            span: copy.filter("trim", start_frame=span[0], end_frame=span[1]).filter("setpts", expr="N")
            for span, copy in zip(used, graphs.split(frames, len(used)), strict=True)
        }
        if tail is not None:
            parts.append(blend(tail, cut[spans[0]], plan.boundaries[i - 1].style, before, output.fps))
        parts += [cut[span] for span in used if span == spans[1]]
        tail = cut.get(spans[2])
    film = graphs.joined(parts, "concat", n=len(parts), v=1)
    films.render(film.output(str(path), **{"c:v": "ffv1"}))
    with av.open(str(path)) as film:
        return np.stack([f.reformat(80, 45, "gray").to_ndarray() for f in film.decode(video=0)])


@pytest.mark.parametrize(
    "takes",
    [
        [("a", D, 0.5), ("b", F, 0.5), ("c", None, 0)],
        [("b", D, 0.3), ("vfr", D, 1.0), ("a", CUT, 0), ("ten", F, 0.2), ("odd", None, 0)],
        [("c", D, 2.0), ("ten", D, 2.0), ("c", None, 0)],
    ],
)
async def test_a_film_shows_what_the_plain_graph_shows(
    takes: list[tuple[str, TransitionStyle | None, float]], harness: FilmHarness, sources: Path
) -> None:
    paths = [sources / f"{name}.mp4" for name, _, _ in takes]
    transitions = [Transition(style=s, duration_s=d) if s else None for _, s, d in takes]
    plan, clips = await harness.plan(*zip(paths, transitions, strict=True))
    film = await harness.film(paths, plan, clips)
    seen = films.watch(film, OUTPUT.fps)
    wanted = reference(paths, plan, OUTPUT, harness.folder / "reference.mkv")
    assert seen.pts == list(range(plan.frames))
    assert len(seen.pictures) == len(wanted) == plan.frames
    errors = np.abs(seen.pictures.astype(int) - wanted).mean(axis=(1, 2))
    shifted = np.abs(seen.pictures[1:].astype(int) - wanted[:-1]).mean(axis=(1, 2))
    assert errors.max() < 2.5, f"frame {errors.argmax()}"
    assert np.median(shifted) > 2 * np.median(errors)  # a film one frame off would not pass


@pytest.mark.parametrize(
    ("seconds", "conformed"),
    [(0.25, False), (0.25, True), (0.3, True)],
    ids=["source", "clip at a keyframe", "clip between keyframes"],
)
async def test_every_window_begins_with_the_picture_that_a_cut_there_would_show(
    seconds: float, conformed: bool, harness: FilmHarness, sources: Path
) -> None:
    """Seeking in a clip or a long source must not shift its frames."""
    plan, clips = await harness.plan(
        (sources / "b.mp4", Transition(style=D, duration_s=seconds)), (sources / "a.mp4", None)
    )
    (window,) = plan.windows
    assert plan.shots[0].clip.frames - window.overlap - OUTPUT.fps > 2 * OUTPUT.fps  # it is sought
    files = [c.path for c in clips] if conformed else [sources / "b.mp4", sources / "a.mp4"]
    ends = [End(file, 96, conformed) for file in files]
    rendered = await harness.video.window(*ends, window, OUTPUT, harness.folder / "w.mp4")
    first = decoded(rendered.path)[0].astype(int)
    clip = decoded(clips[0].path).astype(int)
    errors = np.abs(clip - first).mean(axis=(1, 2))
    assert errors.argmin() == 96 - window.overlap


async def test_no_frame_is_worse_than_in_a_film_that_is_encoded_in_one_go(harness: FilmHarness) -> None:
    """At the same quality, on grain, moving edges and darkness; bodies on average, as keyframes lie elsewhere."""
    grainy, dark = harness.folder / "grainy.mp4", harness.folder / "dark.mp4"
    films.video(grainy, seconds=2, options=("-vf", "noise=alls=12:allf=t", "-crf", "8"))
    films.video(dark, seconds=2, hue=200, options=("-vf", "eq=brightness=-0.3:contrast=0.6", "-crf", "8"))
    paths = [grainy, dark, grainy]
    after = Transition(style=D, duration_s=0.5)
    plan, clips = await harness.plan(*((path, after) for path in paths))
    film = await harness.film(paths, plan, clips)
    blended = [
        n
        for start, window in zip(plan.starts[1:], plan.windows, strict=True)
        for n in range(start, start + window.frames)
    ]
    lossless, whole = harness.folder / "lossless.mkv", harness.folder / "whole.mp4"
    reference(paths, plan, OUTPUT, lossless)
    video = VideoFormat(OUTPUT.width, OUTPUT.height, OUTPUT.fps)
    usual = {"c:v": "libx264", "preset": "veryfast", "crf": CLIP_CRF}
    for encoding in (conformed_video(video, plan.frames, crf=CLIP_CRF, cuttable=False), usual):
        films.render(graphs.media_file(lossless).output(str(whole), **encoding))
        ours, theirs = similarity(film, lossless), similarity(whole, lossless)
        assert len(ours) == len(theirs) == plan.frames
        assert (theirs - ours)[blended].max() < 0.001
        assert ours.mean() >= theirs.mean()


def similarity(film: Path, reference: Path) -> NDArray[np.float64]:
    """The SSIM of each frame, measured by ffmpeg."""
    statistics = film.with_suffix(".ssim")
    sides = [
        graphs.media_file(path)["v:0"].filter("settb", expr="1/24").filter("setpts", expr="N")
        for path in (film, reference)
    ]
    films.render(graphs.joined(sides, "ssim", stats_file=str(statistics)).output("-", format="null"))
    return np.array([float(whole) for whole in re.findall(r"All:([\d.]+)", statistics.read_text())])


def decoded(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as film:
        return np.stack([f.reformat(80, 45, "gray").to_ndarray() for f in film.decode(video=0)])


async def test_what_fits_already_is_copied(harness: FilmHarness, sources: Path) -> None:
    conformed = await harness.clip(sources / "b.mp4")
    assert not conformed.copied
    again = await harness.video.conform(conformed.path, OUTPUT, harness.folder / "again.mp4")
    assert again.copied
    assert again.path.read_bytes() == conformed.path.read_bytes()
    other = Output(width=320, height=180, fps=25, fit=Fit.PAD)
    assert not (await harness.video.conform(conformed.path, other, harness.folder / "other.mp4")).copied


@pytest.mark.parametrize("fit", Fit)
async def test_a_portrait_source_is_fitted(fit: Fit, harness: FilmHarness, sources: Path) -> None:
    output = OUTPUT.model_copy(update={"fit": fit})
    clip = await harness.video.conform(sources / "c.mp4", output, harness.folder / "fitted.mp4")
    with av.open(str(clip.path)) as film:
        picture = next(film.decode(video=0)).to_ndarray(format="gray")
    edge, middle = picture[:, :60], picture[:, 130:190]
    assert middle.std() > 20
    match fit:
        case Fit.PAD:
            assert edge.max() < 5
        case Fit.BLUR:
            assert 5 < edge.mean() < middle.mean()
            assert np.abs(np.diff(edge.astype(int), axis=0)).mean() < 2  # smooth
        case Fit.CROP:
            assert edge.std() > 10


async def test_a_rotated_phone_video_stands_upright(harness: FilmHarness, sources: Path) -> None:
    turned = harness.folder / "turned.mp4"
    films.ffmpeg("-display_rotation", "90", "-i", sources / "a.mp4", "-c", "copy", turned)
    clip = await harness.video.conform(turned, OUTPUT, harness.folder / "upright.mp4")
    with av.open(str(clip.path)) as film:
        frame = next(film.decode(video=0))
    assert frame.rotation == 0
    assert frame.to_ndarray(format="gray")[:, :90].max() < 5  # portrait now, so with bars


async def test_colours_are_tagged_and_survive(harness: FilmHarness) -> None:
    red = harness.folder / "red.mp4"
    films.ffmpeg(
        "-f", "lavfi", "-i", "color=c=0xC02020:size=1280x720:rate=24:duration=1", "-vf",
        "scale=out_color_matrix=bt709,format=yuv420p", "-colorspace", "bt709", "-c:v", "libx264", red,
    )  # fmt: skip
    clip = await harness.clip(red)
    with av.open(str(clip.path)) as film:
        stream = film.streams.video[0].codec_context
        assert (stream.color_primaries, stream.color_trc, stream.colorspace, stream.color_range) == (1, 1, 1, 1)
        middle = next(film.decode(video=0)).to_ndarray(format="rgb24")[90, 160]
    assert np.abs(middle.astype(int) - (0xC0, 0x20, 0x20)).max() <= 4


async def test_what_is_no_video_is_refused(harness: FilmHarness, sources: Path) -> None:
    text = harness.folder / "text.mp4"
    text.write_text("<html>not found</html>")
    voice = films.tone(harness.folder / "voice.wav", seconds=1)
    for path in (text, voice):
        with pytest.raises(Permanent) as refused:
            await harness.clip(path)
        assert refused.value.recovery


def clicks(seconds: float, at: list[float], amplitude: float = 0.8) -> Samples:
    sound = np.zeros((round(seconds * 48_000), 2), dtype=np.float32)
    for moment in at:
        sound[round(moment * 48_000) :][:48] = amplitude
    return sound


def plays(sound: Samples, seconds: float) -> tuple[SoundPlan, dict[str, Samples]]:
    cue = Cue("x", 0, 0, len(sound), 0.0, 0, 0, ducked=False)
    return SoundPlan(round(seconds * 48_000), (cue,), (), (), ()), {"x": sound}


async def test_sound_is_where_the_pictures_are(harness: FilmHarness, sources: Path) -> None:
    """Clicks at both sides of a chunk boundary and at the film's end are in place within a tenth of a frame."""
    _, clips = await harness.plan(*[(sources / "a.mp4", None)] * 3)
    moments = [0.5, 10.2, 10.3, 11.9]
    sound, stems = plays(clicks(12, moments), 12)
    packets, _, _ = await encode(sound, stems, AudioConfig(volume_normalization=False), harness.folder)
    assert len(packets) == 2
    pictures = [VideoRun(c.path, c.index, 0, c.index.frames) for c in clips]
    film = harness.folder / "film.mp4"
    write_film(lay_out_film(pictures, packets, sound.samples, OUTPUT), film)
    heard = np.abs(films.watch(film, 24).sound).max(axis=1)
    assert abs(len(heard) - 12 * 48_000) < 1024
    loud = np.flatnonzero(heard > 0.4)
    starts = loud[np.diff(loud, prepend=-10_000) > 1000] / 48_000
    assert starts == pytest.approx(moments, abs=0.1 / 24)


async def test_material_that_hits_the_ceiling_stays_below_it(tmp_path: Path) -> None:
    """Sparse loud bursts between quiet speech: -14 LUFS is possible only if the peaks are limited."""
    rng = np.random.default_rng(7)
    white = rng.standard_normal(14 * 48_000 + 15)
    bed = np.repeat(np.convolve(white, np.full(16, 0.02), "valid")[:, None], 2, axis=1).astype(np.float32)
    for start in range(0, len(bed), 16_000):
        bed[start : start + 3_000] *= 9
    plan, stems = plays(bed, 14)
    packets, loudness, peak = await encode(plan, stems, AudioConfig(loudness_lufs=-14, true_peak_dbtp=-1), tmp_path)
    track = adts(packets, tmp_path / "track.aac")
    lufs, dbtp = films.loudness(track)
    assert loudness == pytest.approx(lufs, abs=0.2)
    assert loudness == pytest.approx(-14, abs=1)
    gain, _ = find_level(plan, stems, AudioConfig(loudness_lufs=-14))
    assert np.abs(bed).max() * 10 ** (gain.gain_db / 20) > 1.3  # 3 dB over the ceiling without the limiter
    assert peak is not None
    assert peak <= -1.0
    assert dbtp <= -0.9
    assert dbtp > -3  # the limiter holds the peaks, it does not turn the film down


def adts(packets: list[Packets], path: Path) -> Path:
    """Bare packets with ADTS headers, for other tools."""
    with path.open("wb") as out:
        for chunk in packets:
            data, at = chunk.path.read_bytes(), 0
            for size in chunk.sizes:
                n = size + 7
                out.write(bytes((0xFF, 0xF1, 0x4C, 0x80 | n >> 11, n >> 3 & 255, (n & 7) << 5 | 0x1F, 0xFC)))
                out.write(data[at : at + size])
                at += size
    return path


async def test_a_stem_keeps_the_time_of_its_source(tmp_path: Path) -> None:
    """A sound track that starts late in its container is padded, not moved."""
    late = tmp_path / "late.mp4"
    films.video(tmp_path / "v.mp4", seconds=2)
    films.tone(tmp_path / "t.wav", seconds=1)
    films.ffmpeg(
        "-i", tmp_path / "v.mp4", "-itsoffset", "0.5", "-i", tmp_path / "t.wav", "-map", "0:v", "-map", "1:a",
        "-c:v", "copy", "-c:a", "aac", late,
    )  # fmt: skip
    sound = await extract_stem(late, tmp_path / "stem")
    assert sound.heard[0] == pytest.approx(24_000, abs=1_500)
    assert films.level(open_stem(tmp_path / "stem")[30_000:60_000], 440) > -10
    silent = await extract_stem(tmp_path / "v.mp4", tmp_path / "none")
    assert silent.samples == 0
    assert silent.loudness is None


async def test_narration_over_music_is_heard_and_music_comes_back(tmp_path: Path) -> None:
    voice = np.repeat(0.3 * np.sin(np.arange(3 * 48_000) * (2 * np.pi * 700 / 48_000))[:, None], 2, 1).astype(
        np.float32
    )
    music = np.repeat(0.3 * np.sin(np.arange(8 * 48_000) * (2 * np.pi * 200 / 48_000))[:, None], 2, 1).astype(
        np.float32
    )
    film = plan_film([Shot(f"s{i}", f"Segment {i}", Clip(f"c{i}", 144, (0,))) for i in (1, 2, 3)], 24)
    sources = Sources(
        {"s2": Stem("voice", len(voice), -11, (0, len(voice)))}, {}, Stem("music", len(music), -11, (0, len(music)))
    )
    plan = plan_sound(film, 24, sources, AudioConfig())
    packets, loudness, _ = await encode(plan, {"voice": voice, "music": music}, AudioConfig(), tmp_path)
    assert loudness == pytest.approx(-16, abs=0.5)
    with av.open(str(adts(packets, tmp_path / "t.aac")), format="aac") as track:
        heard = np.concatenate([f.to_ndarray() for f in track.decode(audio=0)], axis=1).T[1024:]
    second = 48_000
    # 8 to 9 s: the narration's last second, and no crossfade of the music's repetition.
    before, during, after = (heard[a * second : (a + 1) * second] for a in (3, 8, 11))
    assert films.level(during, 700) - films.level(during, 200) == pytest.approx(16, abs=2)
    assert films.level(before, 200) - films.level(during, 200) == pytest.approx(10, abs=1)
    assert films.level(after, 200) == pytest.approx(films.level(before, 200), abs=1)
    edge = heard[-second // 10 :]
    assert films.level(edge, 200) < films.level(before, 200) - 15  # faded out at the end
