"""Random sequences of calls and events through `client.editing`, as JSON that the studio's editor is held against.

python -m tests.support.editing_vectors 100 > studio/test/editing.vectors.json
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from client import editing
from client.editing import Committed, Editor, Phase, Values
from client.models import events as e
from client.models.events import parse_event

T0: Final = datetime(2026, 1, 1, tzinfo=UTC)
STEPS: Final = (4, 16)
_VALUES: Final = (
    Values("pan left", "animatic/camera", {}),
    Values("更强调角色的眼镜特征", "animatic/camera", {"duration": 5.0}),
    Values("pan left", None, {"duration": 5.0, "resolution": "720p"}),
    Values("", None, {"seed": 7}),
)
_VERSIONS: Final = ("v1", "v2", "v3")
_RUNS: Final = ("r1", "r2")


def vectors(count: int, seed: int = 7) -> list[dict[str, Any]]:
    """`count` sequences: each with its first state, its steps and the state and effects after each."""
    return [_sequence(random.Random(f"{seed}:{n}")) for n in range(count)]


def _sequence(random: random.Random) -> dict[str, Any]:
    editor = _editor(random)
    found: dict[str, Any] = {"first": _state(editor), "steps": []}
    for _ in range(random.randint(*STEPS)):
        call, step = _step(random, editor)
        editor, effects = step if isinstance(step, tuple) else (step, ())
        found["steps"].append({**call, "effects": [_effect(x) for x in effects], "state": _state(editor)})
    return found


def _editor(random: random.Random) -> Editor:
    values = random.choice(_VALUES)
    committed = Committed("v0", "/v0?v=0", values, _moment(random)) if random.random() < 0.8 else Committed()
    return Editor("a1", committed, values, values)


def _step(random: random.Random, editor: Editor) -> tuple[dict[str, Any], Any]:
    values, version = random.choice(_VALUES), random.choice((*_VERSIONS, None))
    run, at = random.choice(_RUNS), _moment(random)
    match random.randrange(16):
        case 0:
            return {"call": "edit", "values": _values(values)}, editing.edit(editor, values)
        case 1:
            return {"call": "saved", "values": _values(values)}, editing.saved(editor, values)
        case 2:
            return {"call": "leave"}, editing.leave(editor)
        case 3:
            return {"call": "reset"}, editing.reset(editor)
        case 4:
            return {"call": "start"}, editing.start(editor)
        case 5:
            return {"call": "started", "run": run, "at": _time(at)}, editing.started(editor, run, at)
        case 6:
            return {"call": "notStarted"}, editing.not_started(editor, "It is busy.")
        case 7:
            return {"call": "openReview"}, editing.open_review(editor)
        case 8:
            return {"call": "accept", "version": version}, editing.accept(editor, version)
        case 9:
            return {"call": "reject", "version": version}, editing.reject(editor, version)
        case 10:
            return {"call": "notDecided"}, editing.not_decided(editor, "It is too late.")
        case 11:
            fresh = Committed(random.choice(_VERSIONS), "/v?v=2", values, at)
            draft = random.choice(_VALUES)
            call = {"call": "refreshed", "committed": _committed(fresh), "draft": _values(draft)}
            return call, editing.refreshed(editor, fresh, draft)
        case 12:
            fresh_editor = _fresh(random, at)
            return {"call": "caughtUp", "fresh": _state(fresh_editor)}, editing.caught_up(editor, fresh_editor)
        case _:
            data = _event(random, run, at)
            name = data.pop("name")
            event = parse_event(name, None, data)
            assert isinstance(event, e.RunEvent)
            return {"call": "apply", "event": {"name": name, **data}}, editing.apply(editor, event)


def _fresh(random: random.Random, at: datetime) -> Editor:
    values = random.choice(_VALUES)
    phase = random.choice(list(Phase))
    previews = (editing.Preview("v1", values),) if phase is Phase.REVIEW else ()
    run = random.choice(_RUNS) if phase is not Phase.IDLE else None
    committed = Committed("v1", "/v1?v=1", values, _moment(random))
    return Editor("a1", committed, values, values, phase, run, 40.0, previews, seen=(at, 2))


def _event(random: random.Random, run: str, at: datetime) -> dict[str, Any]:
    data: dict[str, Any] = {"asset_id": random.choice(("a1", "a1", "a1", "a2")), "run_id": run, "updated_at": _time(at)}
    names = ("regenerate-requested", "progress", "preview-ready", "preview-ready", "accepted", "rejected", "complete",
             "failed", "review-updated")  # fmt: skip
    name = random.choice(names)
    match name:
        case "progress":
            data["percent"] = random.choice((0, 12.5, 99, None))
        case "preview-ready":
            chosen = random.sample(_VERSIONS, random.randint(1, 2))
            data["versions"] = [_version(v, random.choice(_VALUES)) for v in chosen]
        case "accepted":
            data["version_id"] = random.choice(_VERSIONS)
        case "rejected":
            data["next_run_id"] = random.choice((None, "r2"))
        case "review-updated":
            data |= {"change": random.choice(("opened", "expired", "withdrawn", "refused")), "reason": "expired"}
        case "failed":
            data |= {"status": random.choice(("failed", "cancelled")), "message": random.choice((None, "It failed."))}
            data["error"] = random.choice((None, {"code": "provider_error", "cause": "The provider is away."}))
    return {"name": name, **data}


def _version(version_id: str, values: Values) -> dict[str, Any]:
    facts = {k: values.parameters.get(k) for k in ("duration", "resolution", "aspect_ratio")}
    return {"version_id": version_id, "directions": values.directions or None, "model": values.model, **facts}


def _moment(random: random.Random) -> datetime:
    """Few moments, so that events meet; some within one millisecond, which a client must tell apart."""
    return T0 + timedelta(seconds=random.randrange(4), microseconds=random.choice((0, 0, 1, 100, 500_000)))


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _values(values: Values) -> dict[str, Any]:
    return asdict(values)


def _committed(c: Committed) -> dict[str, Any]:
    return {"versionId": c.version_id, "url": c.url, "values": _values(c.values), "at": _time(c.at)}


def _state(editor: Editor) -> dict[str, Any]:
    undo = editor.undo
    return {
        "assetId": editor.asset_id,
        "committed": _committed(editor.committed),
        "draft": _values(editor.draft),
        "baseline": _values(editor.baseline),
        "phase": editor.phase.value,
        "runId": editor.run_id,
        "percent": editor.percent,
        "previews": [{"versionId": p.version_id, "values": _values(p.values)} for p in editor.previews],
        "isReviewOpen": editor.is_review_open,
        "isDecisionPending": editor.is_decision_pending,
        "isStarting": editor.is_starting,
        "error": editor.error,
        "seen": [_time(editor.seen[0]), editor.seen[1]] if editor.seen else None,
        "undo": None
        if undo is None
        else {
            "committed": _committed(undo.committed),
            "baseline": _values(undo.baseline),
            "draft": _values(undo.draft),
            "put": _values(undo.applied),
        },
    }


def _effect(effect: editing.Effect) -> dict[str, Any]:
    match effect:
        case editing.Start():
            return {"type": "start", "values": _values(effect.values)}
        case editing.Decide():
            decision = {"runId": effect.run_id, "versionId": effect.version_id, "action": effect.action}
            return {"type": "decide", **decision}
        case editing.Refresh():
            return {"type": "refresh"}


if __name__ == "__main__":
    json.dump(vectors(int(sys.argv[1])), sys.stdout, ensure_ascii=False, separators=(",", ":"))
    print()
