"""How fast a film is made, beside ffmpeg: `python -m bench.compile [--size 1080] [--clips 10]`.

The compiler runs whole, over the embedded broker and PostgreSQL: every time is from the request's send to the
receipt of `completed`. The peers get the same sources or the same pieces. Writes out/bench/compile.json.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from bench._report import save
from services.compiler.config import Settings
from services.compiler.wiring import wire
from shared import telemetry
from shared.contracts.compiler import FilmState, FilmUpdated
from shared.contracts.gateway import CompileItem, CompileRequested, PinnedMedia
from shared.contracts.topics import Service
from shared.contracts.values import AudioConfig, Fit, Media, NarrationMix, Output, Transition, TransitionStyle
from shared.ids import new_id
from shared.media import ffmpeg_exe, probe
from shared.messaging.broker import Broker
from shared.messaging.events import read_message
from shared.objects import Objects, open_objects
from tests.support import events
from tests.support.brokers import embedded_broker
from tests.support.postgres import embedded_postgres

SECONDS = 5
FPS = 24
DISSOLVE = Transition(style=TransitionStyle.DISSOLVE, duration_s=0.5)
PICTURES = (
    "mandelbrot=size={size}:rate=24:start_scale={seed}",
    "testsrc2=size={size}:rate=25",
    "gradients=size={size}:rate=30:speed=0.02:nb_colors=6:seed={n}",
    "life=size=480x270:mold=10:rate=24:ratio=0.1:death_color=#203050:life_color=#e0c080:seed={n},scale={size}",
    "testsrc2=size=1280x720:rate=30,hue=h={n}*30,scale={size}",
)


def ffmpeg(*args: str | Path) -> None:
    command = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *map(str, args)]
    subprocess.run(command, check=True)


def make_sources(folder: Path, clips: int, height: int) -> None:
    """Moving, faintly grainy pictures at three frame rates, some with sound; music; three narrations."""
    size = f"{height * 16 // 9}x{height}"
    for n in range(clips):
        picture = PICTURES[n % len(PICTURES)].format(size=size, n=n, seed=2 + n / 10)
        sound = ["-f", "lavfi", "-i", f"sine=frequency={200 + n * 50}:sample_rate=44100"] if n % 3 == 0 else []
        ffmpeg("-f", "lavfi", "-i", picture, *sound, "-t", str(SECONDS), "-vf", "noise=alls=2:allf=t,format=yuv420p",
               "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-c:a", "aac", folder / f"{n}.mp4")  # fmt: skip
    beat = "0.3*sin(2*PI*220*t)*exp(-mod(t,0.5)*4)+0.2*sin(2*PI*330*t)"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc='{beat}':s=48000:d=30", folder / "music.wav")
    for n in range(3):
        voice = "0.3*sin(2*PI*160*t)*gt(sin(2*PI*3*t),-0.3)+0.05*random(0)"
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc='{voice}':s=24000:d={2 + n}", folder / f"voice{n}.wav")


@dataclass
class Bench:
    """A running compiler, and the gateway and generator played by us."""

    database: asyncpg.Connection
    producer: Any
    generator: Objects
    objects: Path
    told: asyncio.Queue[FilmUpdated] = field(default_factory=asyncio.Queue)
    estimate: float | None = None

    async def commit(self, path: Path) -> PinnedMedia:
        ref = await self.generator.own.put_file(f"versions/{new_id()}/{path.name}", path, "video/mp4")
        found = await asyncio.to_thread(probe, path)
        media = Media(duration_s=found.duration_s, fps=found.fps, frames=found.frames, audio_codec=found.audio_codec)
        return events.pinned(object=ref, media=media)

    async def film(self, request: CompileRequested) -> tuple[float, FilmUpdated]:
        """Seconds from click to `completed`."""
        request = request.model_copy(update={"compilation_id": new_id()})
        message = events.message(request, at=datetime.now(UTC))
        began = time.perf_counter()
        await self.producer.send_and_wait(
            request.TOPIC, request.model_dump_json().encode(), key=request.key.encode(),
            headers=message.envelope.headers(),
        )  # fmt: skip
        while True:
            told = await self.told.get()
            self.estimate = told.estimated_duration_s or self.estimate
            if told.compilation_id == request.compilation_id and told.state is FilmState.COMPLETED:
                return time.perf_counter() - began, told
            if told.state is FilmState.FAILED:
                raise SystemExit(f"the film failed: {told.problem}")

    async def forget(self, *kinds: str) -> None:
        await self.database.execute("delete from pieces where kind = any($1::text[])", list(kinds))

    async def files(self, kind: str) -> list[Path]:
        rows = await self.database.fetch("select object->>'key' k from pieces where kind = $1 order by made_at", kind)
        return [self.objects / "compiler" / r["k"] for r in rows]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bench]:
    async with embedded_postgres(folder / "postgres") as server, embedded_broker(folder / "broker") as broker:
        url = await server.fresh("compiler")
        settings = Settings(
            database_url=url, kafka_bootstrap=broker.bootstrap, kafka_embedded=True, render_ahead=False,
            objects_url=f"file://{folder / 'objects'}", work_dir=str(folder / "work"),
        )  # fmt: skip
        gateway = Broker(broker.bootstrap, Service.GATEWAY, True)
        producer, consumer = gateway.producer(), gateway.consumer(FilmUpdated.TOPIC)
        await producer.start()
        await consumer.start()
        database = await asyncpg.connect(url)
        async with open_objects(settings.objects_url, Service.GENERATOR) as generator, wire(settings):
            bench = Bench(database, producer, generator, folder / "objects")

            async def listen() -> None:
                async for record in consumer:
                    event = read_message(record.topic, list(record.headers), record.value or b"").event
                    assert isinstance(event, FilmUpdated)
                    bench.told.put_nowait(event)

            listening = asyncio.create_task(listen())
            try:
                yield bench
            finally:
                listening.cancel()
        await database.close()
        await consumer.stop()
        await producer.stop()


async def order(bench: Bench, folder: Path, clips: int, height: int, after: Transition | None) -> CompileRequested:
    voices = {2: 0, 4: 1, 7: 2}
    items = []
    for n in range(clips):
        voice = await bench.commit(folder / f"voice{voices[n]}.wav") if n in voices else None
        items.append(
            CompileItem(
                segment_id=new_id(),
                number=n + 1,
                video=await bench.commit(folder / f"{n}.mp4"),
                narration=voice,
                transition_after=after,
            )
        )
    return events.compile_requested(
        items=items,
        music=await bench.commit(folder / "music.wav"),
        audio=AudioConfig(narration={items[2].segment_id: NarrationMix(offset=0.5)} if clips > 2 else {}),
        output=Output(width=height * 16 // 9, height=height, fps=FPS, fit=Fit.PAD),
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )


def concat_copy(pieces: list[Path], film: Path) -> float:
    listing = film.with_suffix(".txt")
    listing.write_text("".join(f"file '{p}'\n" for p in pieces))
    began = time.perf_counter()
    ffmpeg("-f", "concat", "-safe", "0", "-i", listing, "-c", "copy", "-movflags", "+faststart", film)
    return time.perf_counter() - began


def xfade_graph(folder: Path, clips: int, height: int, film: Path) -> float:
    """The whole film by one filter graph, as one would write it by hand: dissolves, music, loudness."""
    inputs = [arg for n in range(clips) for arg in ("-i", folder / f"{n}.mp4")]
    fitted = f"scale={height * 16 // 9}:{height},fps={FPS},settb=1/{FPS},setsar=1,format=yuv420p"
    graph = [f"[{n}:v]{fitted}[v{n}]" for n in range(clips)]
    last = "v0"
    for n in range(1, clips):
        graph.append(f"[{last}][v{n}]xfade=transition=fade:duration=0.5:offset={n * (SECONDS - 0.5)}[x{n}]")
        last = f"x{n}"
    length = clips * SECONDS - (clips - 1) * 0.5
    graph.append(f"[{clips}:a]aloop=-1:2000000000,atrim=0:{length},loudnorm=I=-16:TP=-1,aresample=48000[a]")
    began = time.perf_counter()
    ffmpeg(*inputs, "-i", folder / "music.wav", "-filter_complex", ";".join(graph), "-map", f"[{last}]", "-map", "[a]",
           "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-c:a", "aac", "-b:a", "192k", "-t", str(length),
           "-movflags", "+faststart", film)  # fmt: skip
    return time.perf_counter() - began


async def measure(folder: Path, clips: int, height: int, *, peers: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def row(name: str, seconds: list[float], **more: Any) -> None:
        rows.append({"row": name, "seconds": round(statistics.median(seconds), 3), "runs": len(seconds), **more})
        print(f"{name:58} {rows[-1]['seconds']:9.3f} s  {more or ''}", flush=True)

    async with running(folder) as bench:
        for name, after in (("cut", None), ("dissolves", DISSOLVE)):
            request = await order(bench, folder, clips, height, after)
            cold, film = await bench.film(request)
            row(f"{name}: nothing conformed", [cold], report=_report(film), estimate_s=bench.estimate)
            ready = [(await bench.film(request))[0] for _ in range(5)]
            assert film.object is not None
            row(f"{name}: every piece ready, click to film", ready, megabytes=round(film.object.size / 1e6, 1))
            bodies = await bench.files("clip")
            runs = [await asyncio.to_thread(concat_copy, bodies, folder / "concat.mp4") for _ in range(5)]
            row(f"{name}: ffmpeg concat -c copy of the clips", runs)
            await bench.forget("window", "chunk", "track", "stem", "poster")
            missing, film = await bench.film(request)
            row(
                f"{name}: conformed, windows and sound missing",
                [missing],
                report=_report(film),
                estimate_s=bench.estimate,
            )
            changed = request.items[clips // 2].model_copy(update={"video": request.items[0].video})
            items = [*request.items[: clips // 2], changed, *request.items[clips // 2 + 1 :]]
            again, film = await bench.film(request.model_copy(update={"items": items}))
            row(f"{name}: one segment changed", [again], report=_report(film), estimate_s=bench.estimate)
            await bench.forget("clip", "window", "chunk", "track", "stem", "poster")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{'memory of the compiler, MB':58} {peak:9.0f}")
        rows.append({"row": "memory, MB", "value": round(peak)})
    if peers:
        row("peer: one xfade filter graph, veryfast, loudnorm", [xfade_graph(folder, clips, height, folder / "x.mp4")])
    return rows


def _report(film: FilmUpdated) -> dict[str, Any]:
    assert film.report is not None
    return {
        "reused": film.report.pieces_reused,
        "rendered": film.report.pieces_rendered,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--size", type=int, default=1080, help="height in pixels")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--sources", type=Path, help="a folder with 0.mp4, 1.mp4, ... to use instead of made ones")
    args = parser.parse_args()
    telemetry.configure("compiler", level="WARNING", json=False)
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as temporary:
        folder = Path(temporary)
        if args.sources:
            for file in args.sources.iterdir():
                (folder / file.name).symlink_to(file.resolve())
        else:
            make_sources(folder, args.clips, args.size)
        rows = asyncio.run(measure(folder, args.clips, args.size, peers=not args.no_peers))
    print(f"raw numbers: {save('compile', {'clips': args.clips, 'height': args.size, 'rows': rows})}")


if __name__ == "__main__":
    main()
