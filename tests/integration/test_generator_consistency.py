"""Style, characters and their pictures go into every call that takes them; a new run varies only what was asked."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from services.generator.commands.references import interleaved
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.providers.replicate import images
from shared.contracts.values import AssetKind, Character, ObjectRef, ProjectSettings
from shared.objects.directory import DirectoryStore
from tests.support import events
from tests.support.generator import Bench, emptied_database, open_bench, put_upload
from tests.support.postgres import Postgres
from tests.support.replicate import server
from tests.support.replicate.generator import renew_provider


@pytest_asyncio.fixture
async def bench(postgres: Postgres, tmp_path: Path, replicate: server.Running) -> AsyncIterator[Bench]:
    async with open_bench(await emptied_database(postgres), tmp_path, media=FfmpegMediaProcessor()) as opened:
        renew_provider(opened, replicate)
        yield opened


def jpeg(color: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (320, 200), color).save(out, "JPEG")
    return out.getvalue()


async def ana_and_ben(bench: Bench) -> ProjectSettings:
    pictures = [await put_upload(bench.root, jpeg(color)) for color in ("red", "green", "blue")]
    return ProjectSettings(
        style="Warm film stock",
        characters=[
            Character(name="Ana", description="red scarf", reference_images=pictures[:2]),
            Character(name="Ben", reference_images=pictures[2:]),
        ],
    )


async def make(bench: Bench, project: ProjectSettings, directions: str, **overrides: Any) -> Any:
    request = events.regenerate_requested(
        asset_kind=AssetKind.IMAGE,
        project_settings=project,
        overrides={"directions": directions} | (overrides or {"size": "1K"}),
    )
    await bench.handle(request)
    await bench.work()
    return await bench.one("preview-ready", run_id=request.run_id)


def sent(replicate: server.Running) -> list[dict[str, Any]]:
    return [dict(p.input) for p in replicate.account.predictions.values()]


async def test_regenerating_varies_only_what_was_asked(bench: Bench, replicate: server.Running) -> None:
    project = await ana_and_ben(bench)
    await make(bench, project, "A lighthouse at dusk")
    await make(bench, project, "A lighthouse at dawn")
    one, two = sent(replicate)
    assert {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)} == {"prompt"}
    assert two["prompt"] == one["prompt"].replace("dusk", "dawn")
    assert "Style: Warm film stock" in one["prompt"] and "Characters: Ana: red scarf; Ben" in one["prompt"]
    assert len(one["image_input"]) == 3
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in one["image_input"])


async def test_a_picture_is_fetched_and_encoded_once_whichever_runs_ask(
    bench: Bench, replicate: server.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await ana_and_ben(bench)
    fetched, encoded = [], []
    fetch, fitted = DirectoryStore.fetch, images.fitted

    async def counted(store: DirectoryStore, ref: ObjectRef, path: Path) -> None:
        fetched.append(ref.sha256)
        await fetch(store, ref, path)

    def counted_too(path: Path, *more: Any) -> bytes:
        encoded.append(path.name)
        return fitted(path, *more)

    monkeypatch.setattr(DirectoryStore, "fetch", counted)
    monkeypatch.setattr(images, "fitted", counted_too)
    for n in range(3):
        await make(bench, project, f"Harbour {n}")
    assert len(fetched) == len(set(fetched)) == 3
    assert sorted(encoded) == sorted(fetched)


async def test_a_picture_that_is_gone_is_named_before_anything_is_paid(bench: Bench, replicate: server.Running) -> None:
    project = await ana_and_ben(bench)
    for path in (bench.root / "objects" / "gateway").rglob("file"):
        path.unlink()
    request = events.regenerate_requested(
        asset_kind=AssetKind.IMAGE, project_settings=project, overrides={"directions": "A lighthouse"}
    )
    await bench.handle(request)
    await bench.work()
    failed = await bench.one("failed")
    assert (failed.problem.code, failed.problem.cause) == (
        "reference_missing",
        "A reference image of Ana no longer exists.",
    )
    assert not replicate.account.paid


async def test_a_stored_seed_repeats_and_a_fresh_one_is_stored(bench: Bench, replicate: server.Running) -> None:
    project = ProjectSettings()
    model = "qwen/qwen-image"
    first = (await make(bench, project, "A boat", model=model)).candidates[0]
    again = (await make(bench, project, "A boat", model=model, seed=first.seed)).candidates[0]
    other = (await make(bench, project, "A boat", model=model)).candidates[0]
    seeds = [call["seed"] for call in sent(replicate)]
    assert seeds == [first.seed, first.seed, other.seed]
    assert again.seed == first.seed != other.seed


def test_few_places_go_to_as_many_characters_as_possible() -> None:
    def picture(n: int) -> ObjectRef:
        return ObjectRef(bucket="gateway", key=f"uploads/{n}", size=1, sha256=f"{n:064}", content_type="image/jpeg")

    ana = Character(name="Ana", reference_images=[picture(1), picture(2)])
    ben = Character(name="Ben", reference_images=[picture(3), picture(1)])
    assert [(name, int(ref.sha256)) for name, ref in interleaved([ana, ben])] == [("Ana", 1), ("Ben", 3), ("Ana", 2)]
