"""Batches and films of the gateway on a real database; generator, review and compiler are played by the test."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.gateway.commands.batches import StartBatch, cancel_batch, pause_batch, resume_batch, start_batch
from services.gateway.commands.films import CompileEpisode, RequestedFilm, StillCommitting, compile_episode
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.runs import StartRun, start_run
from services.gateway.commands.segments import delete_segment, order_segments
from services.gateway.domain.accounts import Caller
from services.gateway.domain.errors import Refusal
from services.gateway.domain.films import Boundary
from shared.contracts.values import AssetKind, AudioConfig, TransitionStyle
from tests.support.gateway_harness import DRIFT, GatewayHarness

KINDS = (AssetKind.STARTING_IMAGE, AssetKind.VIDEO, AssetKind.NARRATION)


async def items(w: GatewayHarness, batch_id: str) -> list[tuple[int | None, str, str]]:
    rows = await w.pool.fetch(
        """select s.number, i.kind, i.state from batch_items i left join segments s using (segment_id)
           where i.batch_id = $1 order by s.number, i.kind""",
        batch_id,
    )
    return [(r["number"], r["kind"], r["state"]) for r in rows]


async def made(w: GatewayHarness, episode: str) -> list[tuple[int | None, str]]:
    """(segment, kind) of every run of the episode, in the order of their requests."""
    return [(r.segment_number, r.asset_kind.value) for r in w.services.requests.values() if r.episode_id == episode]


async def decide(w: GatewayHarness, caller: Caller, episode: str, action: Any = "approve", **more: Any) -> str:
    (run_id,) = await w.waiting(episode)
    await w.do(submit_decision, caller, SubmitDecision(run_id, action, **more))
    await w.settle()
    return run_id


async def test_sequential_from_the_first_segment_to_the_film(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 2)
    batch_id = await w.do(start_batch, caller, StartBatch(episode))
    await w.settle()
    assert await made(w, episode) == [(1, "starting_image"), (1, "video")]
    row = await w.batch(batch_id)
    assert (row["status"], row["completed"], row["approved"], row["total"], row["current_segment"]) == (
        "waiting_review",
        1,
        0,
        2,
        1,
    )
    requests = list(w.services.requests.values())
    assert [r.auto_approve for r in requests] == [True, False]
    assert requests[1].review_timeout_s == 30 * 60
    assert requests[1].starting_image_version_id is not None

    await decide(w, caller, episode)
    assert (await made(w, episode))[2:] == [(1, "narration"), (2, "starting_image"), (2, "video")]
    await decide(w, caller, episode, "reject", suggested_changes={"character_prompt": "glasses"})
    assert (await w.batch(batch_id))["status"] == "waiting_review"
    again = list(w.services.requests.values())[-1]
    assert again.overrides["character_prompt"] == "glasses"
    assert again.batch_id == batch_id
    await decide(w, caller, episode)
    row = await w.batch(batch_id)
    assert (row["status"], row["approved"], row["total"], row["current_segment"]) == ("completed", 2, 2, None)
    assert {state for _, _, state in await items(w, batch_id)} == {"done", "nothing"}, "music has no directions"

    compiled = await w.do(compile_episode, caller, CompileEpisode(episode, transition_style=TransitionStyle.FADE))
    assert isinstance(compiled, RequestedFilm)
    await w.settle()
    film = w.services.films[0]
    assert [i.number for i in film.items] == [1, 2]
    assert film.items[0].narration is not None
    assert film.texts_in_complete
    assert film.items[0].video.directions == "", "the compiler has texts from complete"
    assert film.music is None
    assert (await w.row("select state from compilations"))["state"] == "completed"
    _reads_as_the_founding_documents([t["message"] for t in await w.log(caller.project_id)])


def _reads_as_the_founding_documents(told: list[str | None]) -> None:
    """What users are told and when, in seed 004's words and order; other messages may come in between."""
    wanted = [
        "Starting segment-by-segment generation... Total segments: 2",
        "Generating Segment 1/2...",
        "Segment 1 completed! Ready for review.",
        "Segment 1 approved!",
        "Generating Segment 2/2...",
        "Segment 2 completed! Ready for review.",
        "Regenerating Segment 2 with your feedback...",
        "New version ready for review!",
        "Segment 2 approved!",
        "All 2 segments approved! Ready to compile final video?",
        "Compiling final video...",
        "Final video ready!",
    ]
    rest = iter(told)
    missing = [text for text in wanted if text not in rest]
    assert not missing, f"{missing} not where they belong in {told}"


@pytest.mark.parametrize(("asked", "approves"), [(None, True), (False, False)])
async def test_a_monolithic_project_approves_unless_told_otherwise(
    w: GatewayHarness, asked: bool | None, approves: bool
) -> None:
    caller = await w.project(workflow="monolithic")
    batch_id = await w.do(start_batch, caller, StartBatch(await w.episode(caller, 2), auto_approve=asked))
    await w.settle()
    assert (await w.batch(batch_id))["status"] == ("completed" if approves else "waiting_review")


async def test_a_second_batch_is_busy(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller)
    batch_id = await w.do(start_batch, caller, StartBatch(episode))
    with pytest.raises(Refusal) as caught:
        await w.do(start_batch, caller, StartBatch(episode))
    assert (caught.value.slug, caught.value.extensions) == ("busy", {"active_id": batch_id})


async def test_review_all_stops_at_each(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 1)
    batch_id = await w.do(start_batch, caller, StartBatch(episode, review="all", deadline_minutes=None))
    for kind in KINDS:
        await w.settle()
        assert (await w.batch(batch_id))["status"] == "waiting_review"
        run_id = await decide(w, caller, episode)
        assert w.services.requests[run_id].asset_kind is kind
        assert w.services.requests[run_id].review_timeout_s is None
    assert (await w.batch(batch_id))["status"] == "completed"


async def test_a_failed_segment_is_left_and_the_batch_goes_on(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 3)
    w.services.fails = lambda r: r.segment_number == 1 and r.asset_kind is AssetKind.STARTING_IMAGE
    batch_id = await w.do(start_batch, caller, StartBatch(episode))
    await w.settle()
    assert (await made(w, episode)) == [(1, "starting_image"), (2, "starting_image"), (2, "video")]
    (run_id,) = await w.waiting(episode)
    for event in w.services.expire(run_id):
        w.mail.append(_message(w, event))
    await w.settle()
    await decide(w, caller, episode)
    row = await w.batch(batch_id)
    assert (row["status"], row["approved"], row["failed"]) == ("failed", 1, 2)
    told = (await w.log(caller.project_id, "batch-updated"))[-1]
    assert told["message"] == (
        "Failed: Segment 1 starting image. Expired: Segment 2 video. "
        "Reopen the preview to decide at no additional cost."
    )
    assert told["failed_segments"] == [1, 2]
    left = {(n, kind): state for n, kind, state in await items(w, batch_id)}
    assert left[1, "starting_image"] == left[1, "video"] == left[1, "narration"] == left[2, "video"] == "left"
    causes = {p["cause"] for p in row["error"]["items"]}
    assert {
        "The provider failed.",
        "The review deadline has passed.",
        "The starting image could not be generated.",
        "The review deadline of the video has passed.",
    } <= causes


async def test_expired_previews_are_reopened_not_paid_for_again(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 3)
    batch_id = await w.do(start_batch, caller, StartBatch(episode, mode="parallel", batch_size=3))
    await w.settle()
    for run_id in await w.waiting(episode):
        for event in w.services.expire(run_id):
            w.mail.append(_message(w, event))
    await w.settle()
    row = await w.batch(batch_id)
    assert row["status"] == "failed"
    assert row["error"]["code"] == "previews_expired"
    assert row["error"]["cause"] == (
        "The review deadline has passed: Segment 1 video, Segment 2 video, Segment 3 video."
    )
    assert row["error"]["recovery"] == "Reopen the preview to decide at no additional cost."
    told = (await w.log(caller.project_id, "batch-updated"))[-1]["message"]
    assert told.startswith("Expired: Segment 1 video, Segment 2 video, Segment 3 video. Reopen")
    texts = " ".join(p["recovery"] for p in row["error"]["items"])
    assert "batch" not in texts
    assert "egenerate" not in texts


@pytest.mark.parametrize("approved_before", [0, 2])
async def test_numbers_of_a_later_start_are_those_of_the_episode(w: GatewayHarness, approved_before: int) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 4)
    if approved_before:
        first = (await w.segments(episode))[:approved_before]
        await w.do(start_batch, caller, StartBatch(episode, segment_ids=first, auto_approve=True))
        await w.settle()
        told = (await w.log(caller.project_id, "batch-updated"))[-1]["message"]
        assert told == "2 of 4 segments approved Ready to compile final video?"
    await w.do(start_batch, caller, StartBatch(episode, start_from=2))
    await w.settle()
    await decide(w, caller, episode)
    await decide(w, caller, episode)
    told = [t["message"] for t in await w.log(caller.project_id, "batch-updated")]
    assert [t for t in told if t.startswith("Generating Segment")][-2:] == [
        "Generating Segment 3/4...",
        "Generating Segment 4/4...",
    ]
    done = "All 4 segments approved!" if approved_before else "2 of 4 segments approved"
    assert told[-1] == f"{done} Ready to compile final video?"


async def test_a_rejection_holds_until_it_is_skipped(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 2)
    batch_id = await w.do(start_batch, caller, StartBatch(episode))
    await w.settle()
    await decide(w, caller, episode, "reject")
    assert (await w.batch(batch_id))["status"] == "waiting_review"
    assert (1, "video", "held") in await items(w, batch_id)
    told = (await w.log(caller.project_id, "batch-updated"))[-1]
    assert told["message"] == "Rejected: Segment 1 video. Regenerate and accept another version, or skip the segment."
    await w.do(resume_batch, caller, batch_id, None, True)
    await w.settle()
    await decide(w, caller, episode)
    row = await w.batch(batch_id)
    assert (row["status"], row["approved"], row["failed"]) == ("completed", 1, 0)


async def test_pause_resume_and_cancel(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 2)
    batch_id = await w.do(start_batch, caller, StartBatch(episode))
    await w.do(pause_batch, caller, batch_id)
    await w.settle()
    assert (await made(w, episode)) == [(1, "starting_image")]
    assert (await w.batch(batch_id))["status"] == "paused"
    await w.do(resume_batch, caller, batch_id)
    assert (await w.batch(batch_id))["status"] == "running"
    await w.outbox()
    await w.do(cancel_batch, caller, batch_id)
    assert (await w.batch(batch_id))["status"] == "cancelled"
    count = await w.pool.fetchval(
        "select count(*) from runs where batch_id = $1 and cancel_requested_at is not null", batch_id
    )
    assert count == 1
    with pytest.raises(Refusal) as caught:
        await w.do(resume_batch, caller, batch_id)
    assert caught.value.slug == "invalid-state"


async def test_committed_are_skipped_and_active_ones_adopted(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 2)
    first, second = await w.assets(episode, AssetKind.STARTING_IMAGE)
    run = await w.do(start_run, caller, StartRun(first))
    await w.settle()
    await decide(w, caller, episode)
    adopted = await w.do(start_run, caller, StartRun(second))
    batch_id = await w.do(start_batch, caller, StartBatch(episode, start_from=1))
    assert (await w.batch(batch_id))["total"] == 1
    row = await w.row("select state, run_id from batch_items where batch_id = $1 and kind = 'starting_image'", batch_id)
    assert (row["state"], row["run_id"]) == ("running", adopted.run_id)
    assert run.run_id != adopted.run_id


async def test_no_text_no_run(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, [{"directions": {}}, {"scene_info": {"description": "A rocket"}}])
    batch_id = await w.do(start_batch, caller, StartBatch(episode, auto_approve=True))
    await w.settle()
    assert await made(w, episode) == [(2, "starting_image"), (2, "video")]
    assert await items(w, batch_id) == [
        (1, "narration", "nothing"),
        (1, "starting_image", "left"),
        (1, "video", "left"),
        (2, "narration", "nothing"),
        (2, "starting_image", "done"),
        (2, "video", "done"),
        (None, "music", "nothing"),
    ]
    row = await w.batch(batch_id)
    assert row["status"] == "failed"
    assert "Regenerate the starting image first." in str(row["error"]["items"])


async def test_what_cannot_be_admitted_is_left_with_its_reason(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, [{"scene_info": DRIFT, "duration": 100}, {"scene_info": DRIFT, "duration": 5}])
    batch_id = await w.do(start_batch, caller, StartBatch(episode, auto_approve=True))
    await w.settle()
    row = await w.batch(batch_id)
    assert (row["status"], row["approved"], row["failed"]) == ("failed", 1, 1)
    problem = (
        await w.row(
            "select problem from batch_items where batch_id = $1 and kind = 'video' and state = 'left'", batch_id
        )
    )["problem"]
    assert "duration must be a number from 1 to 60" in problem["cause"]


async def test_parallel_keeps_to_its_size_and_render_compiles(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 5, directions={"music": "Calm"})
    render = CompileEpisode(
        episode, transitions=[Boundary((await w.segments(episode))[1], TransitionStyle.DISSOLVE, 1.0)]
    )
    batch_id = await w.do(
        start_batch, caller, StartBatch(episode, mode="parallel", batch_size=2, auto_approve=True, compile=render)
    )
    most = 0
    for _ in range(200):
        await w.run_jobs()
        running = await w.pool.fetchval(
            "select count(*) from runs where status in ('requested', 'queued', 'generating')"
        )
        most = max(most, running)
        await w.post()
        if not w.mail:
            break
        await w.deliver(w.mail.pop(0))
    assert most == 2
    row = await w.batch(batch_id)
    assert (row["status"], row["approved"]) == ("completed", 5)
    film = w.services.films[0]
    assert row["compilation_id"] == film.compilation_id
    assert film.music is not None
    assert film.batch_id == batch_id
    styles = [i.transition_after and i.transition_after.style for i in film.items]
    assert styles == ["cut", "dissolve", "cut", "cut", None]


async def test_render_stops_at_a_failed_segment_by_name(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 2)
    w.services.fails = lambda r: r.segment_number == 2 and r.asset_kind is AssetKind.VIDEO
    batch_id = await w.do(
        start_batch, caller, StartBatch(episode, mode="parallel", auto_approve=True, compile=CompileEpisode(episode))
    )
    await w.settle()
    row = await w.batch(batch_id)
    assert (row["status"], row["compilation_id"]) == ("failed", None)
    video = (await w.assets(episode, AssetKind.VIDEO))[1]
    assert video in [i["asset_id"] for i in row["error"]["items"]]
    assert row["error"]["cause"] == "Failed: Segment 2 video (The provider failed)."
    assert not w.services.films
    told = (await w.log(caller.project_id, "batch-updated"))[-1]
    assert (told["message"], told["failed_segments"]) == ("1 of 2 segments failed: Segment 2 video", [2])
    assert row["failed_segments"] == [2]


async def test_delete_and_reorder_during_a_batch(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 3)
    batch_id = await w.do(start_batch, caller, StartBatch(episode))
    await w.settle()
    one, two, three = await w.segments(episode)
    await w.do(order_segments, caller, episode, 1, [one, three, two])
    await decide(w, caller, episode)
    (run_id,) = await w.waiting(episode)
    assert w.services.requests[run_id].segment_id == three
    await w.do(delete_segment, caller, three)
    await w.settle()
    (run_id,) = [r for r in await w.waiting(episode) if w.services.requests[r].segment_id != three]
    assert w.services.requests[run_id].segment_id == two
    await w.do(submit_decision, caller, SubmitDecision(run_id, "approve"))
    await w.settle()
    row = await w.batch(batch_id)
    assert (row["status"], row["approved"], row["total"]) == ("completed", 2, 2)


async def test_compile_waits_for_a_commit_and_names_what_is_missing(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 2)
    one, two = await w.segments(episode)
    with pytest.raises(Refusal) as caught:
        await w.do(compile_episode, caller, CompileEpisode(episode))
    assert caught.value.extensions["segments"] == [
        {"segment_id": s, "segment_number": n, "reason": "unapproved"} for n, s in enumerate((one, two), 1)
    ]
    await w.do(start_batch, caller, StartBatch(episode))
    await w.settle()
    (run_id,) = await w.waiting(episode)
    await w.do(submit_decision, caller, SubmitDecision(run_id, "approve"))
    await w.post()
    accepted, complete = w.mail
    await w.deliver(accepted)
    w.mail = [complete]
    waits = await w.do(compile_episode, caller, CompileEpisode(episode))
    assert waits == StillCommitting((run_id,))
    with pytest.raises(Refusal) as caught:
        await w.do(compile_episode, caller, CompileEpisode(episode, segment_ids=[one]), last_try=True)
    assert caught.value.extensions["segments"] == [{"segment_id": one, "segment_number": 1, "reason": "unapproved"}]
    await w.settle()
    compiled = await w.do(compile_episode, caller, CompileEpisode(episode), last_try=True)
    assert isinstance(compiled, RequestedFilm)
    assert compiled.left_out == (two,)
    with pytest.raises(Refusal) as caught:
        await w.do(compile_episode, caller, CompileEpisode(episode, segment_ids=[one, one, two, caller.project_id]))
    assert caught.value.extensions["segments"] == [
        {"segment_id": one, "segment_number": 1, "reason": "repeated"},
        {"segment_id": two, "segment_number": 2, "reason": "unapproved"},
        {"segment_id": caller.project_id, "segment_number": None, "reason": "not_in_episode"},
    ]
    for wrong in (
        {"segment_ids": []},
        {"transitions": [Boundary(two, TransitionStyle.CUT)], "segment_ids": [one]},
        {"transitions": [Boundary(one, TransitionStyle.CUT)], "segment_ids": [one]},
        {"audio_config": AudioConfig(narration={"x": {}})},
    ):
        with pytest.raises(Refusal) as caught:
            await w.do(compile_episode, caller, CompileEpisode(episode, **wrong))
        assert caught.value.slug == "invalid"


# Without shrinking, which would take minutes.
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
async def test_any_order_of_events_leads_to_the_same_end(w: GatewayHarness, seed: int) -> None:
    """Shuffled and repeated deliveries, a person who approves, rejects and lets expire: no lock stays held, what is
    shown is what the other services know, and the log has neither gaps nor contradictions."""
    chance = random.Random(seed)
    w.services.fails = lambda r: random.Random(f"{seed}{r.segment_number}{r.asset_kind}").random() < 0.15
    caller = await w.project()
    episode = await w.episode(caller, 3, directions={"music": "Calm"})
    mode = chance.choice(["sequential", "parallel"])
    batch_id = await w.do(start_batch, caller, StartBatch(episode, mode=mode, review=chance.choice(["video", "all"])))
    delivered: list[Any] = []
    rejections = 3
    for _ in range(600):
        await w.run_jobs()
        await w.post()
        waiting = await w.waiting(episode)
        if not w.mail and not waiting and (await w.batch(batch_id))["status"] in ("completed", "failed"):
            break
        if w.mail and chance.random() < 0.8:
            message = w.mail.pop(chance.randrange(len(w.mail)))
            delivered.append(message)
            w.clock.move(chance.random())
            await w.deliver(message, *([chance.choice(delivered)] if chance.random() < 0.2 else []))
        elif waiting:
            rejections -= await _someone_decides(w, caller, chance, chance.choice(waiting), rejections > 0)
    else:
        raise AssertionError("the batch never ends")
    await _everything_adds_up(w, caller, episode)


async def _someone_decides(
    w: GatewayHarness, caller: Caller, chance: random.Random, run_id: str, may_reject: bool
) -> int:
    """1 if it was a rejection."""
    if may_reject and chance.random() < 0.3:
        changes = {"prompt_modifications": "slower"}
        decide = SubmitDecision(run_id, "reject", suggested_changes=changes)
    elif w.services.reviews.get(run_id) == "open" and chance.random() < 0.2:
        w.mail += [_message(w, event) for event in w.services.expire(run_id)]
        return 0
    else:
        decide = SubmitDecision(run_id, "approve")
    try:
        await w.do(submit_decision, caller, decide)
    except Refusal as e:
        if e.slug != "already-decided":
            raise
        return 0
    return decide.action == "reject"


async def _everything_adds_up(w: GatewayHarness, caller: Caller, episode: str) -> None:
    runs = await w.pool.fetch("select * from runs where episode_id = $1", episode)
    for run in runs:
        assert run["status"] in ("complete", "rejected", "expired", "failed", "cancelled"), dict(run)
        if run["run_id"] in w.services.reviews:
            played = w.services.reviews[run["run_id"]]
            assert run["status"] == {"accepted": "complete"}.get(played, played)
    assets = await w.pool.fetch("select * from assets where episode_id = $1", episode)
    for asset in assets:
        assert asset["active_run_id"] is None
        assert asset["commit_seq"] == w.services.commits.get(asset["asset_id"], 0)
    pending = await w.pool.fetchval(
        "select count(*) from reviews where episode_id = $1 and verdict = 'pending'", episode
    )
    assert pending == 0
    log = await w.log(caller.project_id)
    by_run: dict[str, list[str]] = {}
    newest: dict[str, str] = {}
    for entry in log:
        if run_id := entry.get("run_id"):
            by_run.setdefault(run_id, []).append(entry["name"])
            assert entry["updated_at"] > newest.get(run_id, ""), "what clients compare rises"
            newest[run_id] = entry["updated_at"]
    for names in by_run.values():
        assert names.count("preview-ready") <= 1
        assert names.count("complete") <= 1
        if "complete" in names:
            assert names.index("accepted") < names.index("complete")
            assert names[-1] == "complete" or set(names[names.index("complete") + 1 :]) <= {"review-updated"}


def _message(w: GatewayHarness, event: Any) -> Any:
    from tests.support import events

    return events.message(event, at=w.clock.now())
