"""The clients of a storm: teams that work on projects of their own, each client with its own dice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.support.http_client import photograph
from tests.support.storm.caller import Caller, GaveUp
from tests.support.waiting import eventually

TEAM: Final = 4
PREPARED_S: Final = 180.0
SEGMENTS: Final = 3
MOST_SEGMENTS: Final = 5
THINK_S: Final = (0.1, 1.5)
OUTPUT: Final = {"width": 320, "height": 180, "fps": 12, "fit": "blur"}
SETTINGS: Final = {"video": {"image_model": "bytedance/seedream-4"}, "image": {"model": "bytedance/seedream-4"}}


@dataclass
class Team:
    """The members of a project, and what they work on. `others`: a project that is not theirs."""

    members: list[Caller]
    project_id: str = ""
    episode_id: str = ""
    others: Team | None = field(default=None, repr=False)


def teams(
    count: int, token: Callable[[str], str], gateways: Sequence[str], http: httpx.AsyncClient, seed: int
) -> list[Team]:
    callers = [
        Caller(f"client{n}", token(f"client{n}"), gateways, http, random.Random(f"{seed} {n}")) for n in range(count)
    ]
    made = [Team(callers[n : n + TEAM]) for n in range(0, count, TEAM)]
    for team, following in zip(made, made[1:] + made[:1], strict=True):
        team.others = following if following is not team else None
    return made


async def settle_in(team: Team, *, prepared: bool) -> None:
    """A project with an episode that is being generated (`prepared`: that is generated); its first member invites the
    others."""
    owner = team.members[0]
    for member in team.members:
        await member.get("/me")
    project = await owner.post("/projects", {"name": "Storm", "settings": SETTINGS}, makes="projects")
    team.project_id = project["id"]
    for member in team.members[1:]:
        path = f"/projects/{team.project_id}/members/{member.name}"
        await owner.command("PUT", path, {"role": "editor"})
    document = {
        "title": "Storm",
        "output": OUTPUT,
        "segments": [_segment(owner.dice) for _ in range(SEGMENTS)],
    }
    episode = await owner.post(f"/projects/{team.project_id}/episodes", document, makes="episodes")
    team.episode_id = episode["id"]
    body = {"mode": "parallel", "batch_size": SEGMENTS, "auto_approve": True}
    batch = await owner.post(f"/episodes/{team.episode_id}/batches", body, makes="batches")
    if prepared:
        await eventually(lambda: _has_ended(owner, batch["id"]), within=PREPARED_S, every=1.0, what="the first batch")


async def _has_ended(caller: Caller, batch_id: str) -> bool:
    batch = await caller.get(f"/batches/{batch_id}")
    return batch is not None and batch["status"] in ("completed", "failed")


def _segment(dice: random.Random) -> dict[str, Any]:
    return {"scene_info": {"description": f"A harbour, pan left ({dice.getrandbits(32):08x})"}, "duration": 1}


async def work(team: Team, caller: Caller, until: Callable[[], bool]) -> None:
    """One thing after the other, as chance has it."""
    acts = [act for act, weight in ACTS.items() for _ in range(weight)]
    while not until():
        try:
            await caller.dice.choice(acts)(team, caller)
        except GaveUp as e:
            caller.unexpected.append(str(e))
        await asyncio.sleep(caller.dice.uniform(*THINK_S))


async def _generate(team: Team, caller: Caller) -> None:
    asset = await _asset(team, caller, ("starting_image", "video", "video"))
    if asset:
        body: dict[str, Any] = {"directions": f"Fog over the harbour, zoom in ({caller.dice.getrandbits(32):08x})"}
        if asset["kind"] != "video":
            body |= {"settings": {"size": "1K"}, "variants": caller.dice.choice((1, 1, 2))}
        await caller.post(f"/assets/{asset['id']}/runs", body, makes="runs")


async def _upload(team: Team, caller: Caller) -> None:
    asset = await _asset(team, caller, ("starting_image",))
    if asset:
        picture = photograph(320, 180, hue=caller.dice.randrange(256))
        upload = await caller.command("POST", f"/projects/{team.project_id}/uploads", picture, makes="uploads")
        if upload:
            await caller.post(f"/assets/{asset['id']}/versions", {"upload_id": upload["id"]}, makes="runs")


async def _decide(team: Team, caller: Caller) -> None:
    found = await caller.get(f"/projects/{team.project_id}/runs?status=preview_ready&limit=50")
    if found and found["data"]:
        await decide(caller, caller.dice.choice(found["data"]), approve=caller.dice.random() < 0.7)


async def decide(caller: Caller, run: dict[str, Any], *, approve: bool) -> None:
    body: dict[str, Any] = {"action": "approve", "version_id": run["versions"][0]["id"]}
    if not approve:
        changes = {"prompt_modifications": f"More fog ({caller.dice.getrandbits(32):08x})"}
        body = {"action": "reject", "regenerate": False, "suggested_changes": changes}
        if caller.dice.random() < 0.5:
            body["regenerate"] = True
    await caller.post(f"/runs/{run['id']}/review", body, makes="reviews")


async def _batch(team: Team, caller: Caller) -> None:
    mode = caller.dice.choice(("sequential", "parallel"))
    body = {"mode": mode, "batch_size": 2, "auto_approve": caller.dice.random() < 0.5}
    await caller.post(f"/episodes/{team.episode_id}/batches", body, makes="batches")


async def _steer_batch(team: Team, caller: Caller) -> None:
    found = await caller.get(f"/episodes/{team.episode_id}/batches?limit=1")
    for batch in (found or {"data": []})["data"]:
        what = {"running": "pause", "waiting_review": "cancel", "paused": "resume"}.get(batch["status"])
        if what:
            await caller.post(f"/batches/{batch['id']}/{what}")


async def _reorder(team: Team, caller: Caller) -> None:
    order = await caller.get(f"/episodes/{team.episode_id}/order")
    if order:
        caller.dice.shuffle(order["segment_ids"])
        await caller.command(
            "PUT",
            f"/episodes/{team.episode_id}/order",
            {"segment_ids": order["segment_ids"]},
            headers={"If-Match": f'"{order["revision"]}"'},
        )


async def _change_segments(team: Team, caller: Caller) -> None:
    found = await caller.get(f"/episodes/{team.episode_id}/segments")
    if found and len(found["data"]) >= MOST_SEGMENTS:
        await caller.command("DELETE", f"/segments/{caller.dice.choice(found['data'])['id']}", None)
    elif found:
        await caller.post(
            f"/episodes/{team.episode_id}/segments", {"type": "scene"} | _segment(caller.dice), makes="segments"
        )


async def _compile(team: Team, caller: Caller) -> None:
    style = caller.dice.choice((None, "cut", "dissolve"))
    path = f"/episodes/{team.episode_id}/compile"
    await caller.post(path, {"transition_style": style}, makes="compilations", id_at="compilation_job_id")


async def _cancel(team: Team, caller: Caller) -> None:
    found = await caller.get(f"/projects/{team.project_id}/runs?status=requested,queued,generating&limit=50")
    if found and found["data"]:
        await caller.post(f"/runs/{caller.dice.choice(found['data'])['id']}/cancel")


async def _roll_back(team: Team, caller: Caller) -> None:
    asset = await _asset(team, caller, ("starting_image", "video"))
    found = await caller.get(f"/assets/{asset['id']}/versions?status=accepted") if asset else None
    if found and found["data"]:
        await caller.post(f"/versions/{caller.dice.choice(found['data'])['id']}/rollback", makes="runs")


async def _pry(team: Team, caller: Caller) -> None:
    """Ask for what belongs to others."""
    if team.others and team.others.episode_id:
        what = caller.dice.choice((f"/projects/{team.others.project_id}", f"/episodes/{team.others.episode_id}"))
        await caller.get(what, foreign=True)


async def _asset(team: Team, caller: Caller, kinds: Sequence[str]) -> Any:
    kind = caller.dice.choice(kinds)
    episode = await caller.get(f"/episodes/{team.episode_id}")
    assets = (episode or {"assets": []})["assets"]
    with_image = {asset["segment_id"] for asset in assets if asset["kind"] == "starting_image" and asset["committed"]}
    found = [a for a in assets if a["kind"] == kind and (kind != "video" or a["segment_id"] in with_image)]
    return caller.dice.choice(found) if found else None


ACTS: Final[dict[Callable[[Team, Caller], Awaitable[None]], int]] = {
    _generate: 6,
    _decide: 8,
    _upload: 1,
    _batch: 1,
    _steer_batch: 1,
    _reorder: 1,
    _change_segments: 1,
    _compile: 3,
    _cancel: 1,
    _roll_back: 1,
    _pry: 1,
}
