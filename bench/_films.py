"""Setup of the compile row: source media, a complete compiler process, and a simulated gateway and generator."""

from __future__ import annotations

import asyncio
import mimetypes
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from bench._processes import resident_bytes
from bench._stack import running_service, service_env, service_ready
from deploy.local.supervisor.preflight import free_port
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.contracts.events.gateway import CompileItem, CompileRequested, PinnedMedia
from shared.contracts.topics import Service
from shared.contracts.values import AudioConfig, Fit, Media, NarrationMix, Output, Transition, TransitionStyle
from shared.core.ids import new_id
from shared.media.conform import VideoFormat, conformed_video, tag_bt709
from shared.media.ffmpeg import ffmpeg_exe
from shared.media.graphs import Stream, arguments, generated
from shared.media.probe import probe
from shared.media.sandbox import Option
from shared.messaging.broker import BrokerConfig
from shared.messaging.events import read_message
from shared.objects import Objects, open_objects
from tests.support import events
from tests.support.brokers import embedded_broker
from tests.support.messaging import raw_consumer, raw_producer
from tests.support.postgres import embedded_postgres

SECONDS: Final = 5
FPS: Final = 24
DISSOLVE: Final = Transition(style=TransitionStyle.DISSOLVE, duration_s=0.5)
_NARRATED: Final = {2: 0, 4: 1, 7: 2}  # segment: which voice


def ffmpeg(*args: str | Path) -> None:
    command = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *map(str, args)]
    subprocess.run(command, check=True)


def make_sources(folder: Path, clips: int, height: int, *, conformed: bool = False) -> None:
    """Moving, faintly grainy pictures at three frame rates, some with sound; music; three narrations.

    `conformed`: ten such clips, encoded as the animatic provider does it, and copies of them up to `clips`. Existing
    files are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(clips):
        path = folder / f"{n}.mp4"
        if path.exists():
            continue
        making = folder / "making.mp4"
        if conformed and n >= 10:
            making.write_bytes((folder / f"{n % 10}.mp4").read_bytes() + _free_box(n))
        else:
            _make_clip(making, n, f"{height * 16 // 9}x{height}", _as_conformed(height) if conformed else _AS_FILMED)
        making.rename(path)
    beat = "0.3*sin(2*PI*220*t)*exp(-mod(t,0.5)*4)+0.2*sin(2*PI*330*t)"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc='{beat}':s=48000:d=30", folder / "music.wav")
    for n in range(3):
        voice = "0.3*sin(2*PI*160*t)*gt(sin(2*PI*3*t),-0.3)+0.05*random(0)"
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc='{voice}':s=24000:d={2 + n}", folder / f"voice{n}.wav")


_AS_FILMED: Final[dict[str, Option]] = {"c:v": "libx264", "preset": "veryfast", "crf": 16, "c:a": "aac"}


def _as_conformed(height: int) -> dict[str, Option]:
    video = VideoFormat(height * 16 // 9, height, FPS)
    return {"r": FPS, **conformed_video(video, SECONDS * FPS, preset="superfast")}


def _make_clip(path: Path, n: int, size: str, encoding: dict[str, Option]) -> None:
    pictures = _pictures(n, size).filter("noise", alls=2, allf="t").filter("format", pix_fmts="yuv420p")
    sound = [generated("sine", frequency=200 + n * 50, sample_rate=44_100)] if n % 3 == 0 else []
    ffmpeg(*arguments(tag_bt709(pictures).output(*sound, str(path), t=SECONDS, **encoding)))


def _pictures(n: int, size: str) -> Stream:
    """Five kinds of moving pictures, at three frame rates."""
    width, _, height = size.partition("x")
    match n % 5:
        case 0:
            return generated("mandelbrot", size=size, rate=24, start_scale=2 + n / 10)
        case 1:
            return generated("testsrc2", size=size, rate=25)
        case 2:
            return generated("gradients", size=size, rate=30, speed=0.02, nb_colors=6, seed=n)
        case 3:
            colours = {"death_color": "#203050", "life_color": "#e0c080"}
            cells = generated("life", size="480x270", mold=10, rate=24, ratio=0.1, seed=n, **colours)
            return cells.filter("scale", w=width, h=height)
        case _:
            turning = generated("testsrc2", size="1280x720", rate=30).filter("hue", h=f"{n}*30")
            return turning.filter("scale", w=width, h=height)


def _free_box(n: int) -> bytes:
    """The same pictures with different bytes, hence a different source."""
    return (12).to_bytes(4, "big") + b"free" + n.to_bytes(4, "big")


@dataclass
class Bench:
    """A compiler in a process of its own; this process simulates the gateway and the generator."""

    database: asyncpg.Connection
    producer: Any
    generator: Objects
    objects: Path
    pid: int
    events: asyncio.Queue[FilmUpdated] = field(default_factory=asyncio.Queue)
    estimate: float | None = None
    megabytes: float = 0  # the most of the compiler's process while the last film was made

    async def commit(self, path: Path) -> PinnedMedia:
        ref = await self.generator.own.put_file(f"versions/{new_id()}/{path.name}", path, _type(path))
        found = await asyncio.to_thread(probe, path)
        media = Media(duration_s=found.duration_s, fps=found.fps, frames=found.frames, audio_codec=found.audio_codec)
        return events.pinned(object=ref, media=media)

    async def film(self, request: CompileRequested) -> tuple[float, FilmUpdated]:
        """Seconds from the request's send to the receipt of `completed`."""
        await self.settled()
        watching = asyncio.create_task(self._watch())
        try:
            return await self._film(request)
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        self.megabytes = 0
        while True:
            self.megabytes = max(self.megabytes, self.resident())
            await asyncio.sleep(0.01)

    def resident(self) -> float:
        return resident_bytes([self.pid]) / 1e6

    async def _film(self, request: CompileRequested) -> tuple[float, FilmUpdated]:
        request = request.model_copy(update={"compilation_id": new_id()})
        message = events.message(request, at=datetime.now(UTC))
        began = time.perf_counter()
        await self.producer.send_and_wait(
            request.TOPIC, request.model_dump_json().encode(), key=request.key.encode(),
            headers=message.envelope.headers(),
        )  # fmt: skip
        while True:
            event = await self.events.get()
            if event.compilation_id != request.compilation_id:
                continue
            self.estimate = event.estimated_duration_s or self.estimate
            if event.state is FilmState.COMPLETED:
                return time.perf_counter() - began, event
            if event.state is FilmState.FAILED:
                raise SystemExit(f"the film failed: {event.problem}")

    async def settled(self) -> None:
        """Wait until the film is signed: that work must not delay the next film."""
        while await self.database.fetchval("select 1 from jobs where kind in ('compile', 'sign') limit 1"):
            await asyncio.sleep(0.1)

    def path(self, film: FilmUpdated) -> Path:
        assert film.object is not None
        return self.objects / film.object.bucket / film.object.key

    async def forget(self, *kinds: str) -> None:
        await self.database.execute("delete from pieces where kind = any($1::text[])", list(kinds))

    async def files(self, kind: str) -> list[Path]:
        rows = await self.database.fetch("select object->>'key' k from pieces where kind = $1 order by made_at", kind)
        return [self.objects / "compiler" / r["k"] for r in rows]


def _type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bench]:
    async with (
        embedded_postgres(folder / "postgres", durable=True) as server,
        embedded_broker(folder / "broker") as broker,
    ):
        url, port = await server.fresh("compiler"), free_port()
        env = service_env(Service.COMPILER, port, url, broker, folder, folder) | {"COMPILER_RENDER_AHEAD": "false"}
        gateway = BrokerConfig(broker.bootstrap, Service.GATEWAY, True)
        producer, consumer = raw_producer(gateway), raw_consumer(gateway, FilmUpdated.TOPIC)
        await producer.start()
        await consumer.start()
        database = await asyncpg.connect(url)
        async with (
            open_objects(env["COMPILER_OBJECTS_URL"], Service.GENERATOR) as generator,
            running_service(Service.COMPILER, env, folder) as process,
        ):
            await service_ready(port, process)
            bench = Bench(database, producer, generator, folder / "objects", process.pid)

            async def listen() -> None:
                async for record in consumer:
                    event = read_message(record.topic, list(record.headers), record.value or b"").event
                    assert isinstance(event, FilmUpdated)
                    bench.events.put_nowait(event)

            listening = asyncio.create_task(listen())
            try:
                yield bench
            finally:
                listening.cancel()
        await database.close()
        await consumer.stop()
        await producer.stop()


async def order(bench: Bench, folder: Path, clips: int, height: int, after: Transition | None) -> CompileRequested:
    items = []
    for n in range(clips):
        voice = await bench.commit(folder / f"voice{_NARRATED[n]}.wav") if n in _NARRATED else None
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
