"""Renders recipes into stored pieces, and joins pieces into films."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from services.compiler.planning.chapters import chapters
from services.compiler.planning.chunks import Level
from services.compiler.planning.film_order import FilmOrder
from services.compiler.planning.film_parts import FilmPictures, FilmSound, JoinedFilm
from services.compiler.planning.film_plan import Body
from services.compiler.planning.handover import Handover
from services.compiler.planning.keys import output_name
from services.compiler.planning.language import three_letters
from services.compiler.planning.pieces import (
    CaptionedRecipe,
    ChunkRecipe,
    ClipRecipe,
    Piece,
    PosterRecipe,
    Recipe,
    StemRecipe,
    WindowRecipe,
)
from services.compiler.planning.sound_plan import SoundPlan
from services.compiler.rendering.audio.aac import Encoded, encode_chunk
from services.compiler.rendering.audio.level import find_level, measured
from services.compiler.rendering.audio.loudness import Samples
from services.compiler.rendering.audio.stems import extract_stem, open_stem
from services.compiler.rendering.files import LocalFiles, Scratch
from services.compiler.rendering.filters import Span
from services.compiler.rendering.fonts import fonts_fingerprint
from services.compiler.rendering.mp4.film import FilmLayout, Line, Packets, VideoRun, lay_out_film
from services.compiler.rendering.mp4.samples import VideoIndex
from services.compiler.rendering.mp4.write import write_film
from services.compiler.rendering.otio import to_otio
from services.compiler.rendering.video import End, Progress, VideoRenderer
from shared.contracts.events.gateway import CompileRequested
from shared.contracts.values import AudioConfig, CaptionMode, ObjectRef, Output
from shared.core.confinement import Files
from shared.core.ids import NewId
from shared.core.processes import ResourceLimits
from shared.media.fonts import cjk_font
from shared.objects import Objects
from shared.objects.streams import in_thread
from shared.sandbox.jobs import run_job

_CAPTIONS_S: Final = 120.0
_CAPTION_LIMITS: Final = ResourceLimits(memory=2 << 30, cpu_s=60, file_size=64 << 20)
NICENESS: Final = 10  # of low-priority work: previews and requests go first


class FfmpegRenderer:
    """Implements `commands.ports.Renderer` with ffmpeg, numpy and local files."""

    def __init__(
        self, video_renderer: VideoRenderer, files: LocalFiles, scratch: Scratch, objects: Objects, new_id: NewId
    ) -> None:
        self._video = video_renderer
        self._files = files
        self._scratch = scratch
        self._objects = objects
        self._new_id = new_id

    async def encoder(self, output: Output) -> str:
        async with self._scratch.folder() as folder:
            return await self._video.encoder(output, folder)

    async def fonts(self) -> str:
        return await asyncio.to_thread(fonts_fingerprint)

    async def make(self, recipe: Recipe, *, low_priority: bool, on_progress: Progress) -> Piece:
        async with self._scratch.folder() as folder:
            path = folder / "piece"
            facts = await self._render(recipe, path, NICENESS if low_priority else 0, on_progress)
            # A new object name each time: a piece that is made twice must not overwrite itself in the store.
            key = f"pieces/{recipe.kind}/{recipe.key}/{self._new_id()}"
            ref = await self._objects.own.put_file(key, path, _TYPES.get(type(recipe), "video/mp4"), move=True)
        return Piece(recipe.key, recipe.kind, ref, facts)

    async def _render(self, recipe: Recipe, path: Path, niceness: int, on_progress: Progress) -> dict[str, Any]:
        match recipe:
            case ClipRecipe():
                source = await self._files.path(recipe.source)
                clip = await self._video.conform(
                    source, recipe.output, path, on_progress=on_progress, niceness=niceness
                )
                facts = {"source": recipe.source.sha256, "output": output_name(recipe.output), "copied": clip.copied}
                return clip.index.to_json() | facts
            case WindowRecipe():
                conformed = not recipe.from_sources
                left = End(await self._files.path(recipe.left), recipe.left_frames, conformed)
                right = End(await self._files.path(recipe.right), recipe.window.head, conformed)
                window = await self._video.window(
                    left, right, recipe.window, recipe.output, path, on_progress=on_progress, niceness=niceness
                )
                return window.index.to_json()
            case StemRecipe():
                return (await extract_stem(await self._files.path(recipe.source), path, niceness=niceness)).to_json()
            case ChunkRecipe():
                stems = await self._stems(recipe.stems)
                encoded = await encode_chunk(recipe.plan, stems, recipe.level, recipe.chunk, path, niceness=niceness)
                return encoded.to_json()
            case CaptionedRecipe():
                return await self._captioned(recipe, path, niceness, on_progress)
            case PosterRecipe():
                await self._video.poster(await self._files.path(recipe.clip.bytes), recipe.at_s, path)
                return {}

    async def _captioned(
        self, recipe: CaptionedRecipe, path: Path, niceness: int, on_progress: Progress
    ) -> dict[str, Any]:
        script = path.with_suffix(".ass")
        packaged = cjk_font()
        await run_job(
            "services.compiler.rendering.captions_worker",
            {
                "path": str(script.absolute()),
                "captions": [asdict(caption) for caption in recipe.captions],
                "output": recipe.output.model_dump(mode="json"),
            },
            timeout_s=_CAPTIONS_S,
            limits=_CAPTION_LIMITS,
            files=Files(read=(packaged,) if packaged else (), write=(script.parent,)),
        )
        pictures, span = await self._files.path(recipe.pictures.bytes), Span(recipe.start, recipe.stop)
        drawn = await self._video.captioned(
            pictures, span, script, recipe.output, path, on_progress=on_progress, niceness=niceness
        )
        return drawn.index.to_json() | {"undrawn": drawn.undrawn}

    async def find_level(
        self, plan: SoundPlan, stems: Mapping[str, Piece], config: AudioConfig
    ) -> tuple[Level, tuple[str, ...]]:
        return await asyncio.to_thread(find_level, plan, await self._stems(stems), config)

    def measure(self, chunks: Iterable[Piece], samples: int) -> tuple[float | None, float | None]:
        found = measured((Encoded.from_json(dict(c.facts)) for c in chunks), samples)
        return found.loudness, found.true_peak_dbtp

    @asynccontextmanager
    async def film(
        self, order: FilmOrder, pictures: FilmPictures, sound: FilmSound, on_progress: Progress
    ) -> AsyncIterator[JoinedFilm]:
        layout = await self._layout(order, pictures, sound)
        async with self._scratch.folder() as folder:
            path = folder / "film.mp4"
            size = layout.size

            def write(stop: threading.Event) -> str:
                return write_film(layout, path, stop=stop, on_bytes=lambda n: on_progress(n / size))

            yield JoinedFilm(path, await in_thread(write))

    async def store(self, compilation_id: str, film: JoinedFilm, poster: Piece) -> tuple[ObjectRef, ObjectRef]:
        own, name = self._objects.own, f"films/{compilation_id}/{self._new_id()}"
        picture = await own.put_file(f"{name}.jpg", await self._files.path(poster.bytes), "image/jpeg")
        stored = await own.put_file(f"{name}.mp4", film.path, "video/mp4", move=True, sha256=film.sha256)
        return stored, picture

    async def store_files(self, compilation_id: str, files: Mapping[str, str]) -> dict[str, ObjectRef]:
        folder = f"films/{compilation_id}/{self._new_id()}"
        return {
            name: await self._objects.own.put_bytes(f"{folder}/{name}", text.encode(), _TEXTS[name.rpartition(".")[2]])
            for name, text in files.items()
        }

    def timeline(self, request: CompileRequested, handover: Handover) -> str:
        return to_otio(request, handover)

    async def _stems(self, stems: Mapping[str, Piece]) -> dict[str, Samples]:
        return {key: open_stem(await self._files.path(piece.bytes)) for key, piece in stems.items()}

    async def _layout(self, order: FilmOrder, pictures: FilmPictures, sound: FilmSound) -> FilmLayout:
        clips = [(await self._files.path(c.bytes), _index(c)) for c in pictures.clips]
        windows = [(await self._files.path(w.bytes), _index(w)) for w in pictures.windows]
        drawn = {n: (await self._files.path(p.bytes), _index(p)) for n, p in pictures.captioned.items()}
        remaining_windows = iter(windows)
        runs = []
        for number, part in enumerate(pictures.plan.parts):
            if isinstance(part, Body):
                run = VideoRun(*clips[part.shot], part.start, part.stop)
            else:
                run = VideoRun(*next(remaining_windows), 0, part.frames)
            runs.append(VideoRun(*drawn[number], 0, part.frames) if number in drawn else run)
        packets = [Packets(await self._files.path(c.bytes), tuple(c.facts["sizes"])) for c in sound.chunks]
        lines = [Line(c.start, c.end, c.text) for c in sound.captions] if order.captions is CaptionMode.SOFT else []
        return await asyncio.to_thread(
            lay_out_film,
            runs,
            packets,
            sound.plan.samples,
            order.output,
            language=three_letters(sound.language),
            text=lines,
            chapters=chapters(order.items, pictures.plan),
        )


def _index(piece: Piece) -> VideoIndex:
    return VideoIndex.from_json(dict(piece.facts))


_TEXTS: Final = {"vtt": "text/vtt", "srt": "application/x-subrip", "otio": "application/json"}


_TYPES: Final[Mapping[type, str]] = {
    StemRecipe: "application/octet-stream",
    ChunkRecipe: "application/octet-stream",
    PosterRecipe: "image/jpeg",
}
