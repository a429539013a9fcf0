"""Whole runs on Replicate's API as emulated: real media, real checks, and what was paid against what was made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.generator.domain.calls import CANCEL_ORPHAN
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.providers.base import Provider
from services.generator.providers.replicate import provider as replicate_provider
from services.generator.providers.replicate.settings import ReplicateSettings
from services.generator.wiring import orphan_kind
from shared.contracts.values import AssetKind, LanguageGuess
from shared.jobs import queue as jobs
from shared.postgres.pool import transaction
from tests.support import events
from tests.support.generator import Bench, emptied_database, open_bench
from tests.support.postgres import Postgres
from tests.support.replicate import server
from tests.support.replicate.generator import PATIENT, renew_provider


class Killed(BaseException):
    """The worker died here: nothing that follows runs."""


@pytest_asyncio.fixture
async def bench(postgres: Postgres, tmp_path: Path, replicate: server.Running) -> AsyncIterator[Bench]:
    async with open_bench(await emptied_database(postgres), tmp_path, media=FfmpegMediaProcessor()) as opened:
        renew_provider(opened, replicate)
        yield opened


async def requested(bench: Bench, kind: AssetKind = AssetKind.IMAGE, **overrides: Any) -> Any:
    request = events.regenerate_requested(asset_kind=kind, overrides={"directions": "A lighthouse at dusk"} | overrides)
    await bench.handle(request)
    return request


async def test_an_image_a_narration_and_music_are_made_checked_and_priced(
    bench: Bench, replicate: server.Running
) -> None:
    renew_provider(bench, replicate, **PATIENT)
    await requested(bench, size="1K")
    await requested(bench, AssetKind.NARRATION, language="en")
    await requested(bench, AssetKind.MUSIC, duration=3)
    for _ in range(3):
        await bench.work()
    previews = {p.asset_kind: p for p in await bench.published("preview-ready")}
    assert {k: p.cost.amount for k, p in previews.items()} == {
        AssetKind.IMAGE: "0.03",
        AssetKind.NARRATION: "0.002",
        AssetKind.MUSIC: "0.2",
    }
    image = previews[AssetKind.IMAGE].candidates[0]
    assert image.media.width and image.media.width > 1000
    assert image.info["provider_ref"] in replicate.account.predictions
    assert "takes no seed" in image.info["seed_reason"] and image.seed is None
    assert (len(replicate.account.paid), replicate.account.leaked_tokens) == (3, 0)


@pytest.mark.parametrize(("chosen", "told"), [({}, "German"), ({"language": "fr"}, "French")])
async def test_a_narration_is_spoken_in_the_language_that_was_guessed_over_the_episode(
    bench: Bench, replicate: server.Running, chosen: dict[str, str], told: str
) -> None:
    renew_provider(bench, replicate, **PATIENT)
    request = events.regenerate_requested(
        asset_kind=AssetKind.NARRATION,
        overrides={"directions": "Hamburg, Altona."} | chosen,
        guessed_language=LanguageGuess(language="de", confidence=0.9),
    )
    await bench.handle(request)
    await bench.work()
    preview = await bench.one("preview-ready")
    [sent] = replicate.account.predictions.values()
    assert sent.input["language_boost"] == told
    warned = [w for w in preview.candidates[0].info.get("warnings", []) if "guessed" in w]
    assert len(warned) == (0 if chosen else 1)


async def test_a_video_starts_from_the_committed_image(bench: Bench, replicate: server.Running) -> None:
    renew_provider(bench, replicate, **PATIENT)
    await requested(bench, AssetKind.STARTING_IMAGE)
    await bench.work()
    image = await bench.one("preview-ready")
    await bench.accept(image)
    video = events.regenerate_requested(
        asset_kind=AssetKind.VIDEO,
        starting_image_version_id=image.candidates[0].version_id,
        overrides={"directions": "Slow push in", "duration": 2, "resolution": "480p"},
    )
    await bench.handle(video)
    await bench.work()
    preview = await bench.one("preview-ready", run_id=video.run_id)
    [candidate] = preview.candidates
    assert (candidate.media.width, candidate.media.height, candidate.cost.amount) == (848, 480, "0.036")
    [sent] = [p for p in replicate.account.predictions.values() if "seedance" in p.model]
    assert (sent.input["duration"], sent.input["resolution"], sent.input["seed"]) == (2, "480p", candidate.seed)


@pytest.mark.parametrize("step", ["intent written", "sent, id unsaved", "looking", "fetching"])
async def test_wherever_the_worker_dies_replicate_is_paid_once(
    bench: Bench, replicate: server.Running, step: str
) -> None:
    provider = renew_provider(bench, replicate)
    create = provider._api.create

    async def dies(*args: Any, **named: Any) -> Any:
        raise Killed

    async def dies_after(*args: Any, **named: Any) -> Any:
        await create(*args, **named)
        raise Killed

    match step:
        case "intent written":
            provider.submit = dies  # type: ignore[method-assign]
        case "sent, id unsaved":
            provider._api.create = dies_after  # type: ignore[method-assign]
        case "looking":
            provider.poll = dies  # type: ignore[method-assign]
        case _:
            provider.fetch = dies  # type: ignore[method-assign]
    await requested(bench, size="1K")
    with pytest.raises(Killed):
        await bench.work(await bench.claim(lease_s=0))
    renew_provider(bench, replicate)
    preview = await _finish(bench)
    assert len(replicate.account.predictions) == len(replicate.account.paid) == 1
    assert (preview.cost.amount, preview.cost.calls) == ("0.03", 1)


async def _finish(bench: Bench) -> Any:
    """Repetitions come when they are due: what may still arrive is waited for."""
    async with asyncio.timeout(60):
        while True:
            await bench.work_off()
            if previews := await bench.published("preview-ready"):
                return previews[0]
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "status", "status": 504, "after": True},
        {"do": "drop", "after": True},
        {"do": "status", "status": 502},
        {"do": "hang", "seconds": 1.5, "after": True},
        {"do": "status", "status": 429, "headers": {"retry-after": "0.2"}},
    ],
)
async def test_whatever_the_answer_to_a_new_prediction_one_is_paid(
    bench: Bench, replicate: server.Running, fault: dict[str, Any]
) -> None:
    replicate.faults.add("create", **fault)
    await requested(bench, size="1K")
    preview = await _finish(bench)
    assert len(replicate.account.predictions) == 1
    assert (preview.cost.amount, preview.cost.calls) == ("0.03", 1)


@pytest.mark.parametrize(
    ("on", "answer"),
    [("list", 401), ("list", 404), ("list", '{"results": 7}'), ("get", 403), ("get", 404), ("get", "[]")],
)
async def test_whatever_a_request_beside_it_is_answered_the_paid_call_goes_on(
    bench: Bench, replicate: server.Running, on: str, answer: int | str
) -> None:
    if on != "get":
        replicate.faults.add("create", "drop", after=True)
    body = {"body": answer, "status": 200} if isinstance(answer, str) else {"status": answer}
    replicate.faults.add(on, "status", times=4, **body)
    replicate.faults.add("account", "status", status=404, times=99)
    request = await requested(bench, size="1K")
    async with asyncio.timeout(60):
        while not await bench.published("preview-ready"):
            await bench.run_due()
    assert (await bench.one("preview-ready")).cost.amount == "0.03"
    assert await bench.published("failed") == []
    assert len(replicate.account.predictions) == len(replicate.account.paid) == 1
    said = [
        e for e in await bench.published("progress", run_id=request.run_id) if e.message_code == "run.provider_away"
    ]
    assert all(" " in e.message_args["cause"] for e in said), "in sentences"


async def test_a_call_that_never_arrived_takes_no_equal_runs_prediction_not_even_after_a_restart(
    bench: Bench, replicate: server.Running
) -> None:
    replicate.faults.add("create", "status", status=504)
    for _ in range(2):  # equal but for the asset; the first one's request is lost, the second one's is answered
        await requested(bench, size="1K")
        await bench.work()
    await bench.one("preview-ready")
    renew_provider(bench, replicate)
    await bench.run_all()
    refs = [p.candidates[0].info["provider_ref"] for p in await bench.published("preview-ready")]
    assert sorted(refs) == sorted(replicate.account.predictions), "a prediction for each"


async def test_of_two_that_look_at_once_one_adopts(bench: Bench, replicate: server.Running) -> None:
    for _ in range(2):
        await requested(bench, size="1K")
        renew_provider(bench, replicate).submit = _dies  # type: ignore[method-assign]
        claimed = await bench.claim()
        with pytest.raises(Killed):
            await bench.work(claimed)
    maker: Any = bench.generator.candidates.makers["replicate"]
    one, other = [
        await maker.calls.get(str(r["call_id"])) for r in await bench.pool.fetch("select call_id from provider_calls")
    ]
    adopted = await asyncio.gather(*(maker.calls.adopt(c, {"id": "a prediction"}) for c in (one, other)))
    assert sorted(c is None for c in adopted) == [False, True]


async def _dies(*args: Any, **named: Any) -> Any:
    raise Killed


@pytest.mark.parametrize(
    ("fault", "code", "made"),
    [
        ({"do": "fail", "error": "The input or output was flagged as sensitive. (E005)"}, "content_refused", 1),
        ({"do": "fail", "error": "unexpected (E6716)", "times": 9}, "provider_failed", 3),
        ({"do": "abort", "times": 9}, "provider_aborted", 3),
    ],
)
async def test_failed_predictions_are_repeated_by_their_class_and_cost_nothing(
    bench: Bench, replicate: server.Running, fault: dict[str, Any], code: str, made: int
) -> None:
    renew_provider(bench, replicate, **PATIENT)
    replicate.faults.add("prediction", **fault)
    await requested(bench, size="1K")
    for _ in range(made):
        await bench.run_due()
    failed = await bench.one("failed")
    assert (failed.problem.code, len(replicate.account.predictions)) == (code, made)
    assert (failed.cost.amount.rstrip("0.") or "0", replicate.account.paid) == ("0", [])
    assert "egenerate" in failed.problem.recovery, "nothing tries it again by itself"


@pytest.mark.parametrize("bad", ["html", "empty", "truncated"])
async def test_a_bad_output_is_never_offered_and_not_made_again(
    bench: Bench, replicate: server.Running, bad: str
) -> None:
    renew_provider(bench, replicate, **PATIENT)
    replicate.faults.add("output", bad)
    await requested(bench, AssetKind.IMAGE, size="1K")
    await bench.work()
    failed = await bench.one("failed")
    assert failed.problem.cause and failed.problem.recovery
    assert not await bench.published("preview-ready")
    assert len(replicate.account.predictions) == 1


async def test_cancelling_a_run_cancels_its_prediction_even_if_its_id_was_never_saved(
    bench: Bench, replicate: server.Running
) -> None:
    replicate.faults.add("prediction", "never_end")
    replicate.faults.add("create", "drop", after=True)
    request = await requested(bench, size="1K")
    await bench.work()
    [orphan] = replicate.account.predictions.values()
    await bench.handle(events.cancel_requested(target_id=request.run_id))
    renew_provider(bench, replicate)
    kind = orphan_kind(bench.base, bench.adapters)
    await bench.pool.execute("update jobs set run_at = now()")
    async with transaction(bench.pool) as connection:
        claims = await jobs.claim(connection, CANCEL_ORPHAN, 10, worker="test")
    for claim in claims:
        await kind.handler(claim)
    assert orphan.status == "canceled"
    assert await bench.pool.fetchval("select state from provider_calls") == "cancelled"


async def test_without_a_token_the_run_says_how_to_get_one_and_animatic_goes_on(
    bench: Bench, replicate: server.Running
) -> None:
    made = replicate_provider.ReplicateProvider(ReplicateSettings(base_url=replicate.url))
    bench.rewire(
        providers=dict(bench.adapters.providers) | {"replicate": Provider(replicate_provider.lane, remote=made)}
    )
    await requested(bench)
    await bench.work()
    failed = await bench.one("failed")
    assert failed.problem.code == "provider_token_missing" and "REPLICATE_API_TOKEN" in failed.problem.recovery
    assert not replicate.account.predictions
    assert await bench.pool.fetchval("select count(*) from provider_calls") == 0
