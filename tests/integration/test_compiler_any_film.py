"""Films of any plan: every frame in its place, clips unchanged, sound in sync with the pictures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.compiler.planning.film_plan import Body, Clip, FilmPlan, Shot, Window, plan_film
from services.compiler.planning.keys import window_key
from services.compiler.planning.sound_plan import Sources, plan_sound, sample_of
from services.compiler.rendering.audio.stems import extract_stem, open_stem
from services.compiler.rendering.mp4.film import Packets, VideoRun, lay_out_film
from services.compiler.rendering.mp4.write import write_film
from services.compiler.rendering.video import End, Rendered, VideoRenderer
from shared.contracts.values import AudioConfig, Fit, Output, Transition, TransitionStyle
from tests.support import films
from tests.support.film_harness import encode, ends_of

OUTPUT = Output(width=64, height=36, fps=25, fit=Fit.PAD)
LENGTHS = (1, 2, 3, 7, 26, 40)
Gray = NDArray[np.int32]


@dataclass
class Deck:
    """Clips of awkward lengths, and the windows between them, rendered when needed."""

    folder: Path
    video_renderer: VideoRenderer = field(default_factory=VideoRenderer)
    sources: list[Path] = field(default_factory=list)
    clips: list[Rendered] = field(default_factory=list)
    seen: list[Gray] = field(default_factory=list)
    windows: dict[str, Rendered] = field(default_factory=dict)

    async def fill(self) -> None:
        for n, frames in enumerate(LENGTHS):
            source = self.folder / f"{n}.mp4"
            films.video(source, seconds=frames / 25, size="64x36", fps="25", hue=60 * n, tone=300 if n % 2 else None)
            self.sources.append(source)
            self.clips.append(await self.video_renderer.conform(source, OUTPUT, self.folder / f"clip-{n}.mp4"))
            self.seen.append(gray(self.clips[-1].path))

    def shots(self, cards: list[tuple[int, Transition | None]]) -> list[Shot]:
        made = []
        for place, (card, after) in enumerate(cards):
            index = self.clips[card].index
            made.append(Shot(f"s{place}", f"Segment {place}", Clip(f"c{card}", index.frames, index.keyframes), after))
        return made

    async def window(self, plan: FilmPlan, part: Window, cards: list[int]) -> Rendered:
        key = window_key(plan.shots[part.left], plan.shots[part.left + 1], part)
        if key not in self.windows:
            pair = cards[part.left : part.left + 2]
            ends = ends_of(part, [self.sources[c] for c in pair], [self.clips[c] for c in pair], OUTPUT)
            self.windows[key] = await self.video_renderer.window(*ends, part, OUTPUT, self.folder / f"window-{key}.mp4")
        return self.windows[key]


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Deck:
    made = Deck(tmp_path_factory.mktemp("deck"))
    asyncio.run(made.fill())
    return made


def gray(path: Path) -> Gray:
    with av.open(str(path)) as film:
        return np.stack([f.to_ndarray()[:36].astype(np.int32) for f in film.decode(video=0)])


transitions = st.none() | st.builds(
    Transition, style=st.sampled_from(TransitionStyle), duration_s=st.sampled_from((0.04, 0.25, 0.5, 3.0))
)
hands = st.lists(st.tuples(st.integers(0, len(LENGTHS) - 1), transitions), min_size=1, max_size=6)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(hands)
def test_any_plan_makes_its_film(deck: Deck, hand: list[tuple[int, Transition | None]]) -> None:
    """Copied frames equal the clip's, bit for bit; blended ones equal a blend of the two clips' frames."""
    cards = [card for card, _ in hand]
    plan = plan_film(deck.shots(hand), OUTPUT.fps)
    film = asyncio.run(make(deck, plan, cards))
    seen = films.watch(film, OUTPUT.fps)
    assert seen.pts == list(range(plan.frames))
    assert abs(len(seen.sound) - sample_of(plan.frames, OUTPUT.fps)) < 1024
    shown, at = gray(film), 0
    assert len(shown) == plan.frames
    for part in plan.parts:
        mine = shown[at : at + part.frames]
        match part:
            case Body(shot, start, stop):
                assert np.array_equal(mine, deck.seen[cards[shot]][start:stop])
            case Window():
                wanted = blended(part, deck.seen[cards[part.left]], deck.seen[cards[part.left + 1]])
                assert np.abs(mine - wanted).mean(axis=(1, 2)).max() < 4
        at += part.frames


async def make(deck: Deck, plan: FilmPlan, cards: list[int]) -> Path:
    runs = []
    for part in plan.parts:
        match part:
            case Body(shot, start, stop):
                clip = deck.clips[cards[shot]]
                runs.append(VideoRun(clip.path, clip.index, start, stop))
            case Window():
                window = await deck.window(plan, part, cards)
                runs.append(VideoRun(window.path, window.index, 0, part.frames))
    stems, own = {}, {}
    for shot, card in zip(plan.shots, cards, strict=True):
        path = deck.folder / f"stem-{card}"
        sound = await extract_stem(deck.sources[card], path)
        own[shot.segment_id] = sound.stem(f"stem-{card}")
        stems[f"stem-{card}"] = open_stem(path)
    config = AudioConfig(segment_sound="keep")
    sound_plan = plan_sound(plan, OUTPUT.fps, Sources(own=own), config)
    packets, _, _ = await encode(sound_plan, stems, config, deck.folder)
    film = deck.folder / "film.mp4"
    write_film(lay_out_film(runs, packets, sound_plan.samples, OUTPUT), film)
    return film


def blended(window: Window, left: Gray, right: Gray) -> Gray:
    """The expected transition, computed from decoded frames."""
    tail, made = left[len(left) - window.overlap :], []
    down = window.overlap // 2
    for i in range(window.overlap):
        if window.style is TransitionStyle.DISSOLVE:
            share = 1 - i / window.overlap
            made.append(tail[i] * share + right[i] * (1 - share))
        elif i < down:
            made.append(16 + (tail[i] - 16) * (1 - i / down))
        else:
            made.append(16 + (right[i] - 16) * ((i - down) / (window.overlap - down)))
    return np.array([*made, *right[window.overlap : window.head]]).round().astype(np.int32)


async def test_sound_and_picture_stay_together_over_a_hundred_segments(tmp_path: Path) -> None:
    """Each segment flashes and beeps at once, and every second boundary dissolves: none drifts by a frame."""
    source = tmp_path / "flash.mp4"
    flash = "nullsrc=size=64x36:rate=25:duration=0.24,geq=lum='if(eq(N,3),235,40)':cb=128:cr=128"
    beep = "aevalsrc='0.5*sin(2*PI*2000*t)*between(t,3/25,4/25)':s=48000:d=0.24"
    films.ffmpeg("-f", "lavfi", "-i", flash, "-f", "lavfi", "-i", beep, "-pix_fmt", "yuv420p", "-c:v", "libx264",
                 "-crf", "10", "-c:a", "aac", source)  # fmt: skip
    video_renderer = VideoRenderer()
    clip = await video_renderer.conform(source, OUTPUT, tmp_path / "clip.mp4")
    sound = await extract_stem(source, tmp_path / "stem")
    after = Transition(style=TransitionStyle.DISSOLVE, duration_s=0.08)
    known = Clip("clip", clip.index.frames, clip.index.keyframes)
    plan = plan_film([Shot(f"s{n}", f"Segment {n}", known, after if n % 2 else None) for n in range(100)], 25)
    window = await video_renderer.window(End(source, 6), End(source, 6), plan.windows[0], OUTPUT, tmp_path / "w.mp4")
    runs = [
        VideoRun(clip.path, clip.index, p.start, p.stop) if isinstance(p, Body)
        else VideoRun(window.path, window.index, 0, p.frames)
        for p in plan.parts
    ]  # fmt: skip
    own = {shot.segment_id: sound.stem("stem") for shot in plan.shots}
    config = AudioConfig(segment_sound="keep")
    heard = plan_sound(plan, 25, Sources(own=own), config)
    packets: list[Packets] = (await encode(heard, {"stem": open_stem(tmp_path / "stem")}, config, tmp_path))[0]
    film = tmp_path / "film.mp4"
    write_film(lay_out_film(runs, packets, heard.samples, OUTPUT), film)

    seen = films.watch(film, 25)
    flashes = np.flatnonzero(seen.pictures.mean(axis=(1, 2)) > 150)
    loud = np.flatnonzero(np.abs(seen.sound).max(axis=1) > 0.1)
    beeps = loud[np.diff(loud, prepend=-10_000) > 4_000]
    assert len(flashes) == len(beeps) == 100
    assert np.abs(beeps / 48_000 - flashes / 25).max() < 1 / 25
