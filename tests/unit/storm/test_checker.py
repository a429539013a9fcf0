"""The storm's checker notices each violation: one good history, and every way to spoil it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.storm.checker import INVARIANTS, check
from tests.support.storm.history import Answer, Film, Frame, History, Offset, Prediction, Record, Stored

PROJECT, OTHER = "project-1", "project-2"
ASSET, RUN, VERSION = "asset-1", "run-1", "version-1"
OBJECT = {"bucket": "generator", "key": "versions/version-1/content.png", "size": 10, "sha256": "aa"}


def record(topic: str, offset: int, event_id: str, body: dict[str, Any], key: str = ASSET) -> Record:
    return Record(topic, 0, offset, key, event_id, PROJECT, json.dumps(body))


def outbox(number: int, made: Record, **changes: Any) -> dict[str, Any]:
    row = {"id": number, "event_id": made.event_id, "topic": made.topic, "key": made.key, "body": made.body}
    return row | {"published_at": "now", "refused_at": None, "refusal": None} | changes


def story() -> History:
    """One video: generated, paid, approved, committed; then a film; one client watches, another may not."""
    requested = record("regenerate-requested", 0, "e1", {"run_id": RUN, "asset_id": ASSET})
    preview = record(
        "preview-ready", 0, "e2", {"run_id": RUN, "asset_id": ASSET, "candidates": [{"version_id": VERSION}]}
    )
    decision = record("decision-submitted", 0, "e3", {"run_id": RUN, "decision_id": "decision-1"})
    accepted = record("accepted", 0, "e4", {"run_id": RUN, "decision_id": "decision-1", "version_id": VERSION})
    complete = record(
        "complete",
        0,
        "e5",
        {
            "run_id": RUN,
            "asset_id": ASSET,
            "commit_seq": 1,
            "version": {"version_id": VERSION},
            "previous_version_id": None,
        },
    )
    opened = record("review-updated", 0, "e6", {"run_id": RUN, "change": "opened"})
    records = [requested, preview, decision, accepted, complete, opened]
    return History(
        answers=[
            Answer("ana", "k1", "POST", f"/assets/{ASSET}/runs", 202, {"id": RUN}, "runs", RUN),
            Answer("bob", "k2", "GET", f"/assets/{ASSET}", 404, {}, foreign=True),
        ],
        frames=[
            Frame("ana", PROJECT, "x:4", "snapshot", {"project_id": PROJECT}),
            Frame("ana", PROJECT, "x:5", "progress", {"project_id": PROJECT, "percent": 5}),
            Frame("ana", PROJECT, None, "heartbeat", {}),
            Frame("ana", PROJECT, "x:7", "complete", {"project_id": PROJECT}),
        ],
        records=records,
        services={
            "gateway": {
                "outbox": [outbox(1, requested), outbox(2, decision)],
                "inbox": [{"event_id": e} for e in ("e2", "e4", "e5", "e6")],
                "parked": [],
                "runs": [
                    {
                        "run_id": RUN,
                        "asset_id": ASSET,
                        "status": "complete",
                        "made": "complete",
                        "verdict": "accepted",
                        "number": 1,
                    }
                ],
                "assets": [
                    {
                        "asset_id": ASSET,
                        "project_id": PROJECT,
                        "kind": "video",
                        "committed_version_id": VERSION,
                        "active_run_id": None,
                        "deleted_at": None,
                    }
                ],
                "versions": [
                    {
                        "version_id": VERSION,
                        "retired_at": None,
                        "object": OBJECT,
                        "poster": None,
                        "filmstrip": None,
                        "proxy": None,
                    }
                ],
                "reviews": [{"review_id": "decision-1", "run_id": RUN, "user_id": "ana", "verdict": "accepted"}],
                "batches": [{"batch_id": "batch-1", "status": "completed"}],
                "compilations": [{"compilation_id": "film-1", "state": "completed"}],
                "event_log": [
                    {"seq": 4, "project_id": PROJECT, "data": "{}"},
                    {"seq": 5, "project_id": PROJECT, "data": json.dumps({"project_id": PROJECT, "percent": 5})},
                    {"seq": 6, "project_id": OTHER, "data": "{}"},
                    {"seq": 7, "project_id": PROJECT, "data": json.dumps({"project_id": PROJECT})},
                ],
            },
            "generator": {
                "outbox": [outbox(1, preview), outbox(2, complete)],
                "inbox": [{"event_id": e} for e in ("e1", "e4", "e6")],
                "runs": [{"run_id": RUN, "state": "complete", "spent": 0.03}],
                "assets": [{"asset_id": ASSET, "committed_version_id": VERSION}],
                "versions": [{"version_id": VERSION, "purged_at": None, "facts": {"object": OBJECT}}],
                "provider_calls": [
                    {
                        "call_id": "call-1",
                        "run_id": RUN,
                        "position": 0,
                        "state": "succeeded",
                        "handle": {"id": "p1"},
                        "amount": 0.03,
                    }
                ],
            },
            "review": {
                "outbox": [outbox(1, opened), outbox(2, accepted)],
                "inbox": [{"event_id": e} for e in ("e2", "e3")],
                "reviews": [{"run_id": RUN, "state": "accepted"}],
                "decisions": [
                    {"run_id": RUN, "version_id": VERSION, "verdict": "accepted", "decision_id": "decision-1"}
                ],
            },
            "compiler": {
                "inbox": [{"event_id": "e5"}],
                "committed": [{"asset_id": ASSET, "media": {"version_id": VERSION}}],
                "compilations": [{"compilation_id": "film-1", "state": "completed", "result": {}}],
            },
        },
        offsets=[
            Offset(group, topic, 0, 1, 1)
            for topic, groups in {
                "regenerate-requested": ["generator"],
                "preview-ready": ["gateway", "review"],
                "decision-submitted": ["review"],
                "accepted": ["gateway", "generator"],
                "complete": ["gateway", "compiler"],
                "review-updated": ["gateway", "generator"],
            }.items()
            for group in groups
        ],
        objects=[Stored("generator", OBJECT["key"], 10, "aa")],
        ledger=[Prediction("p1", "succeeded", "A harbour"), Prediction("p2", "canceled", "Given up")],
        films=[Film("film-1", 24, 24, "")],
    )


def row(history: History, service: str, table: str, number: int = 0) -> dict[str, Any]:
    return history.services[service][table][number]  # type: ignore[return-value]


def add(history: History, service: str, table: str, **more: Any) -> None:
    rows = history.services[service].setdefault(table, [])  # type: ignore[attr-defined]
    rows.append((rows[-1] if rows else {}) | more)


def swap(lines: list[Any], number: int, **changes: Any) -> None:
    lines[number] = replace(lines[number], **changes)


def commit(history: History, **changes: Any) -> None:
    """Another commit of the same version, right but for `changes`."""
    body = json.loads(history.records[4].body or "") | {
        "run_id": "run-2",
        "commit_seq": 2,
        "previous_version_id": VERSION,
    }
    add(history, "review", "decisions", run_id="run-2", decision_id=None)
    history.records.append(record("complete", 1, "e9", body | changes))


def _a_second_verdict(h: History) -> None:
    h.records.append(record("rejected", 0, "e8", {"run_id": RUN}))


def _an_unread_record(h: History) -> None:
    swap(h.offsets, 0, committed=0)


def _passed_but_not_applied(h: History) -> None:
    h.services["compiler"]["inbox"] = []  # type: ignore[index]


def _published_out_of_order(h: History) -> None:
    extra = record("regenerate-requested", 1, "e7", {"run_id": "run-0"})
    h.records.append(extra)
    add(h, "gateway", "outbox", **outbox(0, extra))
    add(h, "generator", "inbox", event_id="e7")


def _films_out_of_order(h: History, second: str) -> None:
    states = [
        record("film-updated", n, f"f{n}", {"compilation_id": film, "episode_id": "episode-1"}, "episode-1")
        for n, film in enumerate(("film-1", second))
    ]
    h.records += states
    h.services["compiler"]["outbox"] = [outbox(2, states[0]), outbox(1, states[1])]  # type: ignore[index]
    for made in states:
        add(h, "gateway", "inbox", event_id=made.event_id)


SPOILED: dict[str, list[tuple[str, Callable[[History], object]]]] = {
    "I1": [
        ("nobody accepted it", lambda h: row(h, "review", "decisions").update(verdict="rejected")),
        ("a gap between commits", lambda h: commit(h, commit_seq=3)),
        ("the same number twice", lambda h: commit(h, commit_seq=1)),
        ("a commit past another", lambda h: commit(h, previous_version_id="version-0")),
        ("the generator's pointer", lambda h: row(h, "generator", "assets").update(committed_version_id="version-0")),
        ("the gateway's pointer", lambda h: row(h, "gateway", "assets").update(committed_version_id=None)),
        ("the compiler's pointer", lambda h: row(h, "compiler", "committed")["media"].update(version_id="version-0")),
        ("committed without an event", lambda h: add(h, "compiler", "committed", asset_id="asset-2")),
    ],
    "I2": [
        (
            "paid twice",
            lambda h: (
                h.ledger.append(Prediction("p3", "succeeded", "")),
                add(h, "generator", "provider_calls", call_id="call-2", handle={"id": "p3"}, amount=0),
            ),
        ),
        ("paid for nothing", lambda h: h.ledger.append(Prediction("p3", "succeeded", ""))),
        ("runs on", lambda h: h.ledger.append(Prediction("p3", "processing", ""))),
        ("adopted twice", lambda h: add(h, "generator", "provider_calls", call_id="call-2", amount=0)),
        ("never ended", lambda h: row(h, "generator", "provider_calls").update(state="submitted")),
        ("another cost is told", lambda h: row(h, "generator", "runs").update(spent=0.06)),
    ],
    "I3": [
        ("stuck in the generator", lambda h: row(h, "generator", "runs").update(state="generating")),
        ("stuck in the gateway", lambda h: row(h, "gateway", "runs").update(status="accepted")),
        ("two ends", lambda h: row(h, "generator", "runs").update(state="failed")),
        ("never came to the generator", lambda h: row(h, "generator", "runs").update(run_id="run-0")),
        (
            "cancelled by nobody",
            lambda h: (
                row(h, "generator", "runs").update(run_id="run-0"),
                row(h, "gateway", "runs").update(status="cancelled"),
            ),
        ),
        ("a lock is held", lambda h: row(h, "gateway", "assets").update(active_run_id=RUN)),
        ("a batch goes on", lambda h: row(h, "gateway", "batches").update(status="running")),
        ("a film goes on", lambda h: row(h, "compiler", "compilations").update(state="processing")),
        ("a review is open", lambda h: row(h, "review", "reviews").update(state="open")),
        ("parked for ever", lambda h: add(h, "gateway", "parked", topic="accepted", subject_id=RUN)),
    ],
    "I4": [
        ("not published", lambda h: row(h, "review", "outbox").update(published_at=None)),
        ("set aside", lambda h: row(h, "review", "outbox").update(published_at=None, refused_at="now", refusal="no")),
        ("not there", lambda h: add(h, "gateway", "outbox", id=3, event_id="e0")),
        ("changed on the way", lambda h: row(h, "review", "outbox").update(body="{}")),
        ("published twice, differently", lambda h: h.records.append(replace(h.records[0], offset=1, body="{}"))),
        ("out of order", _published_out_of_order),
        ("a film's states out of order", lambda h: _films_out_of_order(h, "film-1")),
    ],
    "I5": [
        ("two verdicts", _a_second_verdict),
        ("completed and failed", lambda h: h.records.append(record("failed", 0, "e8", {"run_id": RUN}))),
        ("completed twice", lambda h: commit(h, run_id=RUN)),
        (
            "two answers",
            lambda h: h.records.append(record("review-updated", 1, "e8", {"run_id": RUN, "decision_id": "decision-1"})),
        ),
        ("another verdict is shown", lambda h: row(h, "gateway", "reviews").update(verdict="refused")),
        (
            "a rollback was refused",
            lambda h: (
                add(h, "gateway", "reviews", review_id="made-up", run_id="run-2"),
                add(h, "review", "decisions", run_id="run-2", decision_id=None, verdict="rejected"),
            ),
        ),
        ("a decision is pending for ever", lambda h: add(h, "gateway", "reviews", review_id="d2", verdict="pending")),
        ("acknowledged and lost", lambda h: swap(h.answers, 0, made="run-9")),
        (
            "one key, two effects",
            lambda h: (
                h.answers.append(replace(h.answers[0], made="run-2")),
                add(h, "gateway", "runs", run_id="run-2", number=2),
            ),
        ),
        ("a number is missing", lambda h: row(h, "gateway", "runs").update(number=2)),
        ("a candidate is not shown", lambda h: row(h, "gateway", "versions").update(version_id="version-9")),
    ],
    "I6": [
        ("a gap", lambda h: h.frames.pop(1)),
        ("the end is missing", lambda h: h.frames.pop()),
        ("twice", lambda h: h.frames.append(h.frames[-1])),
        ("backwards", lambda h: h.frames.append(replace(h.frames[1]))),
        ("a silent snapshot", lambda h: h.frames.append(replace(h.frames[0], event_id="x:7"))),
        ("no snapshot", lambda h: h.frames.pop(0)),
        ("a gap before a reset", lambda h: (h.frames.pop(1), h.frames.append(Frame("ana", PROJECT, None, "reset", {})),
                                            h.frames.append(replace(h.frames[0], event_id="x:7")))),
        ("another content", lambda h: swap(h.frames, 1, data={"project_id": PROJECT, "percent": 6})),
    ],
    "I7": [
        ("a picture is missing", lambda h: swap(h.films, 0, frames=23)),
        ("does not decode", lambda h: swap(h.films, 0, problem="Invalid NAL unit")),
        ("not there", lambda h: h.films.clear()),
    ],
    "I8": [
        ("an answer", lambda h: swap(h.answers, 1, status=200)),
        ("a stream", lambda h: swap(h.frames, 1, data={"project_id": OTHER})),
        ("an event", lambda h: swap(h.records, 3, project_id=OTHER)),
    ],
    "I9": [
        ("gone", lambda h: h.objects.clear()),
        ("cut", lambda h: swap(h.objects, 0, size=9)),
        ("damaged", lambda h: swap(h.objects, 0, sha256="bb")),
        ("a temporary file", lambda h: h.leftovers.append("work/generator/x")),
    ],
    "I10": [
        ("unread", _an_unread_record),
        ("passed and not applied", _passed_but_not_applied),
        ("dead-lettered", lambda h: h.records.append(Record("review.dlq", 0, 0, ASSET, "e3", PROJECT, "{}"))),
    ],
}  # fmt: skip


def test_a_good_history_violates_nothing(tmp_path: Path) -> None:
    assert check(story()) == []
    story().save(tmp_path / "history.json.gz")
    assert History.load(tmp_path / "history.json.gz") == story()


@pytest.mark.parametrize(
    ("invariant", "name"), [(invariant, name) for invariant, ways in SPOILED.items() for name, _ in ways]
)
def test_each_violation_is_noticed(invariant: str, name: str) -> None:
    history = story()
    dict(SPOILED[invariant])[name](history)
    assert invariant in {violation.invariant for violation in check(history)}, name


def test_every_invariant_can_be_violated() -> None:
    assert set(SPOILED) == set(INVARIANTS) == {f"I{n}" for n in range(1, 11)}


def test_after_a_reset_a_stream_begins_anew() -> None:
    """What a reset announces as lost is no gap."""
    history = story()
    history.frames[1:1] = [
        Frame("ana", PROJECT, None, "reset", {"reason": "too_old"}),
        Frame("ana", PROJECT, "x:5", "snapshot", {"project_id": PROJECT}),
    ]
    del history.frames[3]
    assert check(history) == []


def test_a_record_published_twice_by_a_killed_relay_is_no_violation() -> None:
    history = story()
    history.records.append(replace(history.records[0], offset=1))
    history.offsets[0] = replace(history.offsets[0], committed=2, end=2)
    assert check(history) == []


def test_films_of_one_episode_do_not_wait_for_each_other() -> None:
    history = story()
    _films_out_of_order(history, "film-2")
    assert check(history) == []


def test_a_run_that_was_held_and_dropped_never_came_to_the_generator() -> None:
    history = story()
    add(history, "gateway", "runs", run_id="run-2", number=2, made="cancelled", status="cancelled")
    assert check(history) == []


def test_a_rollback_has_a_verdict_that_nobody_submitted() -> None:
    history = story()
    add(history, "gateway", "reviews", review_id="made-up", run_id="run-2")
    add(history, "review", "decisions", run_id="run-2", decision_id=None)
    assert check(history) == []


def test_a_deleted_asset_may_be_forgotten() -> None:
    history = story()
    row(history, "gateway", "assets").update(deleted_at="now", committed_version_id=None)
    row(history, "gateway", "versions").update(version_id="version-9")
    history.services["compiler"]["committed"] = []  # type: ignore[index]
    assert check(history) == []
