"""kill -9 at random moments of the loop: whatever dies, the loop ends right and nothing happens twice.

The expected end is the same as without faults: every segment has exactly one committed version, made by the one run
that was approved, `complete` was told once per commit, and the film holds every segment.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.http_client import Api
from tests.support.system import System, start

SMALL = {"width": 320, "height": 180, "fps": 12, "fit": "blur"}
SEGMENTS = 2


@pytest.fixture(scope="module")
def own_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = start(tmp_path_factory.mktemp("faults") / "data")
    yield running
    running.down()


class Saboteur(threading.Thread):
    """Kills the parts it is given, at moments drawn from a seeded generator, until it is told to stop."""

    def __init__(self, system: System, parts: list[str], seed: int, kills: int, pause: tuple[float, float]) -> None:
        super().__init__(daemon=True)
        self.system, self.parts, self.kills, self.pause = system, parts, kills, pause
        self.random = random.Random(seed)
        self.done: list[str] = []

    def run(self) -> None:
        while len(self.done) < self.kills:
            time.sleep(self.random.uniform(*self.pause))
            part = self.random.choice(self.parts)
            if self.system.kill(part):
                self.done.append(part)


def _command(api: Api, method: str, path: str, body: Any = None, *, wanted: tuple[int, ...]) -> Any:
    """A command repeated with its key until there is a verdict: what a careful client does."""
    response = api.patiently(method, path, json=body or {}, headers={"Idempotency-Key": str(uuid4())})
    assert response.status_code in wanted, f"{path}: {response.status_code} {response.text}"
    return response.json()


def _approve_when_ready(api: Api, run_id: str) -> None:
    run = api.until(f"/runs/{run_id}", lambda r: r["status"] not in ("requested", "queued", "generating"))
    assert run["status"] == "preview_ready", run
    _command(api, "POST", f"/runs/{run_id}/review", {"action": "approve"}, wanted=(200, 202, 409))
    done = api.until(f"/runs/{run_id}", lambda r: r["status"] in ("complete", "failed", "expired", "rejected"))
    assert done["status"] == "complete", done


def _loop(api: Api) -> tuple[str, list[str]]:
    """Makes an episode's starting images and videos, approves each, compiles. Returns episode and run ids."""
    project = api.patiently("GET", "/projects").json()["data"][0]["id"]
    episode = _command(
        api,
        "POST",
        f"/projects/{project}/episodes",
        {
            "title": "Under fire",
            "output": SMALL,
            "segments": [
                {"scene_info": {"description": f"Scene {i}, pan left"}, "duration": 1} for i in range(SEGMENTS)
            ],
        },
        wanted=(201,),
    )
    assets = api.patiently("GET", f"/episodes/{episode['id']}").json()["assets"]
    runs = []
    for kind in ("starting_image", "video"):
        mine = [a["id"] for a in assets if a["kind"] == kind]
        started = [_command(api, "POST", f"/assets/{a}/runs", wanted=(202,))["id"] for a in mine]
        for run in started:
            _approve_when_ready(api, run)
        runs += started
    return episode["id"], runs


def _holds(api: Api, episode_id: str, runs: list[str]) -> None:
    segments = api.patiently("GET", f"/episodes/{episode_id}/segments").json()["data"]
    assert all(s["approval_status"] == "approved" and s["committed_version"] for s in segments)
    for asset in api.patiently("GET", f"/episodes/{episode_id}").json()["assets"]:
        if asset["kind"] in ("starting_image", "video"):
            versions = api.patiently("GET", f"/assets/{asset['id']}/versions").json()["data"]
            assert [v["status"] for v in versions] == ["accepted"], versions
    made = Counter({run: len(api.patiently("GET", f"/runs/{run}").json()["versions"]) for run in runs})
    assert set(made.values()) == {1}


def _film(api: Api, episode_id: str) -> None:
    job = _command(api, "POST", f"/episodes/{episode_id}/compile", {"transition_style": "dissolve"}, wanted=(202,))
    film = api.until(
        f"/compilation-jobs/{job['compilation_job_id']}", lambda c: c["status"] in ("completed", "failed", "cancelled")
    )
    assert film["status"] == "completed", film
    assert film["segments_included"] == SEGMENTS
    assert abs(film["output_duration"] - (SEGMENTS - 0.5 * (SEGMENTS - 1))) < 0.2


@pytest.mark.parametrize(("seed", "part"), [*enumerate(["gateway", "generator", "review", "compiler"])])
def test_a_service_is_killed_at_random_moments(own_system: System, seed: int, part: str) -> None:
    saboteur = Saboteur(own_system, [part], seed=seed, kills=2, pause=(0.4, 2.0))
    saboteur.start()
    episode, runs = _loop(own_system.api)
    _film(own_system.api, episode)
    saboteur.join(150)
    assert saboteur.done == [part] * 2
    _holds(own_system.api, episode, runs)


def test_a_batch_goes_on_though_the_gateway_is_killed_at_any_point(own_system: System) -> None:
    """The batch lives in the gateway's rows: it goes on by itself, and makes nothing twice."""
    api = own_system.api
    project = api.patiently("GET", "/projects").json()["data"][0]["id"]
    episode = _command(
        api,
        "POST",
        f"/projects/{project}/episodes",
        {
            "title": "Batch under fire",
            "output": SMALL,
            "segments": [
                {"scene_info": {"description": f"Scene {i}, pan left"}, "duration": 1} for i in range(SEGMENTS)
            ],
        },
        wanted=(201,),
    )["id"]
    saboteur = Saboteur(own_system, ["gateway"], seed=3, kills=2, pause=(0.3, 1.5))
    saboteur.start()
    batch = _command(api, "POST", f"/episodes/{episode}/generate-segments", {"auto_approve": False}, wanted=(202,))
    for _ in range(SEGMENTS + 1):
        seen = api.until(
            f"/batches/{batch['job_id']}", lambda b: b["status"] in ("waiting_review", "completed", "failed")
        )
        if seen["status"] != "waiting_review":
            break
        for run in api.patiently("GET", f"/episodes/{episode}/segments").json()["data"]:
            if run["waiting_run_id"]:
                _approve_when_ready(api, run["waiting_run_id"])
        api.until(f"/batches/{batch['job_id']}", lambda b, before=seen: b["approved"] > before["approved"])
    ended = api.until(f"/batches/{batch['job_id']}", lambda b: b["status"] in ("completed", "failed"))
    saboteur.join(150)
    assert (ended["status"], ended["approved"], ended["total"]) == ("completed", SEGMENTS, SEGMENTS)
    assert saboteur.done == ["gateway"] * 2
    runs = api.patiently("GET", f"/projects/{project}/runs?episode_id={episode}&limit=200").json()["data"]
    _holds(api, episode, [r["id"] for r in runs])
    assert len(runs) == len({r["asset_id"] for r in runs}), "one run of each asset"


def test_the_broker_is_killed_and_forgets_everything(own_system: System) -> None:
    saboteur = Saboteur(own_system, ["broker"], seed=7, kills=2, pause=(1.0, 3.0))
    saboteur.start()
    episode, runs = _loop(own_system.api)
    saboteur.join(150)
    _film(own_system.api, episode)
    _holds(own_system.api, episode, runs)


def test_postgresql_is_killed_and_comes_back(own_system: System) -> None:
    saboteur = Saboteur(own_system, ["postgres"], seed=11, kills=2, pause=(1.0, 3.0))
    saboteur.start()
    episode, runs = _loop(own_system.api)
    saboteur.join(150)
    _film(own_system.api, episode)
    _holds(own_system.api, episode, runs)


def _waiting_video(api: Api, title: str) -> str:
    """The id of a run whose preview waits for a decision."""
    project = api.patiently("GET", "/projects").json()["data"][0]["id"]
    episode = _command(
        api,
        "POST",
        f"/projects/{project}/episodes",
        {"title": title, "output": SMALL, "segments": [{"scene_info": {"description": "Rain"}, "duration": 1}]},
        wanted=(201,),
    )
    image = next(a for a in api.get(f"/episodes/{episode['id']}")["assets"] if a["kind"] == "starting_image")
    run = _command(api, "POST", f"/assets/{image['id']}/runs", wanted=(202,))["id"]
    found = api.until(f"/runs/{run}", lambda r: r["status"] in ("preview_ready", "failed"))
    assert found["status"] == "preview_ready", found
    return str(run)


def test_of_fifty_accepts_rejects_and_regenerates_at_once_one_wins(own_system: System) -> None:
    api = own_system.api
    run_id = _waiting_video(api, "Fifty")
    asset_id = api.get(f"/runs/{run_id}")["asset_id"]

    def shoot(n: int) -> tuple[int, Any]:
        match n % 3:
            case 0:
                path, body = f"/runs/{run_id}/review", {"action": "approve"}
            case 1:
                path, body = f"/runs/{run_id}/review", {"action": "reject"}
            case _:
                path, body = f"/assets/{asset_id}/runs", {"directions": f"Take {n}"}
        answer = api.http.post(path, json=body)
        return answer.status_code, answer.json()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(shoot, range(50)))
    won = [body for status, body in answers if status in (200, 202)]
    lost = [body for status, body in answers if status == 409]
    assert len(won) + len(lost) == 50, Counter(status for status, _ in answers)
    assert {body["type"] for body in lost} <= {f"/problems/{t}" for t in ("already-decided", "busy", "invalid-state")}
    assert all(body["recovery"] for body in lost)
    reviews = api.get(f"/projects/{api.get(f'/runs/{run_id}')['project_id']}/reviews?run_id={run_id}")["data"]
    assert [r["verdict"] for r in reviews if r["verdict"] != "refused"] in (["accepted"], ["rejected"])
    # A run that could start only because a rejection had freed the asset is a second winner in its own right.
    assert len(won) <= 2, won


def test_while_the_broker_is_silent_commands_are_taken_and_streams_stay_up(own_system: System) -> None:
    api = own_system.api
    project = api.get("/projects")["data"][0]["id"]
    with api.stream(f"/projects/{project}/events") as stream:
        assert own_system.kill("broker", signal.SIGSTOP)
        try:
            episode = _command(
                api,
                "POST",
                f"/projects/{project}/episodes",
                {
                    "title": "Silence",
                    "output": SMALL,
                    "segments": [{"scene_info": {"description": "Fog"}, "duration": 1}],
                },
                wanted=(201,),
            )
            image = next(a for a in api.get(f"/episodes/{episode['id']}")["assets"] if a["kind"] == "starting_image")
            run = _command(api, "POST", f"/assets/{image['id']}/runs", wanted=(202,))["id"]
            position, _ = stream.wait(lambda name, data: name == "regenerate-requested" and data["run_id"] == run)
            assert httpx.get(f"{own_system.gateway}/health/ready").status_code == 200
        finally:
            own_system.kill("broker", signal.SIGCONT)
        stream.wait(lambda name, data: name == "preview-ready" and data["run_id"] == run, after=position)
        assert [name for _, name, _ in stream.events].count("snapshot") == 1, "the stream was never opened again"


def test_while_postgresql_does_not_answer_callers_are_told_when_to_come_back(own_system: System) -> None:
    api = own_system.api
    assert own_system.kill("postgres")
    told: list[httpx.Response] = []
    end = time.monotonic() + 150
    while time.monotonic() < end:
        answer = api.http.get("/projects")
        told.append(answer)
        assert httpx.get(f"{own_system.gateway}/health/live", timeout=10).status_code == 200
        if answer.status_code == 200 and len(told) > 1:
            break
    assert told[-1].status_code == 200, "it never came back"
    for answer in told:
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
            assert int(answer.headers["retry-after"]) >= 1


def test_everything_is_killed_and_the_next_up_goes_on(own_system: System) -> None:
    api = own_system.api
    project = api.get("/projects")["data"][0]["id"]
    episode = _command(
        api,
        "POST",
        f"/projects/{project}/episodes",
        {"title": "Cut off", "output": SMALL, "segments": [{"scene_info": {"description": "Rain"}, "duration": 1}]},
        wanted=(201,),
    )
    image = next(a for a in api.get(f"/episodes/{episode['id']}")["assets"] if a["kind"] == "starting_image")
    run = _command(api, "POST", f"/assets/{image['id']}/runs", wanted=(202,))
    for part in ("supervisor", "gateway", "generator", "review", "compiler", "broker", "postgres"):
        own_system.kill(part)
    while own_system.process("supervisor"):
        time.sleep(0.02)
    again = start(own_system.data)
    own_system.gateway, own_system.token, own_system.kafka = again.gateway, again.token, again.kafka
    _approve_when_ready(again.api, run["id"])
    asset = again.api.get(f"/assets/{image['id']}")
    assert asset["committed"]["id"]
