"""The provider against the emulator: what is created once, found again, fetched, cancelled and refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from services.generator.domain.calls import Call, CallState, Handle
from services.generator.domain.frames import Frame
from services.generator.providers.base import (
    CallFailed,
    CallRunning,
    CallSucceeded,
    CancelOutcome,
    CandidateRequest,
    ProviderHalted,
    ProviderThrottled,
    SubmissionUnknown,
)
from services.generator.providers.replicate.outputs import OutputDownloads
from services.generator.providers.replicate.provider import ReplicateProvider
from services.generator.providers.replicate.settings import ReplicateSettings
from shared.contracts.catalogue import load_catalogue
from shared.contracts.values import AssetKind
from shared.core.clock import SystemClock
from shared.core.errors import Permanent, RetakeError, Retryable, UserError
from shared.core.ids import new_id
from tests.support.replicate import schemas, server

CATALOGUE = load_catalogue()
Make = Callable[..., ReplicateProvider]


# Far longer than a busy machine is held up; the emulator's model works 200 times as fast.
SETTLE_S = 40.0
CANCEL_AFTER_S = 86_400


@pytest_asyncio.fixture
async def replicate(tmp_path: Path) -> AsyncIterator[server.Running]:
    async with server.running(tmp_path / "replicate", speed=200) as emulator:
        yield emulator


@pytest_asyncio.fixture
async def make(replicate: server.Running) -> AsyncIterator[Make]:
    made: list[ReplicateProvider] = []

    def new(**settings: Any) -> ReplicateProvider:
        given = {
            "api_token": replicate.token,
            "base_url": replicate.url,
            "poll_s": 0.02,
            "request_s": 20,
            "settle_s": SETTLE_S,
            "cancel_after_s": CANCEL_AFTER_S,
        }
        made.append(ReplicateProvider(ReplicateSettings(**(given | settings))))
        return made[-1]

    yield new
    for provider in made:
        await provider.close()


def order(slug: str = "bytedance/seedream-4", **changes: Any) -> CandidateRequest:
    model = CATALOGUE.get(slug)
    values = {n: model.default_of(n) for n in model.properties if model.default_of(n) is not None}
    seed = {"seed": 7} if model.takes_seed else {}
    made = CandidateRequest(
        run_id=new_id(),
        position=0,
        attempt=1,
        kind=model.kinds[0],
        model=model,
        directions="A boat.",
        prompt="A boat.",
        settings=values | seed,
        seed=seed.get("seed"),
        label="S1",
        frame=Frame(320, 180),
        fps=24,
        duration_s=values.get("duration"),
    )
    return replace(made, **changes)


def call_of(asked: CandidateRequest, request: Any, *, ago_s: float = 0.0) -> Call:
    return Call(
        new_id(),
        asked.run_id,
        0,
        "replicate",
        asked.model.slug,
        CallState.INTENDED,
        None,
        None,
        datetime.now(UTC) - timedelta(seconds=ago_s),
        dict(request),
    )


async def until_over(provider: ReplicateProvider, handle: Handle) -> CallSucceeded | CallFailed:
    async with asyncio.timeout(60):
        while True:
            answer = await provider.poll(handle)
            if not isinstance(answer, CallRunning):
                return answer


async def submitted(provider: ReplicateProvider, asked: CandidateRequest) -> Handle:
    await provider.prepare(asked)
    return await provider.submit(new_id(), asked)


async def error_of(provider: ReplicateProvider, asked: CandidateRequest) -> RetakeError:
    with pytest.raises(RetakeError) as caught:
        await submitted(provider, asked)
    return caught.value


@pytest.mark.parametrize(
    ("slug", "suffix", "amount"),
    [
        ("bytedance/seedream-4", ".jpg", "0.03"),  # answers with a list
        ("google/nano-banana", ".png", "0.039"),  # answers with a string
        ("minimax/speech-02-hd", ".flac", "0.0007"),
    ],
)
async def test_from_order_to_file(
    make: Make, replicate: server.Running, tmp_path: Path, slug: str, suffix: str, amount: str
) -> None:
    provider, asked = make(), order(slug)
    handle = await submitted(provider, asked)
    done = await until_over(provider, handle)
    assert isinstance(done, CallSucceeded)
    made = await provider.fetch(asked, done, tmp_path)
    assert made.path.suffix == suffix and made.path.stat().st_size > 500
    assert (made.cost.amount, made.cost.basis) == (amount, "estimated")
    assert made.info["provider_ref"] == handle["id"]
    [prediction] = replicate.account.predictions.values()
    assert prediction.deadline is not None, "Cancel-After bounds what an orphan costs"
    assert replicate.account.leaked_tokens == 0


@pytest.mark.parametrize(("size", "as_file"), [((320, 180), False), ((2048, 1152), True)])
async def test_a_video_gets_its_image_inline_if_it_is_small_else_as_a_file(
    make: Make, replicate: server.Running, tmp_path: Path, size: tuple[int, int], as_file: bool
) -> None:
    image = tmp_path / "image.png"
    Image.effect_noise(size, 80).convert("RGB").save(image)
    asked = order("bytedance/seedance-1-lite", starting_image=image, frame=Frame(*size), duration_s=2)
    asked = replace(asked, settings=asked.settings | {"duration": 2, "resolution": "480p"})
    provider = make()
    done = await until_over(provider, await submitted(provider, asked))
    assert isinstance(done, CallSucceeded) and done.cost.amount == "0.036"
    made = await provider.fetch(asked, done, tmp_path)
    assert made.content_type == "video/mp4"
    [prediction] = replicate.account.predictions.values()
    assert prediction.input["image"].startswith(replicate.url if as_file else "data:image/jpeg;base64,")
    await submitted(provider, replace(asked, run_id=new_id()))
    assert len(replicate.account.files) == int(as_file), "uploaded once per content"


async def test_without_a_token_nothing_is_sent_and_the_way_to_one_is_told(make: Make) -> None:
    with pytest.raises(UserError) as caught:
        await make(api_token=None).prepare(order())
    assert caught.value.code == "provider_token_missing"
    assert "replicate.com/account/api-tokens" in caught.value.recovery and "animatic" in caught.value.recovery


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "status", "status": 504, "after": True},
        {"do": "status", "status": 500, "after": True},
        {"do": "hang", "seconds": 2, "after": True},
        {"do": "drop", "after": True},
    ],
)
async def test_a_lost_answer_is_looked_for_and_never_asked_for_again(
    make: Make, replicate: server.Running, fault: dict[str, Any]
) -> None:
    replicate.faults.add("create", **fault)
    provider, asked = make(request_s=0.5), order()
    request = await provider.prepare(asked)
    call = call_of(asked, request)
    with pytest.raises(SubmissionUnknown):
        await provider.submit(call.call_id, asked)
    found = await make().find_orphan(call, [])
    assert found and found["id"] in replicate.account.predictions
    assert isinstance(await until_over(make(), found), CallSucceeded)
    assert len(replicate.account.predictions) == 1


async def test_what_never_arrived_is_lost_only_after_it_could_have_been_seen(
    make: Make, replicate: server.Running
) -> None:
    replicate.faults.add("create", "status", status=502)
    provider, asked = make(), order()
    request = await provider.prepare(asked)
    with pytest.raises(SubmissionUnknown):
        await provider.submit(new_id(), asked)
    with pytest.raises(Retryable) as caught:
        await provider.find_orphan(call_of(asked, request), [])
    assert caught.value.delay_s and 0 < caught.value.delay_s <= SETTLE_S
    assert await provider.find_orphan(call_of(asked, request, ago_s=SETTLE_S + 5), []) is None


async def test_neither_another_input_nor_a_known_prediction_nor_an_old_one_is_taken_for_the_lost_one(
    make: Make, replicate: server.Running
) -> None:
    provider, asked = make(), order()
    request = await provider.prepare(asked)
    await submitted(provider, replace(asked, run_id=new_id(), prompt="Another"))
    equal = await submitted(provider, replace(asked, run_id=new_id()))
    other = call_of(asked, request)
    with pytest.raises(Retryable):  # equal, but it is known whose it is
        await make().find_orphan(call_of(asked, request), [replace(other, state=CallState.SUBMITTED, handle=equal)])
    with pytest.raises(Retryable) as caught:  # whose it is may be about to be told
        await make().find_orphan(call_of(asked, request), [other])
    assert caught.value.delay_s and 0 < caught.value.delay_s <= SETTLE_S
    assert await make().find_orphan(call_of(asked, request), [replace(other, state=CallState.LOST)])
    for prediction in replicate.account.predictions.values():
        prediction.created_at -= timedelta(seconds=30)
    with pytest.raises(Retryable):
        await make().find_orphan(call_of(asked, request), [])


@pytest.mark.parametrize("echoed", [True, False])
async def test_equal_calls_are_told_apart_by_the_webhooks_address(
    make: Make, replicate: server.Running, echoed: bool
) -> None:
    replicate.account.echo_webhook_in_list = echoed
    calls = []
    for _ in range(2):
        provider, asked = make(webhook_url="http://127.0.0.1:9/webhooks/replicate"), order()
        call = call_of(asked, await provider.prepare(asked))
        await provider.submit(call.call_id, asked)
        calls.append(call)
    second = await make().find_orphan(calls[1], [])
    ids = list(replicate.account.predictions)
    assert second and second["id"] in (ids[1:] if echoed else ids)


async def test_an_orphan_on_a_later_page_is_found(make: Make, replicate: server.Running) -> None:
    provider, asked = make(), order()
    call = call_of(asked, await provider.prepare(asked))
    await provider.submit(call.call_id, asked)
    [mine] = replicate.account.predictions.values()
    for number in range(120):
        replicate.account.predictions[f"other{number}"] = replace(
            mine, id=f"other{number}", input={"prompt": "x"}, created_at=mine.created_at + timedelta(milliseconds=1)
        )
    found = await make().find_orphan(call, [])
    assert found and found["id"] == mine.id


async def test_when_inputs_are_gone_it_is_neither_paid_again_nor_guessed(make: Make, replicate: server.Running) -> None:
    provider, asked = make(), order()
    call = call_of(asked, await provider.prepare(asked), ago_s=4000)
    await provider.submit(call.call_id, asked)
    [mine] = replicate.account.predictions.values()
    mine.created_at = call.intended_at + timedelta(milliseconds=200)
    replicate.account.forget(mine)
    with pytest.raises(Permanent) as caught:
        await make().find_orphan(call, [])
    assert caught.value.code == "provider_call_unknown"


async def test_a_call_that_was_held_up_is_not_made(make: Make, replicate: server.Running) -> None:
    provider, asked = make(request_s=0.5, settle_s=0.6), order()
    await provider.prepare(asked)
    await asyncio.sleep(0.1)  # as after a pause of the process: by now it may count as lost
    with pytest.raises(Retryable) as caught:
        await provider.submit(new_id(), asked)
    assert caught.value.code == "provider_late" and not isinstance(caught.value, SubmissionUnknown)
    assert not replicate.account.predictions


@pytest.mark.parametrize(
    ("status", "code", "words", "pause_s"),
    [
        (401, "provider_token_refused", "REPLICATE_API_TOKEN", None),
        (402, "provider_credit", "billing", 300.0),
    ],
)
async def test_what_refuses_the_account_halts_the_provider(
    make: Make, replicate: server.Running, status: int, code: str, words: str, pause_s: float | None
) -> None:
    replicate.faults.add("create", "status", status=status)
    error = await error_of(make(), order())
    assert isinstance(error, ProviderHalted)
    assert (error.code, error.pause_s) == (code, pause_s) and words in error.recovery
    assert not replicate.account.predictions


@pytest.mark.parametrize(
    ("fault", "delay_s", "per_minute"),
    [
        ({"headers": {"retry-after": "7"}}, 7.0, None),
        ({"body": {"detail": "Request was throttled.", "status": 429, "retry_after": 3}}, 3.0, None),
        (
            {
                "body": {
                    "detail": "Your rate limit was reduced to 6 requests per minute with a burst of 1 requests "
                    "while you have less than $5.0 in credit.",
                    "status": 429,
                }
            },
            10.0,
            6.0,
        ),
    ],
)
async def test_a_throttle_says_how_long_and_how_slow(
    make: Make, replicate: server.Running, fault: dict[str, Any], delay_s: float, per_minute: float | None
) -> None:
    replicate.faults.add("create", "status", status=429, **fault)
    error = await error_of(make(), order())
    assert isinstance(error, ProviderThrottled) and not error.counts
    assert (error.code, error.delay_s, error.per_minute) == ("provider_rate_limited", delay_s, per_minute)


async def test_reading_is_repeated_after_429_and_5xx_and_drops(make: Make, replicate: server.Running) -> None:
    provider = make()
    handle = await submitted(provider, order())
    replicate.faults.add("get", "status", status=429, headers={"retry-after": "0.1"})
    replicate.faults.add("get", "status", status=503)
    replicate.faults.add("get", "drop")
    assert isinstance(await until_over(provider, handle), CallSucceeded)


async def test_a_refusal_names_the_fields(make: Make, replicate: server.Running) -> None:
    body = {
        "title": "Input validation failed",
        "detail": "- input.size: must be one of\n",
        "status": 422,
        "invalid_fields": [{"type": "enum", "field": "input.size", "description": "must be one of 1K, 2K"}],
    }
    replicate.faults.add("create", "status", status=422, body=body)
    error = await error_of(make(), order())
    assert isinstance(error, UserError) and "input.size: must be one of 1K, 2K" in error.cause
    replicate.faults.add("create", "status", status=404)
    assert (await error_of(make(), order())).code == "model_gone"


@pytest.mark.parametrize(
    ("fault", "code", "retried"),
    [
        ({"do": "fail", "error": "flagged as sensitive (E005)"}, "content_refused", False),
        ({"do": "fail", "error": "Director: unexpected error (E6716)"}, "provider_failed", True),
        ({"do": "abort"}, "provider_aborted", True),
        ({"do": "output", "value": None}, "output_missing", False),
    ],
)
async def test_ends_without_an_output(
    make: Make, replicate: server.Running, fault: Any, code: str, retried: bool
) -> None:
    replicate.faults.add("prediction", **fault)
    provider = make()
    ended = await until_over(provider, await submitted(provider, order()))
    assert isinstance(ended, CallFailed)
    assert (ended.error.code, isinstance(ended.error, Retryable)) == (code, retried)
    assert ended.cost and (ended.cost.amount == "0") == (code != "output_missing"), "only what succeeded is charged"


@pytest.mark.parametrize(("fault", "code"), [("never_end", "provider_timeout"), ("never_start", "provider_aborted")])
async def test_cancel_after_ends_what_hangs(make: Make, replicate: server.Running, fault: str, code: str) -> None:
    replicate.faults.add("prediction", fault)
    provider = make(cancel_after_s=40)  # 0.2 s at this speed
    ended = await until_over(provider, await submitted(provider, order()))
    assert isinstance(ended, CallFailed) and ended.error.code == code


async def test_cancelling(make: Make, replicate: server.Running) -> None:
    replicate.faults.add("prediction", "never_end")
    provider = make()
    handle = await submitted(provider, order())
    assert await provider.cancel(handle) is CancelOutcome.ACCEPTED
    ended = await until_over(provider, handle)
    assert isinstance(ended, CallFailed) and ended.cancelled and ended.cost is None, "it may be charged"
    done = await submitted(provider, order())
    await until_over(provider, done)
    assert await provider.cancel(done) is CancelOutcome.TOO_LATE
    assert await provider.cancel(handle | {"id": "unknown"}) is CancelOutcome.UNKNOWN


async def test_an_output_that_has_gone_is_said_to_have_gone_and_was_paid(
    make: Make, replicate: server.Running, tmp_path: Path
) -> None:
    provider, asked = make(), order()
    handle = await submitted(provider, asked)
    done = await until_over(provider, handle)
    assert isinstance(done, CallSucceeded)
    replicate.account.forget(replicate.account.predictions[handle["id"]])
    with pytest.raises(Permanent) as caught:
        await provider.fetch(asked, done, tmp_path)
    assert caught.value.code == "output_gone"
    late = await until_over(provider, handle)
    assert isinstance(late, CallFailed) and late.cost and (late.error.code, late.cost.amount) == ("output_gone", "0.03")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.mp4",
        "http://replicate.delivery/a.mp4",
        "https://replicate.delivery.example.com/a",
        "https://evilreplicate.delivery/a",
        "https://user@replicate.delivery/a",
        "http://127.0.0.1:1/a",
        "file:///etc/passwd",
    ],
)
async def test_outputs_come_from_replicates_hosts_only(replicate: server.Running, tmp_path: Path, url: str) -> None:
    outputs = OutputDownloads(ReplicateSettings(base_url=replicate.url), SystemClock())
    with pytest.raises(Permanent) as caught:
        await outputs.fetch(url, AssetKind.VIDEO, tmp_path)
    assert caught.value.code == "output_foreign"


async def test_an_interrupted_download_is_begun_again_and_a_redirect_is_not_followed(
    make: Make, replicate: server.Running, tmp_path: Path
) -> None:
    provider, asked = make(), order()
    done = await until_over(provider, await submitted(provider, asked))
    assert isinstance(done, CallSucceeded)
    replicate.faults.add("output", "drop")
    made = await provider.fetch(asked, done, tmp_path)
    assert made.path.stat().st_size > 1000
    replicate.faults.add("output", "redirect", to="http://169.254.169.254/")
    with pytest.raises(Permanent, match=r"169\.254\.169\.254, which is not a host of Replicate"):
        await provider.fetch(asked, done, tmp_path)


async def test_an_output_may_be_inline(tmp_path: Path) -> None:
    outputs = OutputDownloads(ReplicateSettings(), SystemClock())
    path, content_type = await outputs.fetch("data:image/png;base64,iVBORw0KGgo=", AssetKind.IMAGE, tmp_path)
    assert (path.suffix, content_type, path.read_bytes()) == (".png", "image/png", b"\x89PNG\r\n\x1a\n")


async def test_our_rows_are_compared_with_what_replicate_publishes(
    make: Make, replicate: server.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await make().compare(CATALOGUE) == {}
    assert await make(api_token=None).compare(CATALOGUE) == {}
    slug = "bytedance/seedance-1-pro-fast"
    changed = {
        "prompt": {"type": "string"},
        "image": {"type": "string"},
        "audio": {"type": "string"},
        "duration": {"type": "integer", "minimum": 4, "maximum": 12},
        "seed": {"type": "integer"},
        "resolution": {"allOf": [{"enum": ["720p", "1080p"]}]},
        "fps": {"enum": [24]},
        "aspect_ratio": schemas.SCHEMAS[slug]["aspect_ratio"],
    }
    monkeypatch.setitem(schemas.SCHEMAS, slug, changed)
    monkeypatch.setitem(schemas.REQUIRED, slug, "audio")
    monkeypatch.delitem(schemas.SCHEMAS, "google/nano-banana")
    assert await make().compare(CATALOGUE) == {
        "google/nano-banana": ["Replicate does not offer this model"],
        slug: [
            "it has no input 'camera_fixed'",
            "it requires 'audio', which the row does not send",
            "duration: its minimum is 4, the row's 2",
            "resolution: it does not accept '480p'",
        ],
    }
