"""What a provider should not have sent fails its run, in words, before anyone sees it; the bytes stay for support."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from services.generator.domain.frames import Frame
from services.generator.domain.runs import Lane
from services.generator.domain.tolerances import ExpectedOutput, check_output
from services.generator.media.base import ComparisonFiles
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.providers.base import CandidateFile, CandidateRequest, OnProgress, Provider
from shared.contracts.values import AssetKind, Cost, Output, ProjectSettings
from shared.core.errors import Permanent
from tests.support import events
from tests.support.films import ffmpeg
from tests.support.generator import Bench, emptied_database, open_bench
from tests.support.postgres import Postgres

SMALL = ProjectSettings(output=Output(width=320, height=180, fps=24))


def picture() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((320, 180)).save(out, "JPEG")
    return out.getvalue()


@dataclass
class Sends:
    """A provider that answers every order for a video with these bytes."""

    data: bytes = b""
    good: bytes = field(default_factory=picture)

    async def make(self, order: CandidateRequest, work: Path, share: OnProgress) -> CandidateFile:
        moving = order.kind is AssetKind.VIDEO
        out = work / ("answer.mp4" if moving else "answer.jpg")
        out.write_bytes(self.data if moving else self.good)
        return CandidateFile(out, "video/mp4", Cost(amount="0.10", calls=1))


@pytest_asyncio.fixture
async def bench(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(await emptied_database(postgres), tmp_path, media=FfmpegMediaProcessor()) as opened:
        yield opened


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    folder = tmp_path_factory.mktemp("answers")

    def make(*, size: str = "320x180", fps: int = 24, seconds: float = 1, sound: bool = False) -> bytes:
        path = folder / f"{size}-{fps}-{seconds}-{sound}.mp4"
        if not path.exists():
            source = "sine" if sound else f"testsrc2=size={size}:rate={fps}"
            ffmpeg(
                "-f",
                "lavfi",
                "-i",
                source,
                "-t",
                str(seconds),
                "-preset",
                "ultrafast",
                "-pix_fmt",
                "yuv420p",
                "-movflags",
                "+faststart",
                path,
            )
        return path.read_bytes()

    return make


def scrambled(data: bytes) -> bytes:
    """The index and the first pictures are right, the others are not: whoever decodes it meets an error."""
    start = (data.index(b"mdat") + len(data)) // 2
    return data[:start] + bytes(b ^ 0x5A for b in data[start:])


BAD: dict[str, tuple[Callable[[Callable[..., bytes]], bytes], str, str]] = {
    "nothing": (lambda clip: b"", "output_empty", "empty"),
    "a web page": (lambda clip: b"<!DOCTYPE html><h1>502 Bad Gateway</h1>", "media_unreadable", "neither video"),
    "a picture": (lambda clip: picture(), "media_unreadable", "neither video"),
    "a playlist": (lambda clip: b"#EXTM3U\nfile:///etc/passwd\n", "media_unreadable", "neither video"),
    "no pictures": (lambda clip: clip(sound=True), "output_differs", "no picture"),
    "cut in its index": (lambda clip: clip()[:200], "media_damaged", "truncated"),
    "cut in its pictures": (lambda clip: clip()[:-500], "media_damaged", "truncated"),
    "pictures that do not decode": (lambda clip: scrambled(clip()), "media_damaged", "play to its end"),
    "another shape": (lambda clip: clip(size="240x240"), "output_differs", "240x240 (1:1), not 16:9"),
    "too small": (lambda clip: clip(size="160x90"), "output_differs", "smaller than 320x180"),
    "too few frames a second": (lambda clip: clip(fps=6), "output_differs", "6 frames per second"),
    # Scrambled, too: it is refused by what it says of itself, before twenty seconds are decoded.
    "twenty times as long": (lambda clip: scrambled(clip(seconds=20, size="320x180")), "output_differs", "20.00 s"),
    "too short": (lambda clip: clip(seconds=0.25), "output_differs", "0.25 s, not 1 s"),
}


@pytest.mark.parametrize("what", BAD)
async def test_it_is_refused_in_words(what: str, clip: Callable[..., bytes], tmp_path: Path) -> None:
    make, code, word = BAD[what]
    answer = tmp_path / "answer.mp4"
    answer.write_bytes(make(clip))
    expect = partial(check_output, AssetKind.VIDEO, ExpectedOutput(Frame(320, 180), duration_s=1))
    with pytest.raises(Permanent) as refused:
        await FfmpegMediaProcessor().inspect(answer, AssetKind.VIDEO, tmp_path, ComparisonFiles(), expect)
    found = refused.value
    assert (found.code, word in found.cause, found.recovery.startswith("Regenerate")) == (code, True, True), found


@pytest.mark.parametrize("what", ["a web page", "twenty times as long"])
async def test_it_never_reaches_a_preview_and_is_kept(what: str, bench: Bench, clip: Callable[..., bytes]) -> None:
    make, code, _ = BAD[what]
    data = make(clip)
    bench.rewire(providers={"animatic": Provider(lambda kind: Lane.RENDER, maker=Sends(data))})
    card = await bench.committed(project_settings=SMALL)
    request = events.regenerate_requested(
        asset_kind=AssetKind.VIDEO,
        project_settings=SMALL,
        starting_image_version_id=card.version.version_id,
        overrides={"directions": "Pan left", "duration": 1},
    )
    await bench.handle(request)
    await bench.work()
    assert (await bench.one("failed", run_id=request.run_id)).problem.code == code
    assert await bench.published("preview-ready", run_id=request.run_id) == []
    kept = [o async for o in bench.objects.own.list(f"failed/{request.run_id}/")]
    assert [o.size for o in kept] == [len(data)], "whoever runs the system finds it by the run's id"


async def test_silence_is_no_fault_where_no_sound_was_asked_for(bench: Bench, clip: Callable[..., bytes]) -> None:
    bench.rewire(providers={"animatic": Provider(lambda kind: Lane.RENDER, maker=Sends(clip()))})
    card = await bench.committed(project_settings=SMALL)
    preview = await bench.preview(
        asset_kind=AssetKind.VIDEO,
        project_settings=SMALL,
        starting_image_version_id=card.version.version_id,
        overrides={"directions": "Pan left", "duration": 1},
    )
    assert preview.candidates[0].media.audio_codec is None
    assert [o async for o in bench.objects.own.list("failed/")] == []
