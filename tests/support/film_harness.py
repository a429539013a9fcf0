"""Makes pieces and films of real files in one folder, without the service around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.compiler.planning.chunks import chunks
from services.compiler.planning.film_plan import Body, Clip, FilmPlan, Shot, Window, plan_film
from services.compiler.planning.pieces import needs_sources
from services.compiler.planning.sound_plan import SoundPlan
from services.compiler.rendering.audio.aac import encode_chunk
from services.compiler.rendering.audio.level import find_level, measured
from services.compiler.rendering.audio.loudness import Samples
from services.compiler.rendering.mp4.film import Line, Packets, VideoRun, lay_out_film
from services.compiler.rendering.mp4.write import write_film
from services.compiler.rendering.video import End, Rendered, VideoRenderer
from shared.contracts.values import AudioConfig, Fit, Output, Transition

OUTPUT = Output(width=320, height=180, fps=24, fit=Fit.PAD)


@dataclass
class FilmHarness:
    """Conforms, plans, renders and joins in one folder."""

    folder: Path
    video: VideoRenderer
    output: Output = OUTPUT

    async def clip(self, source: Path) -> Rendered:
        return await self.video.conform(source, self.output, self.folder / f"clip-{source.stem}.mp4")

    async def plan(self, *takes: tuple[Path, Transition | None]) -> tuple[FilmPlan, list[Rendered]]:
        clips = [await self.clip(path) for path, _ in takes]
        shots = [
            Shot(f"s{i}", f"Segment {i}", Clip(f"c{i}", c.index.frames, c.index.keyframes), t)
            for i, (c, (_, t)) in enumerate(zip(clips, takes, strict=True), 1)
        ]
        return plan_film(shots, self.output.fps), clips

    async def film(self, sources: list[Path], plan: FilmPlan, clips: list[Rendered], text: Sequence[Line] = ()) -> Path:
        """A film with a silent sound track: only its pictures are inspected."""
        runs = []
        for i, part in enumerate(plan.parts):
            match part:
                case Body(shot, start, stop):
                    runs.append(VideoRun(clips[shot].path, clips[shot].index, start, stop))
                case Window(left):
                    path = self.folder / f"window-{i}.mp4"
                    ends = ends_of(part, sources[left : left + 2], clips[left : left + 2], self.output)
                    window = await self.video.window(*ends, part, self.output, path)
                    runs.append(VideoRun(path, window.index, 0, part.frames))
        silence = SoundPlan(plan.frames * 48_000 // self.output.fps, (), (), (), ())
        packets = await encode(silence, {}, AudioConfig(), self.folder)
        film = self.folder / "film.mp4"
        layout = lay_out_film(runs, packets[0], silence.samples, self.output, language="jpn", text=text)
        write_film(layout, film)
        return film


def ends_of(window: Window, sources: list[Path], clips: list[Rendered], output: Output) -> tuple[End, End]:
    """What a window is rendered from, as in its recipe. `sources` and `clips`: of the two shots around it."""
    conformed = not needs_sources(window, output.fps)
    left, right = (
        End(clip.path if conformed else source, clip.index.frames, conformed)
        for source, clip in zip(sources, clips, strict=True)
    )
    return left, right


async def encode(
    plan: SoundPlan, stems: dict[str, Samples], config: AudioConfig, folder: Path
) -> tuple[list[Packets], float | None, float | None]:
    """The track's packets, and its measured loudness (LUFS) and true peak (dBTP)."""
    level, _ = find_level(plan, stems, config)
    made = []
    for i, chunk in enumerate(chunks(plan, level)):
        path = folder / f"chunk-{i}"
        made.append((path, await encode_chunk(plan, stems, level, chunk, path)))
    found = measured([e for _, e in made], plan.samples)
    return [Packets(path, e.sizes) for path, e in made], found.loudness, found.true_peak_dbtp
