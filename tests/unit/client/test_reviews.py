"""`retake review`: which version is accepted, and decisions about many previews."""

from __future__ import annotations

import json

import httpx
import pytest

from client.cli.exit_codes import Code, UsageError, code_of
from client.cli.notes import parse_box
from client.cli.preview import select_variant
from client.cli.reviews import SomeUndecided, _with_notes, decide_all
from client.cli.session import Session
from client.errors import Unreachable
from client.film_workflow import Accept, Reject, submit
from client.models import Run
from tests.unit.client.fake import Gateway, ok, refusal


def run(name: str = "r1", variants: int = 1, episode: str = "e1") -> Run:
    versions = [{"id": f"{name}-v{n}", "number": n + 3} for n in range(1, variants + 1)]
    body = {"id": name, "kind": "video", "status": "preview_ready", "segment_number": 1, "versions": versions}
    return Run.model_validate(body | {"episode_id": episode})


def test_one_of_several_variants_is_accepted_by_its_number_and_none_without_one() -> None:
    three = run(variants=3)
    with pytest.raises(UsageError, match=r"has 3 variants: 1 \(version 4\), 2 \(version 5\), 3 \(version 6\)") as error:
        select_variant(three, None)
    assert "--accept --variant 1" in error.value.recovery
    assert select_variant(three, 2) == "r1-v2"
    assert select_variant(three, None, "r1-v3") == "r1-v3"
    with pytest.raises(UsageError, match="There is no variant 4: run r1 has 3"):
        select_variant(three, 4)
    assert select_variant(run(), 1) == "r1-v1"


async def test_the_first_of_several_variants_is_never_accepted_silently() -> None:
    gateway = Gateway(then=lambda _request: ok({"id": "w1", "verdict": "accepted"}))
    async with gateway.client() as client:
        await submit(client, run(), Accept())
        await submit(client, run(variants=3), Accept())
        await submit(client, run(variants=3), Reject("No."))
    assert [body.get("version_id") for body in gateway.bodies] == ["r1-v1", None, None]


def outcomes(request: httpx.Request) -> httpx.Response:
    """Every run is accepted but r2, which was decided before."""
    results = []
    for target in json.loads(request.content)["targets"]:
        problem = {"type": "/problems/already-decided", "detail": "It was decided.", "outcome": "rejected"}
        review = {"id": "w", "run_id": target["run_id"], "verdict": "accepted"}
        refused = target["run_id"] == "r2"
        results.append(
            {"status": 409, "problem": problem, "review": None}
            if refused
            else {"status": 200, "problem": None, "review": review}
        )
    return ok({"action": "approve", "results": results})


async def test_all_are_decided_each_on_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Gateway(then=outcomes)
    waiting = [run("r1"), run("r2"), run("r3", variants=2), run("r4"), run("r5", episode="e2")]
    async with gateway.client() as client:
        with pytest.raises(SomeUndecided) as failure:
            await decide_all(Session(), client, waiting, Accept(rating=4))
    assert code_of(failure.value) is Code.FAILED
    assert failure.value.message == "2 of 5 previews were not decided."
    told = json.loads(json.dumps(failure.value.as_json()))
    assert [r["run_id"] for r in told["reviews"]] == ["r1", "r4", "r5"]
    assert [(f["run_id"], f.get("outcome")) for f in told["failed"]] == [("r3", None), ("r2", "rejected")]
    assert [r.url.path for r in gateway.requests] == ["/api/v1/episodes/e1/bulk", "/api/v1/episodes/e2/bulk"]
    assert gateway.bodies[0] == {
        "action": "approve",
        "rating": 4,
        "targets": [{"run_id": name, "version_id": f"{name}-v1"} for name in ("r1", "r2", "r4")],
    }
    output = capsys.readouterr()
    assert output.out.count("accepted") == 3
    assert "has 2 variants" in output.err


async def test_more_than_a_request_takes_are_decided_in_several() -> None:
    gateway = Gateway(then=outcomes)
    async with gateway.client() as client:
        await decide_all(Session(), client, [run(f"n{n}") for n in range(250)], Reject("No."))
    assert [len(body["targets"]) for body in gateway.bodies] == [100, 100, 50]


async def test_a_request_that_is_refused_as_a_whole_decides_none(capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Gateway(then=lambda _request: refusal(403, "forbidden", required_role="editor"))
    async with gateway.client() as client:
        with pytest.raises(SomeUndecided, match="2 of 2"):
            await decide_all(Session(), client, [run("r1"), run("r2")], Reject("No.", {"seed": 7}))
    assert capsys.readouterr().err.count("it is forbidden") == 2


async def test_when_the_gateway_is_gone_the_others_are_not_tried() -> None:
    gateway = Gateway(then=lambda _request: httpx.ConnectError("gone"))
    async with gateway.client() as client:
        with pytest.raises(Unreachable):
            await decide_all(Session(), client, [run("r1"), run("r2", episode="e2")], Reject("No."))
    assert {r.url.path.split("/")[-2] for r in gateway.requests} == {"e1"}


async def test_open_notes_become_the_changes_of_a_rejection() -> None:
    notes = [
        {"id": "n1", "at": 1, "text": "Too slow", "change": "At 1.0 s: Too slow", "resolved": False},
        {"id": "n2", "at": 2, "text": "Done", "change": "At 2.0 s: Done", "resolved": True},
    ]
    gateway = Gateway(ok({"data": notes, "next_cursor": None}), then=lambda _request: ok({"id": "w1"}))
    async with gateway.client() as client:
        decision = await _with_notes(client, run(), Reject("No.", {"prompt_modifications": "Closer"}), None)
        await submit(client, run(), decision)
    assert gateway.requests[0].url.path == "/api/v1/versions/r1-v1/notes"
    assert gateway.bodies[-1]["suggested_changes"] == {"prompt_modifications": "Closer\nAt 1.0 s: Too slow"}
    assert (gateway.bodies[-1]["note_ids"], gateway.bodies[-1]["regenerate"]) == (["n1"], True)

    nothing = Gateway(ok({"data": notes[1:], "next_cursor": None}))
    async with nothing.client() as client:
        with pytest.raises(UsageError, match="no open notes"):
            await _with_notes(client, run(), Reject(), None)


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "0.1;0.2;0.3;0.4"])
def test_a_box_is_four_numbers(text: str) -> None:
    assert parse_box("0.1, 0.6,0.2,0.3") == {"x": 0.1, "y": 0.6, "width": 0.2, "height": 0.3}
    with pytest.raises(UsageError, match="does not name a rectangle"):
        parse_box(text)
