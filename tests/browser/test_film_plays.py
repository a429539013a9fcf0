"""A film of the compiler in a real browser: it plays to its end, each seek shows its frame, captions come in time.

Each segment has its own colour, and each of its frames its own brightness, so that a pixel tells which frame is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pytest
import uvicorn
from playwright.async_api import Browser, Page
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from shared.contracts.events.compiler import FilmState
from shared.contracts.values import Transition, TransitionStyle
from tests.support import films
from tests.support.compiler_harness import DISSOLVE, Start, item, requested, start

__all__ = ["start"]

FPS: Final = 24
FADE: Final = Transition(style=TransitionStyle.FADE, duration_s=0.25)
_TINTS: Final = {"blue": (148, 120), "red": (120, 148), "green": (112, 112), "grey": (128, 128)}  # Cb, Cr
_HEVC: Final = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-tag:v", "hvc1")
_TEN_BITS: Final = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le")
_PAGE: Final = """<!doctype html>
<video muted preload="auto" src="/objects/{film}"><track kind="captions" default src="/objects/{captions}"></video>"""

_READY: Final = """
    async () => {
        const video = document.querySelector('video')
        while (video.readyState < 4 || !video.textTracks[0].cues) {
            if (video.error) throw new Error(video.error.message)
            await new Promise(done => setTimeout(done, 20))
        }
        const cues = [...video.textTracks[0].cues].map(c => [c.startTime, c.endTime, c.text])
        return [video.duration, video.videoWidth, video.videoHeight, cues]
    }
"""
_SEEK: Final = """
    async at => {
        const video = document.querySelector('video')
        const canvas = Object.assign(document.createElement('canvas'), {width: 32, height: 18})
        const sought = new Promise(done => video.onseeked = done)
        const shown = new Promise(done => video.requestVideoFrameCallback((_, frame) => done(frame.mediaTime)))
        video.currentTime = at
        await sought
        const time = await shown
        const context = canvas.getContext('2d', {willReadFrequently: true})
        context.drawImage(video, 0, 0, 32, 18)
        const cues = [...video.textTracks[0].activeCues].map(c => c.text)
        return [time, [...context.getImageData(16, 9, 1, 1).data.slice(0, 3)], cues]
    }
"""
_PLAY: Final = """
    async () => {
        const video = document.querySelector('video')
        const ended = new Promise((done, failed) => { video.onended = done; video.onerror = () => failed(video.error) })
        video.currentTime = 0
        video.playbackRate = 2
        let last = -1, backwards = 0
        const look = (_, frame) => {
            if (frame.mediaTime < last) backwards++
            last = frame.mediaTime
            video.requestVideoFrameCallback(look)
        }
        video.requestVideoFrameCallback(look)
        await video.play()
        await ended
        return [video.currentTime, last, backwards, video.webkitAudioDecodedByteCount]
    }
"""


def _take(path: Path, tint: str, *encoding: str) -> Path:
    """Two seconds: brightness 50 + 3 n in frame n, in one colour."""
    cb, cr = _TINTS[tint]
    picture = f"nullsrc=size=160x90:rate={FPS}:duration=2,format=yuv420p,geq=lum='50+3*N':cb={cb}:cr={cr}"
    tags = ("-vf", "setparams=range=tv:colorspace=bt709:color_trc=bt709:color_primaries=bt709")
    films.ffmpeg("-f", "lavfi", "-i", picture, *tags, *encoding, path)
    return path


def _brightness(rgb: list[int]) -> float:
    """BT.709 luma in limited range: what frame of its segment a pixel is of."""
    return float(16 + 219 / 255 * np.dot(rgb, (0.2126, 0.7152, 0.0722)))


def _tint(rgb: list[int]) -> str:
    luma = np.dot(rgb, (0.2126, 0.7152, 0.0722))
    cb, cr = 128 + 224 / 255 * (rgb[2] - luma) / 1.8556, 128 + 224 / 255 * (rgb[0] - luma) / 1.5748
    return min(_TINTS, key=lambda name: abs(_TINTS[name][0] - cb) + abs(_TINTS[name][1] - cr))


@asynccontextmanager
async def served(folder: Path, page: str) -> AsyncIterator[str]:
    """The folder over HTTP, with ranges, and a page at its root."""
    routes = [Route("/", lambda _: HTMLResponse(page)), Mount("/objects", StaticFiles(directory=folder))]
    config = uvicorn.Config(Starlette(routes=routes), port=0, lifespan="off", log_level="critical",
                            timeout_graceful_shutdown=1)  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        await serving


async def test_a_film_plays_seeks_and_shows_its_captions(browser: Browser, start: Start, tmp_path: Path) -> None:
    """Dissolve, fade and cut between H.264, HEVC and 10-bit sources; the second segment is spoken over."""
    takes = [
        _take(tmp_path / "plain.mp4", "blue"),
        _take(tmp_path / "hevc.mp4", "red", *_HEVC),
        _take(tmp_path / "ten.mp4", "green", *_TEN_BITS),
        _take(tmp_path / "hevc10.mp4", "grey", *_HEVC, "-pix_fmt", "yuv420p10le"),
    ]
    async with start(render_ahead=False) as stage:
        videos = [await stage.commit(take) for take in takes]
        voice = await stage.commit(films.tone(tmp_path / "voice.wav", seconds=1.2, hertz=700))
        said = voice.model_copy(update={"directions": "The <quay> is empty."})
        transitions = (DISSOLVE, FADE, None, None)
        items = [item(n, v, t) for n, (v, t) in enumerate(zip(videos, transitions, strict=True), 1)]
        items[1] = items[1].model_copy(update={"narration": said})
        film = await stage.film(requested(*items))
        assert film.state is FilmState.COMPLETED, film.problem
        assert film.object is not None
        with av.open(str(stage.path(film.object))) as made:
            codec = made.streams.video[0].codec_context
            assert (codec.name, codec.pix_fmt, codec.colorspace, codec.color_range) == ("h264", "yuv420p", 1, 1)
        names = {"film": film.object, "captions": film.files["captions.vtt"]}
        page = _PAGE.format(**{name: f"{ref.bucket}/{ref.key}" for name, ref in names.items()})
        async with served(stage.objects, page) as address:
            tab = await browser.new_page()
            await tab.goto(address)
            await _look(tab)


async def _look(tab: Page) -> None:
    starts, frames = [0, 36, 78, 126], 174  # 48 each, less 12 of the dissolve and 6 of the fade
    duration, width, height, cues = await tab.evaluate(_READY)
    assert (width, height) == (320, 180)
    assert duration == pytest.approx(frames / FPS, abs=0.03)
    assert cues == [[1.5, pytest.approx(3.0, abs=0.01), "The &lt;quay&gt; is empty."]]

    async def at(frame: int) -> tuple[int, list[int], list[str]]:
        time, rgb, active = await tab.evaluate(_SEEK, (frame + 0.5) / FPS)
        return round(time * FPS), rgb, active

    for frame in (150, 5, 173, 60, 30, 100, 126, 125, 48, 0):  # to and fro; first and last frames of copied parts
        shown, rgb, active = await at(frame)
        segment = max(n for n, first in enumerate(starts) if first <= frame)
        assert shown == frame
        assert _tint(rgb) == list(_TINTS)[segment], (frame, rgb)
        assert _brightness(rgb) == pytest.approx(50 + 3 * (frame - starts[segment]), abs=1.4), (frame, rgb)
        assert bool(active) == (1.5 <= (frame + 0.5) / FPS < 3.0), frame
    _, blended, _ = await at(42)  # in the middle of the dissolve: half frame 42 of the first, half 6 of the second
    assert _brightness(blended) == pytest.approx(50 + 3 * (42 + 6) / 2, abs=4)
    _, black, _ = await at(81)
    assert max(black) < 20  # the fade goes through black
    await _plays(tab, frames)


async def _plays(tab: Page, frames: int) -> None:
    played: list[Any] = await tab.evaluate(_PLAY)
    end, last, backwards, sound = played
    assert end == pytest.approx(frames / FPS, abs=0.05)
    assert last * FPS > frames - 6
    assert backwards == 0
    assert sound > 0
