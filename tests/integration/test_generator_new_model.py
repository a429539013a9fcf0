"""A model that nobody here has seen: a row in an operator's file, and the whole loop runs on it. Nothing is code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

from services.generator.domain.runs import Lane
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.providers.base import Provider
from services.generator.providers.replicate import provider as replicate_provider
from services.generator.providers.replicate.settings import ReplicateSettings
from shared.contracts.catalogue import load_catalogue
from shared.contracts.values import AssetKind, ProjectSettings
from tests.support import events
from tests.support.generator import Bench, ScriptedMaker, emptied_database, open_bench
from tests.support.postgres import Postgres
from tests.support.replicate import schemas, server

SLUG = "acme/dream-reel"
OVERLAY: dict[str, Any] = {
    "models": {
        SLUG: {
            "provider": "replicate",
            "title": "Dream Reel",
            "kinds": ["video"],
            "takes_seed": True,
            "settings_schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "duration": {"type": "integer", "minimum": 1, "maximum": 3, "default": 2},
                    "resolution": {"type": "string", "enum": ["480p", "720p"], "default": "480p"},
                    "mood": {"type": "string", "enum": ["calm", "wild"], "default": "calm"},
                    "seed": {"type": "integer", "minimum": 0, "maximum": 4294967295},
                },
            },
            "inputs": {
                "words": {"from": "prompt"},
                "first_picture": {"from": "starting_image"},
                "seconds": {"from": "settings.duration"},
                "mood": {"from": "settings.mood"},
                "quality": {"from": "settings.resolution", "map": {"480p": "draft", "720p": "fine"}},
                "rng": {"from": "seed"},
                "watermark": {"value": False},
            },
            "price": {"unit": "second", "by": "resolution", "amounts": {"480p": "0.01", "720p": "0.02"}},
            "limits": {"per_minute": 30, "at_once": 3},
        }
    }
}


@pytest.fixture
def model() -> Iterator[str]:
    """What its maker publishes."""
    schemas.add_model(
        SLUG,
        like="bytedance/seedance-1-lite",
        required="words",
        schema={
            "words": {"type": "string"},
            "first_picture": {"type": "string"},
            "watermark": {"type": "boolean"},
            "seconds": {"type": "integer", "minimum": 1, "maximum": 3},
            "mood": {"enum": ["calm", "wild"]},
            "quality": {"enum": ["draft", "fine"]},
            "rng": {"type": "integer"},
        },
        rename={
            "words": "prompt",
            "first_picture": "image",
            "seconds": "duration",
            "quality": "resolution",
            "rng": "seed",
        },
        values={"draft": "480p", "fine": "720p"},
    )
    yield SLUG
    for known in (schemas.SCHEMAS, schemas.REQUIRED, schemas.ALIKE):
        del known[SLUG]  # type: ignore[attr-defined]


@pytest_asyncio.fixture
async def replicate(tmp_path: Path, model: str) -> AsyncIterator[server.Running]:
    async with server.running(tmp_path / "replicate", speed=400) as emulator:
        yield emulator


@pytest_asyncio.fixture
async def bench(postgres: Postgres, tmp_path: Path, replicate: server.Running) -> AsyncIterator[Bench]:
    overlay = tmp_path / "models.json"
    overlay.write_text(json.dumps(OVERLAY))
    made = replicate_provider.ReplicateProvider(
        ReplicateSettings(api_token=replicate.token, base_url=replicate.url, poll_s=0.05, cancel_after_s=86_400)
    )
    async with open_bench(await emptied_database(postgres), tmp_path, media=FfmpegMediaProcessor()) as opened:
        opened.rewire(
            catalogue=load_catalogue(overlay),
            default_provider="replicate",
            providers={
                "replicate": Provider(replicate_provider.lane, remote=made),
                "animatic": Provider(lambda kind: Lane.RENDER, ScriptedMaker()),
            },
        )
        yield opened


@pytest_asyncio.fixture
async def image(bench: Bench) -> str:
    """The id of a committed starting image."""
    request = events.regenerate_requested(
        asset_kind=AssetKind.STARTING_IMAGE, overrides={"directions": "A harbour at dusk", "size": "1K"}
    )
    await bench.handle(request)
    await bench.work()
    preview = await bench.one("preview-ready", run_id=request.run_id)
    await bench.accept(preview)
    return str(preview.candidates[0].version_id)


def video(image: str, overrides: dict[str, Any], **more: Any) -> Any:
    return events.regenerate_requested(
        asset_kind=AssetKind.VIDEO,
        starting_image_version_id=image,
        overrides={"model": SLUG, "directions": "The boats sway."} | overrides,
        **more,
    )


async def test_the_loop_runs_on_it_and_its_price_is_its_rows(
    bench: Bench, replicate: server.Running, image: str
) -> None:
    request = video(image, {"duration": 3, "mood": "wild", "seed": 11})
    await bench.handle(request)
    await bench.work()
    preview = await bench.one("preview-ready", run_id=request.run_id)
    [sent] = [p.input for p in replicate.account.predictions.values() if p.model == SLUG]
    assert sent.pop("first_picture").startswith(("data:image/jpeg", "http"))
    assert sent == {
        "words": "The boats sway.",
        "seconds": 3,
        "mood": "wild",
        "quality": "draft",
        "rng": 11,
        "watermark": False,
    }
    assert (preview.cost.amount, preview.candidates[0].seed) == ("0.03", 11)
    await bench.accept(preview)
    assert (await bench.one("complete", run_id=request.run_id)).version.model == SLUG


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ({"duration": 9}, "from 1 to 3"),
        ({"mood": "sad"}, "calm, wild"),
        ({"quality": "fine"}, "duration, mood"),
        ({"resolution": "1080p"}, "480p, 720p"),
    ],
)
async def test_what_it_does_not_take_is_refused_before_anything_is_paid(
    bench: Bench, replicate: server.Running, image: str, overrides: dict[str, Any], names: str
) -> None:
    paid = len(replicate.account.predictions)
    request = video(image, overrides)
    await bench.handle(request)
    failed = await bench.one("failed", run_id=request.run_id)
    assert names in failed.problem.cause and failed.cost.calls == 0
    assert len(replicate.account.predictions) == paid


async def test_a_regeneration_varies_only_what_was_asked(bench: Bench, replicate: server.Running, image: str) -> None:
    """R29: two calls of one asset, field by field."""
    project = ProjectSettings(style="watercolour", video={"mood": "wild", "duration": 2})
    first = video(image, {"seed": 5}, project_settings=project)
    await bench.handle(first)
    await bench.work()
    await bench.accept(await bench.one("preview-ready", run_id=first.run_id))
    ref = {name: getattr(first, name) for name in events.ref() if name != "run_id"}
    for change in ({"duration": 1, "seed": 5}, {"directions": "The boats leave.", "seed": 5}, {}):
        again = events.regenerate_requested(
            **ref, starting_image_version_id=image, project_settings=project, overrides=change
        )
        await bench.handle(again)
        await bench.work()
    sent = [
        p.input for p in sorted(replicate.account.predictions.values(), key=lambda p: p.created_at) if p.model == SLUG
    ]

    def differs(other: dict[str, Any]) -> set[str]:
        return {name for name in sent[0] | other if sent[0].get(name) != other.get(name)}

    assert sent[0]["words"] == "The boats sway.\n\nStyle: watercolour" and sent[0]["mood"] == "wild"
    assert [differs(other) for other in sent[1:]] == [{"seconds"}, {"words"}, {"rng"}]


async def test_one_runs_story_is_told_by_its_id(bench: Bench, image: str) -> None:
    request = video(image, {"duration": 1})
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await bench.handle(request)
        await bench.work()
        await bench.accept(await bench.one("preview-ready", run_id=request.run_id))
    story = [line["event"] for line in lines if line.get("run_id") == request.run_id]
    assert story == [
        "run.queued",
        "run.attempt",
        "call.intended",
        "call.submitted",
        "call.succeeded",
        "call.fetched",
        "run.preview_ready",
        "run.committed",
    ]
