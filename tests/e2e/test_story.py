"""The story of the API, call by call, by a client that knows only its documentation; on both brokers."""

from __future__ import annotations

import io
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import pytest

from tests.support.brokers import fetch_jars
from tests.support.components import COMPONENTS
from tests.support.http_client import Api, photograph
from tests.support.system import System, start

SMALL = {"width": 320, "height": 180, "fps": 12, "fit": "blur"}
SECONDS = 1.5


@pytest.fixture(params=["embedded", "apache"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    if request.param == "embedded":
        yield request.getfixturevalue("system").api
        return
    with COMPONENTS.bring("apache-kafka"):
        fetch_jars()
    running = start(request.getfixturevalue("tmp_path") / "data", "--broker", "apache")
    yield running.api
    running.down()


def _episode(api: Api, project: str) -> dict[str, Any]:
    """Two segments with photographs, by uploads and one import."""
    uploads = [
        api.call(
            "POST",
            f"/projects/{project}/uploads",
            content=photograph(hue=40 * i),
            expect=201,
            headers={"Content-Type": "image/jpeg"},
        )
        for i in (1, 2)
    ]
    moves = ["The camera pans slowly to the left", "Push in gently"]
    document = {
        "title": "Two photographs",
        "output": SMALL,
        "directions": {"music": "calm and warm"},
        "segments": [
            {
                "scene_info": {"scene_number": i + 1, "description": f"Photograph {i + 1}"},
                "duration": SECONDS,
                "directions": {"video": moves[i], "narration": f"This is photograph {i + 1}."},
                "starting_image": {"upload_id": uploads[i]["id"]},
            }
            for i in range(2)
        ],
    }
    started = api.call(
        "POST",
        f"/projects/{project}/imports",
        json={"document": document},
        expect=(200, 202),
        headers={"Prefer": "wait=30"},
    )
    done = api.until(f"/imports/{started['id']}", lambda i: i["status"] in ("completed", "failed"))
    assert done["status"] == "completed", done
    return dict(api.get(f"/episodes/{done['episode_id']}"))


def test_the_story(api: Api, tmp_path: Path) -> None:
    project = api.get("/projects")["data"][0]["id"]
    episode = _episode(api, project)
    first, second = (s["id"] for s in episode["segments"])
    with api.stream(f"/projects/{project}/events") as stream:
        started = api.post(
            f"/episodes/{episode['id']}/generate-segments",
            {"mode": "sequential", "batch_size": 1, "start_from": 0, "auto_approve": False},
            expect=202,
        )
        assert (started["total_segments"], started["status"]) == (2, "started")
        at, ready = stream.wait(lambda n, d: n == "preview-ready" and d["segment_id"] == first)
        assert ready["deadline"]
        assert len(ready["versions"]) == 1
        run = api.get(f"/runs/{ready['run_id']}")
        assert run["status"] == "preview_ready"
        _plays(api, run["versions"][0]["url"], seconds=SECONDS)

        rejected = api.post(
            f"/runs/{run['id']}/review",
            {
                "action": "reject",
                "feedback": "too slow",
                "suggested_changes": {"prompt_modifications": "Pull back quickly"},
            },
            expect=200,
        )
        assert rejected["verdict"] == "rejected"
        at, _ = stream.wait(lambda n, d: n == "rejected" and d["run_id"] == run["id"], after=at)
        segment = api.get(f"/segments/{first}")
        assert segment["committed_version"] is None
        at, ready = stream.wait(lambda n, d: n == "preview-ready" and d["run_id"] == rejected["next_run_id"], after=at)
        again = api.get(f"/runs/{ready['run_id']}")
        assert again["versions"][0]["directions"].endswith("\nPull back quickly")
        assert again["settings"]["model"]["source"] == "default"

        late = api.http.post(f"/runs/{run['id']}/review", json={"action": "approve"})
        assert (late.status_code, late.json()["type"]) == (409, "/problems/already-decided")

        approved = api.post(f"/runs/{again['id']}/review", {"action": "approve", "rating": 5}, expect=200)
        assert approved["verdict"] == "accepted"
        at, complete = stream.wait(lambda n, d: n == "complete" and d["run_id"] == again["id"], after=at)
        shown = api.get(f"/segments/{first}")
        assert shown["committed_version"]["id"] == complete["version_id"]
        assert (shown["status"], shown["approval_status"]) == ("completed", "approved")

        at, ready = stream.wait(lambda n, d: n == "preview-ready" and d["segment_id"] == second, after=at)
        api.post(f"/segments/{second}/approve", {"rating": 4, "feedback": "good"})
        stream.wait(lambda n, d: n == "complete" and d["run_id"] == ready["run_id"], after=at)
        stream.wait(lambda n, d: n == "batch-updated" and d["status"] == "completed", after=at)
        status = api.get(f"/episodes/{episode['id']}/segments/status")
        assert (status["total_segments"], status["completed"], status["approved"], status["pending"]) == (2, 2, 2, 0)

        job = api.post(f"/episodes/{episode['id']}/compile", {"transition_style": "fade"}, expect=202)
        at, _ = stream.wait(
            lambda n, d: (
                n == "film-updated"
                and d["compilation_job_id"] == job["compilation_job_id"]
                and d["status"] == "completed"
            )
        )
        _ids_only_grow(stream.events)
    film = api.get(f"/compilation-jobs/{job['compilation_job_id']}")
    assert (film["status"], film["progress"], film["segments_included"]) == ("completed", 100, 2)
    data = api.http.get(film["output_video_url"] + "&download=1", headers={"Authorization": ""})
    assert data.status_code == 200
    assert "attachment" in data.headers["content-disposition"]
    _is_the_film(data.content, tmp_path, seconds=2 * SECONDS - 0.5)


def _plays(api: Api, url: str, *, seconds: float) -> None:
    """As a browser does: without our token, by ranges."""
    part = api.http.get(url, headers={"Range": "bytes=0-99", "Authorization": ""})
    assert (part.status_code, len(part.content)) == (206, 100)
    whole = api.http.get(url, headers={"Authorization": ""})
    with av.open(io.BytesIO(whole.content)) as video:
        frames = sum(1 for _ in video.decode(video=0))
    assert frames == round(seconds * SMALL["fps"])


def _is_the_film(data: bytes, folder: Path, *, seconds: float) -> None:
    import imageio_ffmpeg

    path = folder / "film.mp4"
    path.write_bytes(data)
    strict = subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-v",
            "warning",
            "-xerror",
            "-err_detect",
            "explode",
            "-i",
            str(path),
            "-f",
            "null",
            "-",
        ],
        capture_output=True,
        text=True,
    )
    assert (strict.returncode, strict.stderr) == (0, "")
    with av.open(str(path)) as film:
        assert film.streams.audio
        pictures = [f.to_ndarray(format="gray") for f in film.decode(video=0)]
    assert len(pictures) == round(seconds * SMALL["fps"])
    assert max(p.mean() for p in pictures) > 30
    assert abs(pictures[0].astype(int) - pictures[-1].astype(int)).mean() > 2


def _ids_only_grow(events: list[tuple[str | None, str, dict[str, Any]]]) -> None:
    ids = [tuple(e[0].rsplit(":", 1)) for e in events if e[0] and e[1] not in ("snapshot", "heartbeat", "reset")]
    places = [int(place) for _, place in ids]
    assert places == sorted(set(places))
    assert len({epoch.partition(".")[0] for epoch, _ in ids}) == 1, "behind the dot stands which event has the number"


def test_a_stream_resumes_without_a_gap(system: System) -> None:
    api = system.api
    project = api.get("/projects")["data"][0]["id"]
    with api.stream(f"/projects/{project}/events") as stream:
        start_of_story = len(stream.events)
        episode = api.post(
            f"/projects/{project}/episodes",
            {
                "title": "Resume",
                "output": SMALL,
                "segments": [{"scene_info": {"description": "A lighthouse"}, "duration": 1}],
            },
            expect=201,
        )
        image = next(a for a in api.get(f"/episodes/{episode['id']}")["assets"] if a["kind"] == "starting_image")
        run = api.post(f"/assets/{image['id']}/runs", {}, expect=202)
        stream.wait(lambda n, d: n == "preview-ready" and d["run_id"] == run["id"])
        seen = [(i, n) for i, n, _ in stream.events[start_of_story:] if i]
    middle = seen[len(seen) // 2][0]
    with_gap = _read_from(api, f"/projects/{project}/events", middle, len(seen) // 2 - 1 or 1)
    assert with_gap == seen[len(seen) // 2 + 1 :][: len(with_gap)]
    assert with_gap


def _read_from(api: Api, path: str, last_event_id: str, count: int) -> list[tuple[str | None, str]]:
    import threading

    from tests.support.http_client import Sse

    sse = Sse(f"{api.gateway}/api/v1{path}", api.token, last_event_id)
    threading.Thread(target=sse._read, daemon=True).start()
    for _ in range(200):
        if len([e for e in sse.events if e[0]]) >= count:
            break
        import time

        time.sleep(0.05)
    sse._closing = True
    return [(i, n) for i, n, _ in sse.events if i][:count]


def test_an_unknown_place_in_the_log_is_a_reset_then_a_snapshot(system: System) -> None:
    api = system.api
    project = api.get("/projects")["data"][0]["id"]
    read = _names_from(api, f"/projects/{project}/events", f"{uuid4()}:1")
    assert read[:2] == ["reset", "snapshot"]


def _names_from(api: Api, path: str, last_event_id: str) -> list[str]:
    import threading
    import time

    from tests.support.http_client import Sse

    sse = Sse(f"{api.gateway}/api/v1{path}", api.token, last_event_id)
    threading.Thread(target=sse._read, daemon=True).start()
    end = time.monotonic() + 10
    while len(sse.events) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    sse._closing = True
    return [n for _, n, _ in sse.events]


def test_a_video_without_a_starting_image_fails_and_says_what_to_do(system: System) -> None:
    api = system.api
    project = api.get("/projects")["data"][0]["id"]
    episode = api.post(
        f"/projects/{project}/episodes",
        {"title": "No image", "output": SMALL, "segments": [{"scene_info": {"description": "Fog"}, "duration": 1}]},
        expect=201,
    )
    video = next(a for a in api.get(f"/episodes/{episode['id']}")["assets"] if a["kind"] == "video")
    run = api.post(f"/assets/{video['id']}/runs", {}, headers={"Prefer": "wait=30"})
    run = api.until(f"/runs/{run['id']}", lambda r: r["status"] == "failed")
    assert "Regenerate the starting image first." in (run["error"]["message"] + run["error"]["cause"])
    assert run["error"]["recovery"]


def test_one_active_run_per_asset(system: System) -> None:
    api = system.api
    project = api.get("/projects")["data"][0]["id"]
    episode = api.post(
        f"/projects/{project}/episodes",
        {
            "title": "Busy",
            "output": SMALL,
            "directions": {"music": "calm"},
            "segments": [{"scene_info": {"description": "Sea"}, "duration": 1}],
        },
        expect=201,
    )
    music = next(a for a in api.get(f"/episodes/{episode['id']}")["assets"] if a["kind"] == "music")
    key = {"Idempotency-Key": str(uuid4())}
    assert system.kill("generator", signal.SIGSTOP)  # so that the first run is at work for as long as we need
    try:
        first = api.post(f"/assets/{music['id']}/runs", {"settings": {"duration": 60}}, expect=202, headers=key)
        refused = api.http.post(f"/assets/{music['id']}/runs", json={})
    finally:
        system.kill("generator", signal.SIGCONT)
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/busy"
    assert refused.json()["active_id"] == first["id"]
    repeated = api.http.post(f"/assets/{music['id']}/runs", json={"settings": {"duration": 60}}, headers=key)
    assert (repeated.status_code, repeated.json()["id"]) == (202, first["id"])
    assert repeated.headers["Idempotency-Replayed"] == "true"
    api.post(f"/runs/{first['id']}/cancel")
