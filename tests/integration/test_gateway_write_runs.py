"""Runs, decisions and commits of the gateway on a real database; generator and review are played by the test."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from services.gateway.commands.accounts import authorize, remember_user, set_member
from services.gateway.commands.assets import save_draft
from services.gateway.commands.batches import StartBatch, start_batch
from services.gateway.commands.projects import ChangeSettings, change_settings
from services.gateway.commands.reviews import SubmitDecision, read_outcome, submit_decision
from services.gateway.commands.runs import StartRun, cancel_run, reopen_run, start_run
from services.gateway.commands.segments import delete_segment
from services.gateway.commands.versions import RegisterVersion, register_version, roll_back
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.errors import Refusal
from services.gateway.domain.quotas import Quotas
from services.gateway.queries.base import costs
from shared.contracts.events.gateway import DecisionSubmitted, RegenerateRequested
from shared.contracts.values import AssetKind, Cost, OutputDifference, UnknownCharge
from tests.support import events
from tests.support.gateway_harness import GatewayHarness


async def an_image(w: GatewayHarness) -> tuple[Caller, str, str]:
    """(caller, episode, starting image asset)."""
    caller = await w.project()
    episode = await w.episode(caller)
    return caller, episode, (await w.assets(episode, AssetKind.STARTING_IMAGE))[0]


async def a_preview(w: GatewayHarness, caller: Caller, asset: str, **more: Any) -> str:
    admitted = await w.do(start_run, caller, StartRun(asset, **more))
    await w.settle()
    assert (await w.run(admitted.run_id))["status"] == "preview_ready"
    return admitted.run_id


async def refused(slug: str, doing: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await doing
    assert caught.value.slug == slug
    return caught.value


async def test_of_many_who_ask_at_once_one_gets_the_asset(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    outcomes = await asyncio.gather(
        *(w.do(start_run, caller, StartRun(asset)) for _ in range(8)), return_exceptions=True
    )
    admitted = [o for o in outcomes if not isinstance(o, BaseException)]
    busy = [o for o in outcomes if isinstance(o, Refusal) and o.slug == "busy"]
    assert len(admitted) == 1
    assert len(busy) == 7
    assert {b.extensions["active_id"] for b in busy} == {admitted[0].run_id}
    sent = [e for e in await w.outbox() if isinstance(e, RegenerateRequested)]
    assert [e.run_id for e in sent] == [admitted[0].run_id]


async def test_the_whole_loop(w: GatewayHarness) -> None:
    caller, episode, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    decided = await w.do(submit_decision, caller, SubmitDecision(run_id, "approve", rating=5, feedback="Lovely"))
    await w.settle()
    assert (await w.do(read_outcome, decided.decision_id)).verdict == "accepted"
    run, row = await w.run(run_id), await w.asset(asset)
    assert run["status"] == "complete"
    assert row["active_run_id"] is None
    assert row["committed_version_id"] == run["version_id"] == run["candidates"][0]
    review = await w.row("select * from reviews where run_id = $1", run_id)
    assert (review["verdict"], review["rating"], review["feedback"], review["user_id"]) == (
        "accepted",
        5,
        "Lovely",
        "ana",
    )
    log = await w.log(caller.project_id)
    assert [t["name"] for t in log if t.get("run_id") == run_id] == [
        "regenerate-requested",
        "progress",
        "progress",
        "review-updated",
        "preview-ready",
        "accepted",
        "complete",
    ]
    assert [t["seq"] for t in log] == list(range(1, len(log) + 1))
    times = [t["updated_at"] for t in log if t.get("run_id") == run_id]
    assert times == sorted(set(times)), "every event is newer than the one before it"
    ready = next(t for t in log if t["name"] == "preview-ready")
    assert ready["deadline"] is not None
    assert ready["versions"][0]["directions"] == "A harbour 1"
    assert ready["message"] == "Starting image ready for review"
    assert log[-1]["message"] == "Starting image regeneration complete"
    assert await w.pool.fetchval("select count(*) from episode_revisions where episode_id = $1", episode) == 1


async def test_complete_may_overtake_everything(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    await w.do(submit_decision, caller, SubmitDecision(run_id, "approve"))
    await w.post()
    accepted, complete = w.mail
    await w.deliver(complete)
    assert (await w.run(run_id))["status"] == "complete"
    assert (await w.row("select verdict from reviews where run_id = $1", run_id))["verdict"] == "pending"
    await w.deliver(accepted)
    await w.deliver(accepted, complete)
    assert (await w.row("select verdict from reviews where run_id = $1", run_id))["verdict"] == "accepted"
    names = [t["name"] for t in await w.log(caller.project_id, "accepted", "complete")]
    assert names == ["accepted", "complete"]


async def test_of_many_decisions_one_counts(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    actions = [
        w.do(submit_decision, caller, SubmitDecision(run_id, "approve" if n % 2 else "reject")) for n in range(8)
    ]
    outcomes = await asyncio.gather(*actions, return_exceptions=True)
    assert sum(not isinstance(o, BaseException) for o in outcomes) == 1
    assert sum(isinstance(o, Refusal) and o.slug == "already-decided" for o in outcomes) == 7
    assert len([e for e in await w.outbox() if isinstance(e, DecisionSubmitted)]) == 1


async def test_a_rejection_with_changes_brings_the_next_run(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset, settings={"seed": 7})
    decided = await w.do(
        submit_decision,
        caller,
        SubmitDecision(
            run_id,
            "reject",
            feedback="Too dark",
            suggested_changes={"prompt_modifications": "brighter", "mood": "happy"},
        ),
    )
    assert decided.next_run_id
    next_run = await w.run(decided.next_run_id)
    assert next_run["held"]
    published = await w.post()
    assert not [e for e in published if isinstance(e, RegenerateRequested)], "it waits for the verdict"
    assert (await w.asset(asset))["active_run_id"] == run_id
    await w.settle()
    row = await w.run(run_id)
    assert (row["status"], row["needs_revision"]) == ("rejected", True)
    assert (await w.asset(asset))["active_run_id"] == decided.next_run_id
    request = w.services.requests[decided.next_run_id]
    assert request.overrides == {"directions": "A harbour 1\nbrighter", "seed": 7}
    assert (request.parent_run_id, request.parent_reason) == (run_id, "rejected")
    assert (await w.run(decided.next_run_id))["status"] == "preview_ready"
    ready = await w.log(caller.project_id, "preview-ready")
    assert [t["message"] for t in ready] == ["Starting image ready for review", "New version ready for review!"]


async def test_a_reviewer_rejects_without_spending(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    await w.do(remember_user, "rob", "Rob")
    await w.do(set_member, caller, "rob", Role.REVIEWER)
    rob = await w.do(authorize, "rob", "run", run_id, Role.REVIEWER)
    await refused("forbidden", w.do(authorize, "rob", "asset", asset, Role.EDITOR))
    await refused("forbidden", w.do(submit_decision, rob, SubmitDecision(run_id, "reject", regenerate=True)))
    decided = await w.do(submit_decision, rob, SubmitDecision(run_id, "reject", suggested_changes={"seed": 3}))
    assert decided.next_run_id is None
    await w.settle()
    assert (await w.asset(asset))["active_run_id"] is None
    assert (await w.asset(asset))["committed_version_id"] is None


async def test_asking_again_closes_the_preview(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    again = await w.do(start_run, caller, StartRun(asset, changes={"style_adjustments": "film noir"}))
    assert again.decision_id
    await refused("busy", w.do(start_run, caller, StartRun(asset)))
    await refused("already-decided", w.do(submit_decision, caller, SubmitDecision(run_id, "approve")))
    await w.settle()
    assert (await w.do(read_outcome, again.decision_id)).verdict == "rejected"
    assert (await w.run(run_id))["status"] == "rejected"
    review = await w.row("select * from reviews where run_id = $1", run_id)
    assert (review["action"], review["next_run_id"]) == ("request_regeneration", again.run_id)
    assert w.services.requests[again.run_id].overrides["style_adjustments"] == "film noir"
    assert (await w.asset(asset))["active_run_id"] == again.run_id
    (requested,) = [t for t in await w.log(caller.project_id, "regenerate-requested") if t["run_id"] == again.run_id]
    assert requested["message"] == "Regenerating with new parameters..."


async def test_a_difference_reaches_the_version_and_the_stream(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    told = {"field": "resolution", "asked": "1280x720", "made": "1248x704"}
    create = w.services._version
    w.services._version = lambda r: create(r).model_copy(  # type: ignore[method-assign]
        update={"differences": [OutputDifference.model_validate(told)]}
    )
    run_id = await a_preview(w, caller, asset)
    version = await w.row("select * from versions where version_id = $1", (await w.run(run_id))["candidates"][0])
    assert version["differences"] == [told]
    (announced,) = await w.log(caller.project_id, "preview-ready")
    assert announced["versions"][0]["differences"] == [told]


async def test_changes_add_to_what_was_accepted_once_each_and_an_empty_one_removes_it(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    await w.do(save_draft, caller, asset, None, "A quay", {"style_adjustments": "warmer"})
    await w.do(submit_decision, caller, SubmitDecision(await a_preview(w, caller, asset), "approve"))
    await w.settle()
    assert (await w.asset(asset))["draft"] == {"directions": "A quay", "settings": {}}, "the version has it now"

    async def next_run(**changes: str) -> dict[str, Any]:
        run_id = (await w.asset(asset))["active_run_id"] or await a_preview(w, caller, asset)
        command = SubmitDecision(run_id, "reject", suggested_changes=changes)
        decided = await w.do(submit_decision, caller, command)
        await w.settle()
        return w.services.requests[decided.next_run_id or ""].overrides

    for _ in range(3):
        overrides = await next_run(style_adjustments="grainy", prompt_modifications="At dusk")
        assert (overrides["style_adjustments"], overrides["directions"]) == ("warmer\ngrainy", "A quay\nAt dusk")
    assert (await next_run(style_adjustments="softer"))["style_adjustments"] == "warmer\ngrainy\nsofter"
    assert (await next_run(style_adjustments=""))["style_adjustments"] == ""


async def test_an_expiry_frees_the_asset_and_can_be_reopened(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    await w.deliver(*(_told(w, run_id)))
    assert (await w.run(run_id))["status"] == "expired"
    assert (await w.asset(asset))["active_run_id"] is None
    late = await refused("already-decided", w.do(submit_decision, caller, SubmitDecision(run_id, "approve")))
    assert late.extensions["outcome"] == "expired"
    reopened = await w.do(reopen_run, caller, run_id)
    await w.settle()
    request = w.services.requests[reopened.run_id]
    assert (request.source, request.parent_reason) == ("existing", "reopen")
    assert request.version_id == (await w.run(run_id))["candidates"][0]
    await w.do(submit_decision, caller, SubmitDecision(reopened.run_id, "approve"))
    await w.settle()
    assert (await w.asset(asset))["committed_version_id"] == request.version_id
    version = await w.row("select status from versions where version_id = $1", request.version_id)
    assert version["status"] == "accepted"
    await refused("invalid-state", w.do(reopen_run, caller, reopened.run_id))


async def test_a_run_that_was_asked_for_too_late_starts_when_the_preview_expires(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    expired = _told(w, run_id)  # review has closed it; the gateway has not heard yet
    again = await w.do(start_run, caller, StartRun(asset))
    await w.post()
    await w.deliver(*w.mail)  # refused: too late
    w.mail = []
    assert (await w.asset(asset))["active_run_id"] == run_id
    await w.deliver(*expired)
    assert (await w.asset(asset))["active_run_id"] == again.run_id
    assert again.decision_id
    assert (await w.do(read_outcome, again.decision_id)).verdict == "rejected"
    await w.settle()
    assert (await w.run(again.run_id))["status"] == "preview_ready"


@pytest.mark.parametrize("in_time", [True, False])
async def test_an_approval_that_waited_to_be_sent_while_its_preview_expired_counts_if_it_was_in_time(
    w: GatewayHarness, in_time: bool
) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    deadline = (await w.run(run_id))["deadline"]
    w.clock.move((deadline - w.clock.now()).total_seconds() + (-5 if in_time else 5))
    decision = (await w.do(submit_decision, caller, SubmitDecision(run_id, "approve"))).decision_id
    w.clock.move(24 * 3600)  # the gateway's relay was cut off from the broker
    [expired] = w.services.expire(run_id)
    await w.deliver(events.message(expired.model_copy(update={"deadline": deadline}), at=w.clock.now()))
    await w.settle()  # now the decision is sent, and refused by review: it comes after the expiry
    assert (await w.run(run_id))["status"] == "expired"
    committed = (await w.asset(asset))["committed_version_id"]
    assert (await w.asset(asset))["active_run_id"] is None
    if not in_time:
        assert committed is None
        await refused("already-decided", w.do(read_outcome, decision))
        return
    assert committed == (await w.run(run_id))["candidates"][0]
    outcome = await w.do(read_outcome, decision)
    assert outcome.verdict == "accepted" and outcome.next_run_id
    again = await w.run(outcome.next_run_id)
    assert (again["status"], again["source"], again["parent_run_id"]) == ("complete", "existing", run_id)
    assert again["actor"]["user_id"] == "ana"
    assert not [t for t in await w.log(caller.project_id, "review-updated") if t.get("reason")]


async def test_gone_after_retention(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    await w.deliver(*_told(w, run_id))
    w.clock.move(8 * 24 * 3600)
    await refused("gone", w.do(reopen_run, caller, run_id))


async def test_cancel(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    first = await w.do(start_run, caller, StartRun(asset))
    await w.do(cancel_run, caller, first.run_id)
    await w.outbox()
    refusal = await refused("invalid-state", w.do(submit_decision, caller, SubmitDecision(first.run_id, "approve")))
    assert refusal.extensions["current"] == "requested"
    episode = (await w.run(first.run_id))["episode_id"]
    preview = await a_preview(w, caller, (await w.assets(episode, AssetKind.NARRATION))[0])
    await refused("invalid-state", w.do(cancel_run, caller, preview))


async def test_a_held_run_is_cancelled_before_it_starts(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    again = await w.do(start_run, caller, StartRun(asset))
    await w.do(cancel_run, caller, again.run_id)
    await w.settle()
    assert (await w.run(again.run_id))["status"] == "cancelled"
    assert (await w.run(run_id))["status"] == "rejected"
    assert (await w.asset(asset))["active_run_id"] is None
    assert again.run_id not in w.services.requests


async def test_a_new_starting_image_makes_the_video_stale_and_a_new_video_fresh(w: GatewayHarness) -> None:
    caller, episode, image = await an_image(w)
    video = (await w.assets(episode, AssetKind.VIDEO))[0]
    await _approved(w, caller, image)
    await _approved(w, caller, video)
    assert (await w.asset(video))["stale_since"] is None
    pinned = w.services.requests[(await w.row("select run_id from runs where asset_id = $1", video))["run_id"]]
    assert pinned.starting_image_version_id == (await w.asset(image))["committed_version_id"]
    await _approved(w, caller, image)
    assert (await w.asset(video))["stale_since"] is not None
    assert [t for t in await w.log(caller.project_id, "changed") if t["resource"] == "asset" and t["id"] == video]
    await _approved(w, caller, video)
    assert (await w.asset(video))["stale_since"] is None


async def test_settings_come_from_request_draft_and_segment(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, segments=[{"duration": 4, "directions": {"video": "Pan left"}}])
    video = (await w.assets(episode, AssetKind.VIDEO))[0]
    await w.do(save_draft, caller, video, 1, "Pan right", {"seed": 1, "resolution": "720p"})
    run_id = await a_preview(w, caller, video, settings={"seed": 2})
    assert w.services.requests[run_id].overrides == {
        "directions": "Pan right",
        "seed": 2,
        "resolution": "720p",
        "duration": 4.0,
    }
    await w.do(submit_decision, caller, SubmitDecision(run_id, "approve"))
    await w.settle()
    typed = {"directions": "Pan right", "settings": {"seed": 1, "resolution": "720p"}}
    assert (await w.asset(video))["draft"] == typed, "a setting of one run does not repeat"
    assert (await w.asset(video))["revision"] == 2, "a run is no edit"
    wrong = await refused("invalid", w.do(start_run, caller, StartRun(video, model="x/y")))
    assert wrong.extensions["errors"][0]["pointer"] == "/model"
    wrong = await refused("invalid", w.do(start_run, caller, StartRun(video, settings={"resolution": "9p"})))
    assert wrong.extensions["errors"][0]["pointer"] == "/settings/resolution"


async def test_accepting_keeps_a_runs_own_settings_out_of_the_draft(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, segments=[{"duration": 4, "directions": {"video": "Pan left"}}])
    video = (await w.assets(episode, AssetKind.VIDEO))[0]
    once = {"seed": 7, "duration": 6, "resolution": "480p"}
    run_id = await a_preview(w, caller, video, directions="Tilt up", model="animatic/camera", settings=once)
    await w.do(submit_decision, caller, SubmitDecision(run_id, "approve"))
    await w.settle()
    draft = (await w.asset(video))["draft"]
    assert draft == {"directions": "Tilt up", "settings": {"model": "animatic/camera"}}
    again = await a_preview(w, caller, video)
    assert w.services.requests[again].overrides == {
        "directions": "Tilt up",
        "model": "animatic/camera",
        "duration": 4.0,
    }


async def test_a_draft_that_was_edited_since_is_kept(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    await w.do(save_draft, caller, asset, 1, "A castle", {})
    await w.do(submit_decision, caller, SubmitDecision(run_id, "approve"))
    await w.settle()
    assert (await w.asset(asset))["draft"]["directions"] == "A castle"


async def test_variants_need_a_name(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset, variants=2)
    first, second = (await w.run(run_id))["candidates"]
    await refused("invalid", w.do(submit_decision, caller, SubmitDecision(run_id, "approve")))
    await refused("invalid", w.do(submit_decision, caller, SubmitDecision(run_id, "approve", version_id=run_id)))
    await w.do(submit_decision, caller, SubmitDecision(run_id, "approve", version_id=second))
    await w.settle()
    rows = await w.pool.fetch("select version_id, status from versions where asset_id = $1", asset)
    assert {r["version_id"]: r["status"] for r in rows} == {first: "not_chosen", second: "accepted"}


async def test_rollback(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    await _approved(w, caller, asset)
    first = (await w.asset(asset))["committed_version_id"]
    await w.do(save_draft, caller, asset, None, "A castle", {})
    await _approved(w, caller, asset)
    await refused("invalid-state", w.do(roll_back, caller, (await w.asset(asset))["committed_version_id"]))
    await w.do(roll_back, caller, first)
    await w.settle()
    row = await w.asset(asset)
    assert row["committed_version_id"] == first
    assert row["commit_seq"] == 3
    assert row["draft"]["directions"] == "A harbour 1"


async def test_foreign_things_look_absent(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    await w.do(remember_user, "eve", "Eve")
    other = await w.project()
    for doing in (
        w.do(start_run, other, StartRun(asset)),
        w.do(submit_decision, other, SubmitDecision(run_id, "approve")),
        w.do(cancel_run, other, run_id),
        w.do(reopen_run, other, run_id),
        w.do(roll_back, other, (await w.run(run_id))["candidates"][0]),
        w.do(register_version, other, RegisterVersion(asset, url="https://example.org/a.png")),
        w.do(authorize, "eve", "run", run_id, Role.VIEWER),
        w.do(authorize, "ana", "run", "nonsense", Role.VIEWER),
    ):
        await refused("not-found", doing)


async def test_the_spend_cap_is_refused_early(w: GatewayHarness) -> None:
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    await w.pool.execute("update runs set cost_amount = 2.5 where run_id = $1", run_id)
    await w.do(change_settings, caller, ChangeSettings(1, {"spend_cap": {"amount": "2.50"}}))
    paid = StartRun(asset, model="bytedance/seedream-4")
    refusal = await refused("spend-cap-reached", w.do(start_run, caller, paid))
    assert refusal.extensions == {
        "cap": {"amount": "2.50", "currency": "USD", "period": "month"},
        "spent": {"amount": "2.5", "currency": "USD"},
    }


async def test_a_cost_that_no_one_tells_counts_as_what_it_is_at_most_and_is_shown_with_its_reason(
    w: GatewayHarness,
) -> None:
    caller, _, asset = await an_image(w)
    run_id = await w.do(start_run, caller, StartRun(asset, model="bytedance/seedream-4"))
    run = await w.run(run_id.run_id)
    unknown = UnknownCharge(calls=1, at_most="2.5", reason="The provider does not say.")
    told = Cost(amount="0.25", calls=1, unknown=unknown)
    cancelled = events.failed(
        run_id=run["run_id"], asset_id=asset, outcome="cancelled", run_rev=3, cost=told, problem=events.problem()
    )
    await w.deliver(events.message(cancelled))
    await w.do(change_settings, caller, ChangeSettings(1, {"spend_cap": {"amount": "2.70"}}))
    paid = StartRun(asset, model="bytedance/seedream-4")
    refusal = await refused("spend-cap-reached", w.do(start_run, caller, paid))
    assert refusal.extensions["spent"] == {"amount": "2.75", "currency": "USD"}
    shown = costs((await w.run(run["run_id"]))["cost"])
    assert (shown.estimated, shown.actual, shown.reason) == (None, None, "The provider does not say.")
    assert shown.at_least and shown.at_most and (shown.at_least.amount, shown.at_most.amount) == ("0.25", "2.75")
    settled = cancelled.model_copy(update={"run_rev": 4, "cost": Cost(amount="0.30", calls=2)})
    await w.deliver(events.message(settled))
    await w.do(start_run, caller, paid)


async def test_what_costs_nothing_is_never_refused_for_money(w: GatewayHarness) -> None:
    """Over the project's cap and the user's own, offline models go on, alone and in a batch."""
    w.stores = replace(w.stores, quotas=Quotas(spend=Decimal(1)))
    caller, episode, asset = await an_image(w)
    (video,) = await w.assets(episode, AssetKind.VIDEO)
    run_id = await a_preview(w, caller, asset)
    await w.pool.execute("update runs set cost_amount = 2.5 where run_id = $1", run_id)
    await w.do(change_settings, caller, ChangeSettings(1, {"spend_cap": {"amount": "2.50"}}))
    await a_preview(w, caller, asset)
    paid = {"model": "bytedance/seedance-1-lite"}
    await w.do(save_draft, caller, video, None, "Pan left", paid)
    started = await w.do(start_batch, caller, StartBatch(episode))
    await w.settle()
    (waiting,) = await w.waiting(episode)
    await w.do(submit_decision, caller, SubmitDecision(waiting, "approve"))
    await w.settle()
    (item,) = await w.pool.fetch("select * from batch_items where batch_id = $1 and kind = 'video'", started)
    assert (item["state"], item["problem"]["code"]) == ("left", "spend-cap-reached"), "the video is what costs"
    await refused("spend-cap-reached", w.do(start_batch, caller, StartBatch(episode)))
    await w.do(save_draft, caller, video, None, "Pan left", {"model": "animatic/camera"})
    await w.do(start_batch, caller, StartBatch(episode))


async def test_a_user_may_ask_for_so_many_generations_a_day(w: GatewayHarness) -> None:
    """Over all projects; each variant counts, and room comes back when the oldest are a day old."""
    w.stores = replace(w.stores, quotas=Quotas(generations=3))
    caller, _, asset = await an_image(w)
    await a_preview(w, caller, asset)
    w.clock.move(3600)
    other, episode, another = await an_image(w)
    await refused("rate-limited", w.do(start_run, other, StartRun(another, variants=3)))
    run_id = await a_preview(w, other, another, variants=2)
    refusal = await refused("rate-limited", w.do(start_run, other, StartRun(another)))
    assert refusal.extensions == {"policy": "generations"}
    assert refusal.delay_s == pytest.approx(23 * 3600, abs=60)
    assert "in 23 hours" in refusal.recovery
    await refused("rate-limited", w.do(start_batch, other, StartBatch(episode)))
    await w.do(
        submit_decision, other, SubmitDecision(run_id, "approve", version_id=(await w.run(run_id))["candidates"][0])
    )
    await w.settle()  # decisions go on
    await w.do(register_version, other, RegisterVersion(another, url="https://example.org/a.png"))  # so do uploads
    w.clock.move(23 * 3600 + 60)
    (video,) = await w.assets(episode, AssetKind.VIDEO)
    await w.do(start_run, other, StartRun(video))


async def test_a_user_may_spend_so_much_a_month(w: GatewayHarness) -> None:
    w.stores = replace(w.stores, quotas=Quotas(spend=Decimal(5)))
    caller, _, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    await w.pool.execute("update runs set cost_amount = 5 where run_id = $1", run_id)
    other, _, another = await an_image(w)
    refusal = await refused(
        "spend-cap-reached", w.do(start_run, other, StartRun(another, model="bytedance/seedream-4"))
    )
    assert refusal.extensions == {
        "cap": {"amount": "5", "currency": "USD", "period": "month"},
        "spent": {"amount": "5", "currency": "USD"},
    }
    w.clock.move(32 * 86400)
    await w.do(start_run, other, StartRun(another, model="bytedance/seedream-4"))


async def test_late_events_of_a_deleted_segment_do_no_harm(w: GatewayHarness) -> None:
    caller, episode, asset = await an_image(w)
    run_id = await a_preview(w, caller, asset)
    await w.do(delete_segment, caller, (await w.segments(episode))[0])
    await w.post()
    assert asset in w.services.timelines[episode].deleted_asset_ids
    await w.deliver(*_told(w, run_id))
    await refused("not-found", w.do(authorize, "ana", "run", run_id, Role.VIEWER))


async def _approved(w: GatewayHarness, caller: Caller, asset: str) -> None:
    run_id = await a_preview(w, caller, asset)
    await w.do(submit_decision, caller, SubmitDecision(run_id, "approve"))
    await w.settle()


def _told(w: GatewayHarness, run_id: str) -> list[Any]:
    from tests.support import events

    return [events.message(event, at=w.clock.now()) for event in w.services.expire(run_id)]
