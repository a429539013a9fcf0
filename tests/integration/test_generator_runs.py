"""Runs of every source from request to their end, on a real database and object store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from shared.contracts.values import AssetKind, LanguageGuess, Media, Output, ProjectSettings, Setting, SettingSource
from shared.core.errors import Permanent, Retryable, UserError
from shared.core.ids import new_id
from tests.support import events
from tests.support.clock import FakeClock
from tests.support.generator import Bench, emptied_database, open_bench, put_upload
from tests.support.postgres import Postgres

HD = Output(width=1280, height=720)


def image_request(**overrides: Any) -> Any:
    return events.regenerate_requested(
        **({"asset_kind": AssetKind.STARTING_IMAGE, "overrides": {"directions": "A lighthouse"}} | overrides)
    )


async def test_a_run_goes_from_request_to_commit(bench: Bench) -> None:
    request = image_request(label="Opening")
    asked = await bench.handle(request)
    queued = await bench.one("progress")
    assert (queued.state, queued.run_rev, queued.message_code) == ("queued", 1, "run.queued")
    assert queued.settings["model"].value == "animatic/storyboard"
    assert queued.settings["directions"].source is SettingSource.OVERRIDE

    await bench.work()
    preview = await bench.one("preview-ready")
    made = preview.candidates[0]
    assert (preview.label, preview.run_id, preview.source) == ("Opening", request.run_id, "generate")
    assert (made.version_number, made.directions, made.provider) == (1, "A lighthouse", "animatic")
    assert made.seed == made.settings["seed"].value
    assert made.settings["seed"].source is SettingSource.DEFAULT
    assert made.version_id in made.object.key
    assert made.version_id in made.poster.key
    stored = b"".join([chunk async for chunk in bench.objects.own.read(made.object.key)])
    assert stored.startswith(request.run_id.encode())
    assert await bench.pointer(request.asset_id) == (None, 0)

    await bench.accept(preview)
    done = await bench.one("complete")
    assert (done.commit_seq, done.version, done.previous_version_id, done.retired) == (1, made, None, [])
    assert done.run_rev > preview.run_rev > queued.run_rev
    assert await bench.pointer(request.asset_id) == (made.version_id, 1)
    assert await bench.state(request.run_id) == "complete"
    assert await bench.pool.fetchval("select count(*) from jobs") == 0
    correlation = await bench.pool.fetch(
        "select distinct headers->>'ce_correlationid' as id from outbox where topic in ('progress', 'preview-ready')"
    )
    assert [r["id"] for r in correlation] == [asked.envelope.correlation_id]


async def test_a_second_version_replaces_the_first_and_builds_on_it(bench: Bench) -> None:
    ref = events.ref(asset_kind=AssetKind.STARTING_IMAGE)
    first = await bench.committed(**ref, overrides={"directions": "A lighthouse", "size": "1K"})
    ref |= {"run_id": new_id()}
    second = await bench.committed(**ref, overrides={}, keep_original=False)
    assert second.previous_version_id == first.version.version_id
    assert second.retired == [first.version.version_id]
    assert (second.commit_seq, second.version.version_number) == (2, 2)
    assert second.updated_at > first.updated_at
    for name in ("directions", "model", "size"):
        assert second.version.settings[name].source is SettingSource.EXISTING
    assert second.version.directions == "A lighthouse"
    assert second.version.seed != first.version.seed, "without a seed each run draws a fresh one"
    assert second.version.settings["seed"].source is SettingSource.DEFAULT


async def test_a_given_seed_repeats(bench: Bench) -> None:
    preview = await bench.preview(overrides={"directions": "A lighthouse", "seed": 77})
    assert preview.candidates[0].seed == 77
    assert preview.candidates[0].settings["seed"].source is SettingSource.OVERRIDE
    assert bench.maker.requests[0].seed == 77


async def test_commit_times_rise_even_when_the_clock_goes_back(postgres: Postgres, tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_bench(await emptied_database(postgres), tmp_path, clock=clock) as bench:
        ref = events.ref(asset_kind=AssetKind.IMAGE)
        first = await bench.committed(**ref)
        clock.move(-3600)
        second = await bench.committed(**(ref | {"run_id": new_id()}))
        assert second.updated_at == first.updated_at + timedelta(milliseconds=1)


async def test_a_rejection_changes_nothing_that_is_committed(bench: Bench) -> None:
    ref = events.ref(asset_kind=AssetKind.MUSIC)
    first = await bench.committed(**ref, overrides={"directions": "Calm piano"})
    preview = await bench.preview(**(ref | {"run_id": new_id()}), overrides={"directions": "Drums"})
    again = {name: getattr(preview, name) for name in events.ref()}
    await bench.handle(events.rejected(**again, version_id=preview.candidates[0].version_id, feedback="Too loud"))
    assert await bench.state(preview.run_id) == "rejected"
    assert await bench.pointer(ref["asset_id"]) == (first.version.version_id, 1)
    assert await bench.published("failed") == []
    status = "select status from versions where version_id = $1"
    assert await bench.pool.fetchval(status, preview.candidates[0].version_id) == "rejected"


async def test_an_expired_preview_is_reopened_without_a_provider_call(bench: Bench) -> None:
    ref = events.ref(asset_kind=AssetKind.IMAGE)
    preview = await bench.preview(**ref)
    await bench.handle(events.review_updated(**ref, change="expired", state="expired"))
    assert await bench.state(preview.run_id) == "expired"
    version = preview.candidates[0]
    again = await bench.preview(
        **(ref | {"run_id": new_id()}),
        source="existing",
        version_id=version.version_id,
        parent_run_id=preview.run_id,
        parent_reason="reopen",
        overrides={},
    )
    assert again.candidates == [version]
    assert len(bench.maker.requests) == 1
    await bench.accept(again)
    assert await bench.pointer(ref["asset_id"]) == (version.version_id, 1)


async def test_a_rollback_commits_the_older_version_with_its_parameters(bench: Bench) -> None:
    ref = events.ref(asset_kind=AssetKind.IMAGE)
    first = await bench.committed(**ref, overrides={"directions": "One", "seed": 1})
    await bench.committed(**(ref | {"run_id": new_id()}), overrides={"directions": "Two"})
    back = await bench.committed(
        **(ref | {"run_id": new_id()}),
        source="existing",
        auto_approve=True,
        version_id=first.version.version_id,
        parent_reason="rollback",
        overrides={},
    )
    assert back.version == first.version
    assert back.commit_seq == 3
    rows = await bench.pool.fetch("select status from versions where asset_id = $1", ref["asset_id"])
    assert [r["status"] for r in rows] == ["accepted", "accepted"]


@pytest.mark.parametrize("which", ["unknown", "foreign", "purged"])
async def test_a_version_that_cannot_be_offered_fails_its_run(bench: Bench, which: str) -> None:
    ref = events.ref(asset_kind=AssetKind.IMAGE)
    done = await bench.committed(**ref)
    version_id = done.version.version_id
    if which == "unknown":
        version_id = new_id()
    elif which == "foreign":
        ref |= {"asset_id": new_id()}
    else:
        await bench.pool.execute("update versions set purged_at = now()")
    run_id = new_id()
    await bench.handle(image_request(**(ref | {"run_id": run_id}), source="existing", version_id=version_id))
    problem = (await bench.one("failed")).problem
    assert problem.code == ("version_purged" if which == "purged" else "version_unknown")


# --- starting images (R5)


async def test_a_video_uses_the_starting_image_that_was_pinned(bench: Bench) -> None:
    image = await bench.committed()
    preview = await bench.preview(
        asset_kind=AssetKind.VIDEO,
        overrides={"directions": "Pan left", "duration": 5},
        starting_image_version_id=image.version.version_id,
    )
    order = bench.maker.requests[-1]
    assert order.starting_image is not None
    assert preview.candidates[0].starting_image_version_id == image.version.version_id
    assert (order.frame.width, order.frame.height, order.fps, order.duration_s) == (1920, 1080, 24, 5)
    assert preview.candidates[0].settings["resolution"].source is SettingSource.DEFAULT


@pytest.mark.parametrize("missing", ["no id", "no version", "purged", "not a picture", "no object"])
async def test_without_its_starting_image_a_video_run_fails_with_what_to_do(bench: Bench, missing: str) -> None:
    kind = AssetKind.MUSIC if missing == "not a picture" else AssetKind.STARTING_IMAGE
    image = await bench.committed(asset_kind=kind)
    pinned: str | None = image.version.version_id
    if missing == "no id":
        pinned = None
    elif missing == "no version":
        pinned = new_id()
    elif missing == "purged":
        await bench.pool.execute("update versions set purged_at = now()")
    elif missing == "no object":
        await bench.objects.own.delete(image.version.object.key)
    calls = len(bench.maker.requests)
    request = events.regenerate_requested(overrides={"directions": "Pan left"}, starting_image_version_id=pinned)
    await bench.handle(request)
    await bench.work_off()
    failed = await bench.one("failed")
    assert failed.run_id == request.run_id
    assert failed.problem.code == "starting_image_missing"
    assert failed.problem.cause == "Regenerate the starting image first."
    assert failed.problem.recovery
    assert len(bench.maker.requests) == calls, "nothing is made in its place"
    assert await bench.state(request.run_id) == "failed"


# --- what users bring (R6, R17)


async def test_an_upload_becomes_a_version(bench: Bench, tmp_path: Path) -> None:
    uploaded = await put_upload(tmp_path, b"a photograph")
    preview = await bench.preview(source="import", auto_approve=True, input_object=uploaded, overrides={})
    made = preview.candidates[0]
    assert (made.provider, made.model, made.seed, preview.auto_approve) == ("upload", None, None, True)
    stored = b"".join([chunk async for chunk in bench.objects.own.read(made.object.key)])
    assert stored == b"a photograph"
    assert made.object.bucket == "generator"


async def test_a_url_is_downloaded(bench: Bench) -> None:
    url = "https://example.com/old.jpg"
    preview = await bench.preview(source="url", input_url=url, overrides={"directions": "Old"})
    made = preview.candidates[0]
    assert b"".join([c async for c in bench.objects.own.read(made.object.key)]) == url.encode()
    assert made.directions == "Old"


@pytest.mark.parametrize("gone", [True, False])
async def test_an_upload_without_its_file_fails(bench: Bench, tmp_path: Path, gone: bool) -> None:
    uploaded = events.object_ref(bucket="gateway", key="uploads/gone") if gone else None
    await bench.handle(image_request(source="upload", input_object=uploaded))
    await bench.work_off()
    assert (await bench.one("failed")).problem.code == "input_missing"


# --- variants (R21)


async def test_variants_are_candidates_of_one_run_and_one_wins(bench: Bench) -> None:
    ref = events.ref(asset_kind=AssetKind.IMAGE)
    preview = await bench.preview(**ref, variants=3, overrides={"directions": "A lighthouse", "seed": 2**31 - 1})
    assert [v.version_number for v in preview.candidates] == [1, 2, 3]
    assert [v.seed for v in preview.candidates] == [2**31 - 1, 0, 1]
    await bench.accept(preview, version_id=preview.candidates[1].version_id)
    rows = await bench.pool.fetch("select status from versions order by version_number")
    assert [r["status"] for r in rows] == ["not_chosen", "accepted", "not_chosen"]


async def test_a_lost_variant_is_reported_and_the_others_are_offered(bench: Bench) -> None:
    async def second_fails(order: Any) -> None:
        if order.position == 1:
            raise Permanent("sensitive", "The prompt was refused.", "Change it.")

    bench.maker.script = second_fails
    preview = await bench.preview(variants=3)
    assert [v.version_number for v in preview.candidates] == [1, 2]
    assert [p.code for p in preview.problems] == ["sensitive"]


async def test_a_repeated_attempt_does_not_make_again_what_is_stored(bench: Bench) -> None:
    async def third_stumbles(order: Any) -> None:
        if order.position == 2 and order.attempt == 1:
            raise Retryable("provider_busy", "Busy.")

    bench.maker.script = third_stumbles
    preview = await bench.preview_after_retries(variants=3)
    assert [o.position for o in bench.maker.requests] == [0, 1, 2, 2]
    assert len(preview.candidates) == 3


# --- failures


async def test_a_transient_error_is_tried_again_and_told(bench: Bench) -> None:
    async def stumbles_once(order: Any) -> None:
        if order.attempt == 1:
            raise Retryable("provider_busy", "Too many requests.", delay_s=0.01)

    bench.maker.script = stumbles_once
    preview = await bench.preview_after_retries()
    retrying = [p for p in await bench.published("progress") if p.step == "retrying"]
    assert len(retrying) == 1
    assert retrying[0].message_args["cause"] == "Too many requests."
    assert (retrying[0].message_args["attempt"], retrying[0].message_args["attempts"]) == (2, 3)
    assert len(preview.candidates) == 1


async def test_attempts_are_capped(bench: Bench) -> None:
    async def never(order: Any) -> None:
        raise Retryable("provider_busy", "Too many requests.")

    bench.maker.script = never
    request = image_request()
    await bench.handle(request)
    for _ in range(3):
        await bench.run_due()
    failed = await bench.one("failed")
    assert (failed.problem.code, failed.problem.retryable, failed.attempts) == ("provider_busy", True, 3)
    assert len(bench.maker.requests) == 3
    assert await bench.pool.fetchval("select count(*) from jobs") == 0


@pytest.mark.parametrize("error", [Permanent("sensitive", "Refused."), UserError("bad", "Bad input.", "Change it.")])
async def test_errors_that_repeating_does_not_mend_fail_at_once(bench: Bench, error: Exception) -> None:
    async def refuses(order: Any) -> None:
        raise error

    bench.maker.script = refuses
    await bench.handle(image_request())
    await bench.work()
    failed = await bench.one("failed")
    assert (failed.outcome, failed.attempts, failed.problem.retryable) == ("failed", 1, False)
    assert failed.problem.recovery


async def test_what_was_accepted_stays_until_a_request_says_otherwise(bench: Bench) -> None:
    """Directions and adjustments of style and characters, through a plain regeneration and an upload."""
    asset = {"asset_id": new_id(), "asset_kind": AssetKind.IMAGE, "segment_style": "at night"}
    changes = {"style_adjustments": "warmer", "character_prompt": "Ada wears glasses"}
    await bench.committed(**asset, overrides={"directions": "A quay"} | changes)
    plain = await bench.committed(**asset, overrides={})
    wanted = "A quay\n\nStyle: at night, warmer\n\nCharacters: Ada wears glasses"
    assert [r.prompt for r in bench.maker.requests] == [wanted, wanted]
    assert plain.version.settings["style_adjustments"] == Setting(value="warmer", source=SettingSource.EXISTING)
    await bench.committed(**asset, source="upload", input_object=await put_upload(bench.root, b"own"), overrides={})
    await bench.committed(**asset, overrides={"style_adjustments": "", "character_prompt": "Ada is old"})
    assert bench.maker.requests[-1].prompt == "A quay\n\nStyle: at night\n\nCharacters: Ada is old"
    last = await bench.committed(**asset, overrides={})
    assert "style_adjustments" not in last.version.settings, "removed for good"


async def test_a_version_tells_where_it_is_not_what_was_asked_for(bench: Bench) -> None:
    image = await bench.committed(asset_kind=AssetKind.STARTING_IMAGE)
    made = Media(width=1920, height=1080, duration_s=5.042, fps=24, frames=121, video_codec="h264")
    bench.media.found[AssetKind.VIDEO] = made
    preview = await bench.preview(
        asset_kind=AssetKind.VIDEO,
        starting_image_version_id=image.version.version_id,
        overrides={"directions": "Pan left", "duration": 5},
    )
    (told,) = preview.candidates[0].differences
    assert (told.field, told.asked, told.made) == ("duration", 5, 5.042)
    assert image.version.differences == []


async def test_the_time_of_generation_is_counted_per_second_of_what_was_made(bench: Bench) -> None:
    def counted(kind: str, model: str) -> float:
        labels = {"kind": kind, "model": model}
        return REGISTRY.get_sample_value("retake_generation_seconds_per_second_count", labels) or 0.0

    before = counted("narration", "animatic/speech")
    await bench.committed(asset_kind=AssetKind.NARRATION, overrides={"directions": "Once upon a time"})
    await bench.committed(asset_kind=AssetKind.STARTING_IMAGE)
    assert counted("narration", "animatic/speech") == before + 1
    assert counted("starting_image", "animatic/storyboard") == 0, "a picture has no seconds"


async def test_a_guessed_language_is_spoken_told_and_guessed_anew_and_a_set_one_ends_it(bench: Bench) -> None:
    guess = LanguageGuess(language="de", confidence=0.93)
    asset = {"asset_id": new_id(), "asset_kind": AssetKind.NARRATION, "overrides": {"directions": "Plan A"}}
    version = (await bench.committed(**asset, guessed_language=guess)).version
    guessed = Setting(value="de", source=SettingSource.GUESSED, confidence=0.93)
    assert version.settings["language"] == guessed
    assert "guessed: de, 93 % sure" in version.info["warnings"][0]
    again = (await bench.committed(**asset, guessed_language=LanguageGuess(language="nl", confidence=0.8))).version
    assert again.settings["language"].value == "nl", "an accepted guess is still a guess"
    asked = [(r.guessed_language, r.settings.get("language")) for r in bench.maker.requests]
    assert asked == [("de", None), ("nl", None)]
    project = ProjectSettings(narration={"language": "fr"})
    ended = (await bench.committed(**asset, guessed_language=guess, project_settings=project)).version
    assert ended.settings["language"] == Setting(value="fr", source=SettingSource.PROJECT_NARRATION)
    assert "warnings" not in ended.info
    last = bench.maker.requests[-1]
    assert (last.guessed_language, last.settings["language"]) == (None, "fr")


async def test_an_unexpected_error_is_a_failure_too(bench: Bench) -> None:
    async def breaks(order: Any) -> None:
        raise ZeroDivisionError("by zero")

    bench.maker.script = breaks
    await bench.handle(image_request())
    for _ in range(3):
        await bench.run_due()
    assert (await bench.one("failed")).problem.code == "unexpected"


async def test_output_beyond_the_tolerance_never_reaches_a_preview(bench: Bench) -> None:
    image = await bench.committed()
    bench.media.found[AssetKind.VIDEO] = Media(width=1920, height=1080, duration_s=9.0, fps=24, video_codec="h264")
    await bench.handle(
        events.regenerate_requested(overrides={"directions": "Pan"}, starting_image_version_id=image.version.version_id)
    )
    await bench.work()
    problem = (await bench.one("failed")).problem
    assert problem.code == "output_differs"
    assert "9.00 s" in problem.cause
    kept = [o.key async for o in bench.objects.own.list("failed/")]
    assert kept == [f"failed/{(await bench.one('failed')).run_id}/0-1.bin"], "for the provider's support"


@pytest.mark.parametrize(
    ("overrides", "code", "word"),
    [
        ({}, "directions_missing", "prompt"),
        ({"directions": "x", "size": "9K"}, "settings_invalid", "1K, 2K, 4K"),
        ({"directions": "x", "model": "animatic/camera"}, "model_unknown", "animatic/storyboard"),
        ({"directions": "x", "model": "bytedance/seedream-4"}, "provider_unavailable", "animatic"),
    ],
)
async def test_requests_that_cannot_be_met_fail_before_any_work(
    bench: Bench, overrides: dict[str, Any], code: str, word: str
) -> None:
    await bench.handle(image_request(overrides=overrides))
    problem = (await bench.one("failed")).problem
    assert problem.code == code
    assert word in f"{problem.cause} {problem.recovery}"
    assert await bench.claim() is None


async def test_the_projects_output_shapes_what_is_made(bench: Bench) -> None:
    preview = await bench.preview(project_settings=ProjectSettings(output=HD, style="Ink"))
    order = bench.maker.requests[0]
    assert (order.frame.width, order.frame.height) == (1280, 720)
    assert (order.directions, order.prompt) == ("A lighthouse", "A lighthouse\n\nStyle: Ink")
    assert preview.candidates[0].directions == "A lighthouse"
