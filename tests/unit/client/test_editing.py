"""The state machine of the editor: the effect of each call and event, whatever the order of events."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import editing
from client.controller import AssetController, of_asset
from client.editing import Committed, Decide, Editor, Phase, Refresh, Start, Values
from client.models import Asset
from client.models import events as e
from client.models.events import parse_event
from tests.unit.client.fake import Gateway, ok, refusal

T0 = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW, TYPED = Values("old", "m", {}), Values("new", "m", {"duration": 5.0}), Values("typed", "m", {})
KEPT = Values("new", "m", {})  # of NEW, whose duration was measured
BEFORE = Committed("v1", "/v1?v=1", OLD, T0)
AFTER = Committed("v2", "/v2?v=2", NEW, T0 + timedelta(seconds=50))
VERSION = {"version_id": "v2", "directions": "new", "model": "m", "duration": 5.0}


def event(name: str, at: float, run: str = "r1", asset: str = "a1", **more: Any) -> e.RunEvent:
    moment = (T0 + timedelta(seconds=at)).isoformat()
    found = parse_event(name, f"e:{at}", {"asset_id": asset, "run_id": run, "updated_at": moment, **more})
    assert isinstance(found, e.RunEvent)
    return found


def after(editor: Editor, *events: e.RunEvent) -> Editor:
    for each in events:
        editor, _ = editing.apply(editor, each)
    return editor


FRESH = Editor("a1", BEFORE, OLD, OLD)
READY = after(FRESH, event("preview-ready", 10, versions=[VERSION]))


def test_a_start_is_made_from_the_draft_once() -> None:
    editor = editing.edit(FRESH, TYPED)
    assert editor.has_changes
    editor, effects = editing.start(editor)
    assert effects == (Start(Values("typed")),)
    assert editor.is_generating
    assert editing.start(editor) == (editor, ())
    editor = editing.started(editor, "r1", T0)
    assert (editor.phase, editor.is_starting, editor.draft) == (Phase.GENERATING, False, TYPED)
    assert editing.start(editor) == (editor, ())


def test_a_start_has_only_what_was_chosen_since_the_draft_was_saved() -> None:
    saved = Values("old", "m", {"seed": 7, "resolution": "720p"})
    editor = replace(FRESH, draft=saved, baseline=saved)
    assert editing.start(editor)[1] == (Start(Values()),)
    editor = editing.edit(editor, Values("old", "n", {"seed": 7, "resolution": "480p", "duration": 3}))
    assert editing.start(editor)[1] == (Start(Values("", "n", {"resolution": "480p", "duration": 3})),)


def test_a_parameter_for_one_run_is_dropped_by_its_acceptance_and_a_chosen_model_is_kept() -> None:
    saved = Values("old", None, {"resolution": "720p"})
    editor = replace(READY, baseline=saved, draft=Values("new", "m", {"resolution": "720p", "seed": 7}))
    assert editing.accept(editor)[0].draft == Values("new", "m", {"resolution": "720p"})
    assert editing.accept(replace(editor, draft=saved))[0].draft == Values("new", None, {"resolution": "720p"})


def test_a_start_that_is_refused_says_why_and_looks_again() -> None:
    editor, _ = editing.start(FRESH)
    editor, effects = editing.not_started(editor, "It is busy.")
    assert (editor.is_generating, editor.error, effects) == (False, "It is busy.", (Refresh(),))


def test_events_that_overtake_the_answer_to_start_count() -> None:
    editor, _ = editing.start(FRESH)
    editor = after(editor, event("preview-ready", 10, versions=[VERSION]))
    assert editing.started(editor, "r1", T0 + timedelta(seconds=1)).phase is Phase.REVIEW


def test_a_preview_opens_the_review_and_closing_it_decides_nothing() -> None:
    assert READY.is_review_open
    closed = editing.close_review(READY)
    assert (closed.is_review_open, closed.can_decide) == (False, True)
    assert editing.open_review(closed).is_review_open
    assert not editing.open_review(FRESH).is_review_open


def test_accepting_shows_texts_at_once_and_the_player_only_after_complete() -> None:
    editor, effects = editing.accept(editing.edit(READY, TYPED))
    assert effects == (Decide("r1", "v2", "approve"),)
    assert (editor.draft, editor.baseline, editor.committed.values) == (KEPT, KEPT, NEW)
    assert (editor.committed.url, editor.committed.version_id) == ("/v1?v=1", "v1")
    assert (editor.is_decision_pending, editor.can_decide, editor.has_changes) == (True, False, False)
    assert editing.accept(editor) == (editor, ())
    editor = after(editor, event("accepted", 20, version_id="v2"))
    assert (editor.phase, editor.is_review_open, editor.is_decision_pending) == (Phase.COMMITTING, False, False)
    editor, effects = editing.apply(editor, event("complete", 30))
    assert (effects, editor.committed.url) == ((Refresh(),), "/v1?v=1")
    stale = editing.refreshed(editor, BEFORE, OLD)  # a GET that was on its way
    assert stale.committed.values == NEW
    editor = editing.refreshed(stale, AFTER, KEPT)
    assert (editor.committed, editor.undo, editor.phase) == (AFTER, None, Phase.IDLE)


@pytest.mark.parametrize("how", ["refused", "failed", "rejected elsewhere"])
def test_an_acceptance_that_comes_to_nothing_is_undone(how: str) -> None:
    editor, _ = editing.accept(editing.edit(READY, TYPED))
    match how:
        case "refused":
            editor, effects = editing.not_decided(editor, "Too late.")
            assert effects == (Refresh(),)
        case "failed":
            editor = after(editor, event("accepted", 20, version_id="v2"), event("failed", 30, message="No space."))
        case _:
            editor = after(editor, event("rejected", 20, version_id="v2"))
    assert (editor.committed, editor.baseline, editor.draft) == (BEFORE, OLD, TYPED)
    assert editor.error == {"refused": "Too late.", "failed": "No space."}.get(how)
    assert not editor.is_decision_pending


def test_what_was_typed_after_accepting_survives_the_undoing() -> None:
    editor, _ = editing.accept(READY)
    editor = after(editing.edit(editor, TYPED), event("failed", 30, message="No."))
    assert (editor.draft, editor.baseline) == (TYPED, OLD)


def test_a_rejection_keeps_the_draft_and_leaving_resets_it() -> None:
    editor, effects = editing.reject(editing.edit(READY, TYPED))
    assert effects == (Decide("r1", "v2", "reject"),)
    editor = after(editor, event("rejected", 20, version_id="v2", next_run_id="r2"))
    assert (editor.phase, editor.run_id, editor.draft) == (Phase.GENERATING, "r2", TYPED)
    assert editor.committed == BEFORE
    assert editing.leave(editor).draft == OLD


def test_variants_must_be_named() -> None:
    two = after(FRESH, event("preview-ready", 10, versions=[VERSION, {"version_id": "v3", "directions": "other"}]))
    assert editing.accept(two)[1] == ()
    assert editing.accept(two, "v9")[1] == ()
    assert editing.accept(two, "v3")[0].committed.values.directions == "other"


def test_somebody_elses_acceptance_keeps_what_is_unsaved_here() -> None:
    editor = after(editing.edit(READY, TYPED), event("accepted", 20, version_id="v2"))
    assert (editor.draft, editor.baseline, editor.has_changes) == (TYPED, KEPT, True)


HISTORIES = {
    "accepted": [("regenerate-requested", {}), ("progress", {"percent": 40.0}),
                 ("preview-ready", {"versions": [VERSION]}), ("review-updated", {"change": "opened"}),
                 ("accepted", {"version_id": "v2"}), ("complete", {"version_id": "v2"})],
    "rejected, again": [("regenerate-requested", {}), ("preview-ready", {"versions": [VERSION]}),
                        ("rejected", {"version_id": "v2", "next_run_id": "r2"}),
                        ("regenerate-requested", {"run_id": "r2"}), ("progress", {"run_id": "r2", "percent": 5.0})],
    "failed": [("regenerate-requested", {}), ("progress", {"percent": 9.0}), ("failed", {"message": "It broke."})],
    "expired": [("regenerate-requested", {}), ("preview-ready", {"versions": [VERSION]}),
                ("review-updated", {"change": "expired"})],
    "waits": [("regenerate-requested", {}), ("progress", {"percent": 9.0}),
              ("preview-ready", {"versions": [VERSION]}), ("review-updated", {"change": "opened"})],
}  # fmt: skip


def history(name: str) -> list[e.RunEvent]:
    return [event(n, 10 + i, **{"run": "r1", **more, **({"run": more["run_id"]} if "run_id" in more else {})})
            for i, (n, more) in enumerate(HISTORIES[name])]  # fmt: skip


@given(name=st.sampled_from(sorted(HISTORIES)), draw=st.data(), typed=st.booleans())
def test_in_any_order_and_any_number_events_lead_to_the_same(name: str, draw: st.DataObject, typed: bool) -> None:
    events = history(name)
    extra = draw.draw(st.lists(st.sampled_from(events), max_size=6))
    jumbled = draw.draw(st.permutations(events + extra))
    before = editing.edit(FRESH, TYPED) if typed else FRESH
    truth, draft = (AFTER, KEPT) if name == "accepted" else (BEFORE, OLD)
    expected, editor = after(before, *events), before
    for each in jumbled:
        shown = editor.committed
        editor, effects = editing.apply(editor, each)
        assert (editor.committed.url, editor.committed.version_id) == (shown.url, shown.version_id)
        assert isinstance(each, e.Complete) is (effects == (Refresh(),))
        assert not typed or editor.draft == TYPED
    assert replace(editing.refreshed(editor, truth, draft), undo=None) == replace(
        editing.refreshed(expected, truth, draft), undo=None
    )


PRESSED = st.sampled_from(["edit", "start", "accept", "reject", "leave", "open", "refused", "event"])


@given(st.lists(PRESSED, max_size=25), st.sampled_from(sorted(HISTORIES)))
def test_whatever_is_pressed_whenever_the_player_changes_only_by_a_refresh(pressed: list[str], name: str) -> None:
    editor, coming, deciding = FRESH, iter(history(name)), 0
    for each in pressed:
        effects: tuple[editing.Effect, ...] = ()
        pending = editor.is_decision_pending
        match each:
            case "edit":
                editor = editing.edit(editor, TYPED)
            case "start":
                editor, effects = editing.start(editor)
            case "accept":
                editor, effects = editing.accept(editor)
            case "reject":
                editor, effects = editing.reject(editor)
            case "leave":
                editor = editing.leave(editor)
            case "open":
                editor = editing.open_review(editor)
            case "refused" if editor.is_decision_pending:
                editor, _ = editing.not_decided(editor, "no")
            case "event":
                editor = after(editor, *[x for x in (next(coming, None),) if x])
        decisions = [x for x in effects if isinstance(x, Decide)]
        assert not (pending and decisions), "a decision was sent while another was under way"
        deciding += len(decisions)
        assert (editor.committed.url, editor.committed.version_id, editor.committed.at) == ("/v1?v=1", "v1", T0)
        assert not editor.is_review_open or editor.phase is Phase.REVIEW
        assert not (editor.is_generating and editor.is_decision_pending)


ASSET = {
    "id": "a1", "kind": "video", "updated_at": T0.isoformat(), "committed_at": T0.isoformat(),
    "committed": {"id": "v1", "url": "/v1?v=1", "directions": "old", "model": "m"},
}  # fmt: skip


async def test_the_controller_carries_it_out_and_refreshes_once_for_many_events() -> None:
    minute = (T0 + timedelta(minutes=1)).isoformat()
    version = {"id": "v2", "url": "/v2?v=2", "directions": "new", "model": "m", "duration": 5.0}
    later = {"committed_at": minute, "updated_at": minute, "committed": version}
    gateway = Gateway(
        ok({"id": "r1", "kind": "video", "status": "queued", "updated_at": T0.isoformat()}, 202),
        ok({"id": "w1", "verdict": "accepted"}),
        ok({**ASSET, **later}),
    )
    slept, go = [], asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await go.wait()

    seen: list[Editor] = []
    asset = Asset.model_validate(ASSET)
    async with AssetController(gateway.client(), asset, on_change=seen.append, sleep=sleep) as controller:
        controller.edit(Values("new", "n", {"seed": 7}))
        await controller.start()
        assert gateway.bodies == [{"directions": "new", "model": "n", "settings": {"seed": 7}}]
        await controller.apply(event("preview-ready", 10, versions=[VERSION]))
        await controller.accept(rating=5)
        assert gateway.bodies[-1] == {"action": "approve", "version_id": "v2", "rating": 5}
        for _ in range(3):
            await controller.apply(event("complete", 30))
        go.set()
        while controller.state.committed.version_id != "v2":
            await asyncio.sleep(0)
        assert slept == [0.15]
        assert len(gateway.requests) == 3
        assert controller.state.committed.url == "/v2?v=2"
        assert not controller.state.has_changes
    assert seen


async def test_the_controller_tells_a_refusal_and_undoes() -> None:
    gateway = Gateway(refusal(409, "already-decided", outcome="rejected"), ok(ASSET))

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    async with AssetController(gateway.client(), Asset.model_validate(ASSET), sleep=sleep) as controller:
        await controller.apply(event("preview-ready", 10, versions=[VERSION]))
        await controller.accept()
        assert controller.state.error == "it is already-decided do this"
        assert controller.state.committed.values.directions == "old"
        while len(gateway.requests) < 2:
            await asyncio.sleep(0)


def test_after_a_reload_a_waiting_preview_is_offered() -> None:
    run = {"id": "r1", "kind": "video", "status": "preview_ready", "updated_at": T0.isoformat(),
           "versions": [{"id": "v2", "directions": "new"}]}  # fmt: skip
    editor = of_asset(Asset.model_validate({**ASSET, "preview": run, "draft": {"directions": "mine"}}))
    assert (editor.phase, editor.is_review_open, editor.can_decide) == (Phase.REVIEW, False, True)
    assert (editor.draft.directions, editor.has_changes) == ("mine", False)
    gone = of_asset(Asset.model_validate({**ASSET, "updated_at": (T0 + timedelta(60)).isoformat()}))
    assert editing.caught_up(editor, gone).phase is Phase.IDLE
    newer = after(gone, event("progress", 60 * 60 * 24 * 61, run="r2", percent=3.0))
    assert editing.caught_up(newer, editor).phase is Phase.GENERATING
