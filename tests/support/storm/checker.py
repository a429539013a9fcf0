"""Proves I1 to I10 from a history. Each check is a pure function that yields the violations it finds."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

from shared.contracts.topics import TOPICS, Service
from tests.support.storm.history import Frame, History, Record, Row

SERVICES: Final = tuple(s.value for s in Service)
CHARGED: Final = ("succeeded",)
PREDICTION_ENDED: Final = ("succeeded", "failed", "canceled", "aborted")
RUN_ENDED: Final = ("complete", "rejected", "expired", "failed", "cancelled")
BATCH_ENDED: Final = ("completed", "failed", "cancelled")
FILM_ENDED: Final = ("completed", "failed", "cancelled")
IN_FILMS: Final = ("video", "narration", "music")
REQUESTED: Final = "regenerate-requested"
UNNUMBERED: Final = ("heartbeat", "reset")
SHOWN: Final = 12  # violations of one invariant that a table prints


@dataclass(frozen=True)
class Violation:
    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


Check: TypeAlias = Callable[[History], Iterator[str]]


def check(history: History) -> list[Violation]:
    """Every violation of every invariant."""
    return [Violation(name, what) for name, (_, find) in INVARIANTS.items() for what in find(history)]


def pointers(history: History) -> Iterator[str]:
    """I1: each commit is that of an accepted version, one after the other, and everybody has the last one."""
    accepted = {
        (d["run_id"], d["version_id"]) for d in history.rows("review", "decisions") if d["verdict"] == "accepted"
    }
    commits: dict[str, list[Row]] = defaultdict(list)
    for event in _events(history, "complete"):
        commits[event["asset_id"]].append(event)
        if (event["run_id"], event["version"]["version_id"]) not in accepted:
            yield f"run {event['run_id']} committed version {event['version']['version_id']}, which nobody accepted"
    in_films = {row["asset_id"] for row in history.rows("gateway", "assets") if row["kind"] in IN_FILMS}
    last: dict[str, str] = {}
    for asset_id, made in commits.items():
        made.sort(key=lambda event: int(event["commit_seq"]))
        if [event["commit_seq"] for event in made] != list(range(1, len(made) + 1)):
            yield f"asset {asset_id} has the commits {[event['commit_seq'] for event in made]}"
        for before, after in pairwise(made):
            if after["previous_version_id"] != before["version"]["version_id"]:
                yield f"asset {asset_id}: commit {after['commit_seq']} does not follow the one before it"
        last[asset_id] = made[-1]["version"]["version_id"]
    for service, table, version in (
        ("generator", "assets", lambda row: row["committed_version_id"]),
        ("gateway", "assets", lambda row: row["committed_version_id"]),
        ("compiler", "committed", lambda row: row["media"]["version_id"]),
    ):
        shown = {row["asset_id"]: version(row) for row in history.rows(service, table)}
        for asset_id in {*shown, *(asset_id for asset_id in last if service != "compiler" or asset_id in in_films)}:
            if shown.get(asset_id) != last.get(asset_id) and not _deleted(history, asset_id):
                yield f"{service} has version {shown.get(asset_id)} of asset {asset_id}, not {last.get(asset_id)}"


def money(history: History) -> Iterator[str]:
    """I2: each candidate is paid once, each prediction belongs to a call, and none runs on."""
    calls = history.rows("generator", "provider_calls")
    owner: dict[str, Row] = {}
    for call in calls:
        if call["state"] in ("intended", "submitted"):
            yield f"call {call['call_id']} of run {call['run_id']} is still {call['state']}"
        if prediction := (call["handle"] or {}).get("id"):
            if prediction in owner:
                yield f"calls {owner[prediction]['call_id']} and {call['call_id']} adopted prediction {prediction}"
            owner[prediction] = call
    paid: Counter[tuple[str, int]] = Counter()
    for prediction in history.ledger:
        if prediction.status not in PREDICTION_ENDED:
            yield f"prediction {prediction.id} is still {prediction.status} at the provider"
        if prediction.status in CHARGED:
            paying = owner.get(prediction.id)
            if paying is None:
                yield f"prediction {prediction.id} was paid and belongs to no call: {prediction.prompt[:60]!r}"
            else:
                paid[paying["run_id"], paying["position"]] += 1
    for (run_id, position), times in paid.items():
        if times > 1:
            yield f"candidate {position} of run {run_id} was paid {times} times"
    spent: defaultdict[str, float] = defaultdict(float)
    for call in calls:
        spent[call["run_id"]] += float(call["amount"] or 0)
    for run in history.rows("generator", "runs"):
        if abs(float(run["spent"]) - spent[run["run_id"]]) > 1e-9:
            yield f"run {run['run_id']} tells {run['spent']} as its cost; its calls cost {spent[run['run_id']]}"


def ends(history: History) -> Iterator[str]:
    """I3: everything has ended, everywhere in the same way, and holds nothing."""
    made = {run["run_id"]: run for run in history.rows("generator", "runs")}
    sent = {json.loads(row["body"])["run_id"] for row in history.rows("gateway", "outbox") if row["topic"] == REQUESTED}
    for run in history.rows("gateway", "runs"):
        if run["status"] not in RUN_ENDED:
            yield f"run {run['run_id']} is still {run['status']} ({run['made']}, {run['verdict']}) in the gateway"
        elif run["run_id"] not in made and (run["run_id"] in sent or run["status"] != "cancelled"):
            yield f"run {run['run_id']} is {run['status']} in the gateway and unknown to the generator"
    shown = {run["run_id"]: run["status"] for run in history.rows("gateway", "runs")}
    for run in made.values():
        if run["state"] not in RUN_ENDED:
            yield f"run {run['run_id']} is still {run['state']} in the generator"
        elif shown.get(run["run_id"]) in RUN_ENDED and shown[run["run_id"]] != run["state"]:
            yield f"run {run['run_id']} is {run['state']} in the generator, {shown[run['run_id']]} in the gateway"
    for asset in history.rows("gateway", "assets"):
        if asset["active_run_id"] and not asset["deleted_at"]:
            yield f"asset {asset['asset_id']} is locked by run {asset['active_run_id']}"
    for batch in history.rows("gateway", "batches"):
        if batch["status"] not in BATCH_ENDED:
            yield f"batch {batch['batch_id']} is still {batch['status']}"
    for service in ("gateway", "compiler"):
        for film in history.rows(service, "compilations"):
            if film["state"] not in FILM_ENDED:
                yield f"compilation {film['compilation_id']} is still {film['state']} in the {service}"
    for review in history.rows("review", "reviews"):
        if review["state"] == "open":
            yield f"the review of run {review['run_id']} is still open"
    for service in SERVICES:
        for parked in history.rows(service, "parked"):
            yield f"{service} has parked {parked['topic']} for {parked['subject_id']}, which never came"


def publishing(history: History) -> Iterator[str]:
    """I4: every event in an outbox is in its topic, unchanged, and in order per asset, compilation or episode."""
    there: dict[str, Record] = {}
    order: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in sorted(history.records, key=lambda r: (r.topic, r.partition, r.offset)):
        if record.topic not in TOPICS:
            continue
        first = there.setdefault(record.event_id, record)
        if first is record:
            order[record.topic, _aggregate(record.key, record.body)].append(record.event_id)
        elif first.body != record.body:
            yield f"event {record.event_id} of {record.topic} was published with two bodies"
    for service in SERVICES:
        rows = sorted(history.rows(service, "outbox"), key=lambda row: int(row["id"]))
        expected: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in rows:
            if row["published_at"] is None:
                why = f": {row['refusal']}" if row["refused_at"] else ""
                yield f"{service} has not published {row['topic']} {row['event_id']}{why}"
            elif row["event_id"] in there:
                expected[row["topic"], _aggregate(row["key"], row["body"])].append(row["event_id"])
                if row["body"] != there[row["event_id"]].body:
                    yield f"{service} published another body of {row['topic']} {row['event_id']} than it wrote"
            elif TOPICS[row["topic"]].replayed:
                yield f"{row['topic']} {row['event_id']} of {service} is in no topic"
        for place, ids in expected.items():
            known = set(ids)
            if [event_id for event_id in order[place] if event_id in known] != ids:
                yield f"the events of {place[1]} on {place[0]} are not in the order of {service}'s outbox"


def _aggregate(key: str, body: str | None) -> str:
    """What an event is about. Two compilations of an episode know nothing of each other, and neither waits."""
    return str((json.loads(body) if body else {}).get("compilation_id") or key)


def effects(history: History) -> Iterator[str]:
    """I5: one verdict and one end per run, one answer per decision and key; what was acknowledged is there, once."""
    verdicts = Counter(e["run_id"] for topic in ("accepted", "rejected") for e in _events(history, topic))
    yield from (f"run {run_id} has {n} verdicts" for run_id, n in verdicts.items() if n > 1)
    # The cost of a late call is told by one more `failed`.
    ended: dict[str, Counter[str]] = {"complete": Counter(), "failed": Counter()}
    for topic, count in ended.items():
        count.update(e["run_id"] for e in _events(history, topic) if e["run_id"])
    for run_id in ended["complete"] & ended["failed"]:
        yield f"run {run_id} both completed and failed"
    yield from (f"run {run_id} completed {n} times" for run_id, n in ended["complete"].items() if n > 1)
    answered = Counter(
        e["decision_id"]
        for topic in ("accepted", "rejected", "review-updated")
        for e in _events(history, topic)
        if e.get("decision_id")
    )
    yield from (f"decision {decision} has {n} answers" for decision, n in answered.items() if n > 1)
    # Of a run that approves itself, a rollback above all, nobody submits a decision: the run names its verdict.
    decided = {d["decision_id"] or d["run_id"]: d["verdict"] for d in history.rows("review", "decisions")}
    for review in history.rows("gateway", "reviews"):
        told = decided.get(review["review_id"], decided.get(review["run_id"]))
        if review["user_id"] is not None and told != review["verdict"]:
            yield f"decision {review['review_id']} is {review['verdict']} in the gateway, {told} in review"
    yield from _acknowledged(history)
    versions = {row["version_id"] for row in history.rows("gateway", "versions")}
    for event in _events(history, "preview-ready"):
        for candidate in event["candidates"]:
            if candidate["version_id"] not in versions and not _deleted(history, event["asset_id"]):
                yield f"version {candidate['version_id']} of run {event['run_id']} is unknown to the gateway"


def _acknowledged(history: History) -> Iterator[str]:
    by_key: dict[tuple[str, str], set[str]] = defaultdict(set)
    there: dict[str, set[str]] = {}
    for answer in history.answers:
        if not (200 <= answer.status < 300 and answer.table):
            continue
        by_key[answer.client, answer.key].add(answer.made)
        if answer.table not in there:
            identity = ID_OF[answer.table]
            there[answer.table] = {row[identity] for row in history.rows("gateway", answer.table)}
        if answer.made not in there[answer.table]:
            yield f"{answer.method} {answer.path} made {answer.made}, which is not in {answer.table}"
    for (client, key), made in by_key.items():
        if len(made) > 1:
            yield f"the key {key} of {client} had {len(made)} effects"
    numbers: dict[str, list[int]] = defaultdict(list)
    for run in history.rows("gateway", "runs"):
        numbers[run["asset_id"]].append(int(run["number"]))
    for asset_id, given in numbers.items():
        if sorted(given) != list(range(1, len(given) + 1)):
            yield f"the runs of asset {asset_id} are numbered {sorted(given)}"


def streams(history: History) -> Iterator[str]:
    """I6: between its snapshot, or a reset, and its end, a stream got every event of its project, once and in order."""
    log: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in sorted(history.rows("gateway", "event_log"), key=lambda row: int(row["seq"])):
        log[row["project_id"]].append((int(row["seq"]), row["data"]))
    by_stream: dict[str, list[Frame]] = defaultdict(list)
    for frame in history.frames:
        by_stream[frame.stream].append(frame)
    for stream, frames in by_stream.items():
        yield from _one_stream(stream, frames, log[frames[0].project_id])


def _one_stream(stream: str, frames: Iterable[Frame], log: list[tuple[int, str]]) -> Iterator[str]:
    data = dict(log)
    place: int | None = None
    seen: set[int] = set()
    since = 0
    for frame in frames:
        if frame.name == "reset":
            yield from _missed(stream, log, since, place, seen)
            place = None
        if frame.name in UNNUMBERED:
            continue
        seq = _seq(frame)
        if frame.name == "snapshot":
            if place is not None:
                yield f"{stream} got a second snapshot at {seq} without a reset"
            place, since, seen = seq, seq, set()
        elif place is None:
            yield f"{stream} got {frame.name} at {seq} before a snapshot"
        elif seq <= place:
            yield f"{stream} got {frame.name} at {seq} after {place}"
        else:
            place = seq
            seen.add(seq)
            if seq in data and json.loads(data[seq]) != frame.data:
                yield f"{stream} got another {frame.name} at {seq} than the log has"
    if place is None:
        yield f"{stream} has no snapshot"
    yield from _missed(stream, log, since, log[-1][0] if log else 0, seen)


def _missed(stream: str, log: list[tuple[int, str]], since: int, until: int | None, seen: set[int]) -> Iterator[str]:
    missed = [seq for seq, _ in log if since < seq <= (until or 0) and seq not in seen]
    if missed:
        yield f"{stream} missed {len(missed)} events, first {missed[0]}, last {missed[-1]}"


def films(history: History) -> Iterator[str]:
    """I7: a film has exactly the pictures of the versions that its request pins, and decodes without a remark."""
    decoded = {film.compilation_id: film for film in history.films}
    for row in history.rows("gateway", "compilations"):
        film = decoded.get(row["compilation_id"])
        if row["state"] == "completed" and film is None:
            yield f"film {row['compilation_id']} was not decoded"
    for film in decoded.values():
        if film.problem:
            yield f"film {film.compilation_id} does not decode: {film.problem}"
        elif film.frames != film.expected:
            yield f"film {film.compilation_id} has {film.frames} pictures instead of {film.expected}"


def tenants(history: History) -> Iterator[str]:
    """I8: nobody sees, in answers, streams or events, what belongs to others."""
    for answer in history.answers:
        if answer.foreign and answer.status != 404:
            yield f"{answer.client} got {answer.status} for {answer.method} {answer.path}, which is another's"
    for frame in history.frames:
        told = frame.data.get("project_id") if isinstance(frame.data, Mapping) else None
        if told is not None and told != frame.project_id:
            yield f"the stream {frame.stream} of project {frame.project_id} told of project {told}"
    project_of = {row["asset_id"]: row["project_id"] for row in history.rows("gateway", "assets")}
    project_of |= {row["episode_id"]: row["project_id"] for row in history.rows("gateway", "episodes")}
    for record in history.records:
        if record.topic in TOPICS and project_of.get(record.key, record.project_id) != record.project_id:
            yield f"{record.topic} {record.event_id} tells of {record.key} under project {record.project_id}"


def references(history: History) -> Iterator[str]:
    """I9: every reference leads to its object, whole; nothing temporary is left."""
    there = {(o.bucket, o.key): o for o in history.objects}
    for holder, reference in _references(history):
        found = there.get((reference["bucket"], reference["key"]))
        name = f"{reference['bucket']}/{reference['key']} of {holder}"
        if found is None:
            yield f"{name} does not exist"
        elif (found.size, found.sha256) != (reference["size"], reference["sha256"]):
            yield f"{name} has {found.size} bytes ({found.sha256[:8]}), not {reference['size']}"
    yield from (f"{path} is left over" for path in history.leftovers)


def _references(history: History) -> Iterator[tuple[str, Row]]:
    for version in history.rows("generator", "versions"):
        if not version["purged_at"]:
            yield from ((f"version {version['version_id']}", ref) for ref in _objects_in(version["facts"]))
    for version in history.rows("gateway", "versions"):
        if not version["retired_at"]:
            held = [version[name] for name in ("object", "poster", "filmstrip", "proxy")]
            yield from ((f"version {version['version_id']}", ref) for ref in _objects_in(held))
    for upload in history.rows("gateway", "uploads"):
        if not upload["deleted_at"]:
            yield from ((f"upload {upload['upload_id']}", ref) for ref in _objects_in(upload["object"]))
    for piece in history.rows("compiler", "pieces"):
        if piece["made_at"] and not piece["deleting"]:
            yield from ((f"piece {piece['key']}", ref) for ref in _objects_in(piece["object"]))
    for film in history.rows("compiler", "compilations"):
        if film["state"] == "completed":
            own = [r for r in _objects_in(film["result"]) if r["bucket"] == "compiler"]
            yield from ((f"film {film['compilation_id']}", ref) for ref in own)


def _objects_in(value: Any) -> Iterator[Row]:
    if isinstance(value, Mapping):
        if {"bucket", "key", "sha256", "size"} <= set(value):
            yield value
        else:
            for part in value.values():
                yield from _objects_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects_in(part)


def offsets(history: History) -> Iterator[str]:
    """I10: a group has read every record, and each one below its offset is in its inbox or dead-lettered."""
    letters = [r for r in history.records if r.topic not in TOPICS]
    yield from (f"{letter.topic} has event {letter.event_id}" for letter in letters)
    committed: dict[tuple[str, int, str], int] = {}
    for offset in history.offsets:
        committed[offset.topic, offset.partition, offset.group] = offset.committed
        if offset.committed != offset.end:
            place = f"{offset.topic}/{offset.partition}"
            yield f"{offset.group} is at {offset.committed} of {offset.end} in {place}"
    inboxes = {s: {row["event_id"] for row in history.rows(s, "inbox")} for s in SERVICES}
    dead = {letter.event_id for letter in letters}
    for record in history.records:
        topic = TOPICS.get(record.topic)
        for consumer in topic.consumers if topic and record.body is not None else ():
            reached = committed.get((record.topic, record.partition, consumer.value), 0)
            if record.offset < reached and record.event_id not in inboxes[consumer.value] | dead:
                yield f"{consumer.value} passed {record.topic} {record.event_id} and has not applied it"


def _events(history: History, topic: str) -> Iterator[Any]:
    """The bodies of a topic's events, each once."""
    known: set[str] = set()
    for record in history.records:
        if record.topic == topic and record.body is not None and record.event_id not in known:
            known.add(record.event_id)
            yield json.loads(record.body)


def _deleted(history: History, asset_id: str) -> bool:
    return any(row["asset_id"] == asset_id and row["deleted_at"] for row in history.rows("gateway", "assets"))


def _seq(frame: Frame) -> int:
    return int((frame.event_id or ":-1").rpartition(":")[2])


ID_OF: Final = {
    "projects": "project_id",
    "episodes": "episode_id",
    "segments": "segment_id",
    "runs": "run_id",
    "reviews": "review_id",
    "batches": "batch_id",
    "compilations": "compilation_id",
    "uploads": "upload_id",
}

INVARIANTS: Final[dict[str, tuple[str, Check]]] = {
    "I1": ("the pointer moves only by accepted versions, in order", pointers),
    "I2": ("each candidate is paid once, no call is an orphan", money),
    "I3": ("everything ends, everywhere alike, and no lock is held", ends),
    "I4": ("what is committed is published, in order", publishing),
    "I5": ("an event and a command have their effect once", effects),
    "I6": ("a stream has no gap", streams),
    "I7": ("a film has the pinned pictures and decodes", films),
    "I8": ("nothing crosses tenants", tenants),
    "I9": ("no reference dangles, no file is left over", references),
    "I10": ("offsets pass only what was applied", offsets),
}
