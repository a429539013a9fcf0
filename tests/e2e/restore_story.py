"""All databases restored to one moment while Kafka and the object store kept everything: `make restore`.

The whole system runs on a PostgreSQL and an Apache Kafka that outlive it, as in production. It is killed in the middle
of its work, its databases are put back, `python -m shared.recover` runs for each service, and the system goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from deploy.local.parts.databases import role_of, service_url
from deploy.local.supervisor.data_dir import DataDir
from shared.contracts.topics import Service
from tests.support.brokers import ApacheKafkaBroker
from tests.support.http_client import Api, photograph
from tests.support.postgres import RestorablePostgres
from tests.support.system import ROOT, System, retake, start

SMALL: Final = {"width": 320, "height": 180, "fps": 12, "fit": "blur"}

pytestmark = pytest.mark.timeout(900)


async def test_the_system_goes_on_from_the_moment_of_the_backup(
    apache_kafka: ApacheKafkaBroker, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    async with RestorablePostgres(tmp_path / "server") as server:
        options = ("--kafka", apache_kafka.bootstrap, "--database", server.postgres.admin_url)
        running = start(data, *options)
        project = running.api.get("/projects")["data"][0]["id"]
        kept = _episode(running.api, project, "kept")
        waiting = _request(running.api, kept)  # at work at the moment of the backup
        _kill(running)
        await server.back_up()

        running = start(data, *options)
        assert _ended(running.api, waiting) == "preview_ready"
        running.api.post(f"/runs/{waiting}/review", {"action": "approve"})
        assert _ended(running.api, waiting, "complete") == "complete"
        lost = _episode(running.api, project, "lost")
        unread = _request(running.api, lost)
        _kill(running)
        await server.restore()

        for service in Service:
            _recover(data, server, apache_kafka, service)
        running = start(data, *options)
        try:
            _goes_on(running, kept, waiting, lost, unread)
        finally:
            running.down()


@pytest.mark.parametrize("service", [Service.REVIEW, Service.COMPILER, Service.GENERATOR])
async def test_one_service_is_brought_forward_to_where_the_others_are(
    apache_kafka: ApacheKafkaBroker, tmp_path: Path, service: Service
) -> None:
    """Its database alone is put back. What it had decided and published since stays decided, and is not done again."""
    data = tmp_path / "data"
    async with RestorablePostgres(tmp_path / "server") as server:
        options = ("--kafka", apache_kafka.bootstrap, "--database", server.postgres.admin_url)
        running = start(data, *options)
        project = running.api.get("/projects")["data"][0]["id"]
        episode, other = (_episode(running.api, project, title) for title in ("kept", "other"))
        approved = _request(running.api, episode)
        assert _ended(running.api, approved) == "preview_ready"
        _kill(running)
        await server.keep(role_of(service))
        moment = datetime.now(UTC)

        running = start(data, *options)
        api = running.api
        api.post(f"/runs/{approved}/review", {"action": "approve"})
        assert _ended(api, approved, "complete") == "complete"
        rejected, waiting = _request(api, other), _request(api, episode)
        assert _ended(api, rejected) == _ended(api, waiting) == "preview_ready"
        api.post(f"/runs/{rejected}/review", {"action": "reject", "feedback": "Too fast"})
        assert _ended(api, rejected, "rejected") == "rejected"
        film = _film(api, episode)
        _kill(running)
        before = await _published(server, data)
        await server.put_back(role_of(service))

        told = _bring_forward(DataDir.of(data), service, moment)
        assert "need a person" not in told, told
        running = start(data, *options)
        try:
            await _is_as_before(running, server, before, approved, rejected, waiting, film)
        finally:
            running.down()


async def _is_as_before(
    running: System,
    server: RestorablePostgres,
    before: dict[str, Counter[tuple[str, str]]],
    approved: str,
    rejected: str,
    waiting: str,
    film: str,
) -> None:
    api = running.api
    assert _ended(api, approved, "complete") == "complete"
    assert _ended(api, rejected, "rejected") == "rejected"
    assert api.get(f"/compilation-jobs/{film}")["status"] == "completed"
    api.post(f"/runs/{waiting}/review", {"action": "approve"})  # of which it knows from the topics alone
    assert _ended(api, waiting, "complete") == "complete"
    again = _film(api, api.get(f"/runs/{waiting}")["episode_id"])
    assert again != film
    api.call("POST", f"/runs/{approved}/review", json={"action": "reject"}, expect=409)
    letters = retake("dead-letters", "list", "--data", str(running.data), "--json")
    assert json.loads(letters.stdout)["letters"] == []
    after = await _published(server, running.data)
    for service, events in before.items():
        assert not events - after[service], f"{service} has forgotten what it published"
        for (topic, subject), count in after[service].items():
            if subject in (approved, rejected):  # a film may be signed only now
                assert count == events[topic, subject], f"{service} published {topic} of {subject} once more"


async def _published(server: RestorablePostgres, data: Path) -> dict[str, Counter[tuple[str, str]]]:
    """How often each service published each topic of each subject."""
    found: dict[str, Counter[tuple[str, str]]] = {}
    for service in Service:
        connection = await asyncpg.connect(server.postgres.url(role_of(service)))
        try:
            rows = await connection.fetch("select topic, headers ->> 'ce_subject' as subject from outbox")
        finally:
            await connection.close()
        found[service] = Counter((r["topic"], r["subject"]) for r in rows if r["topic"] != "progress")
    return found


def _film(api: Api, episode: str) -> str:
    made = api.post(f"/episodes/{episode}/compile", {})
    done = api.until(
        f"/compilation-jobs/{made['compilation_job_id']}", lambda f: f["status"] in ("completed", "failed")
    )
    assert done["status"] == "completed", done
    return str(made["compilation_job_id"])


def _bring_forward(data: DataDir, service: Service, moment: datetime) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "shared.recover", service, "--since", moment.isoformat()],
        cwd=ROOT,
        env=dict(os.environ) | json.loads(data.environment(service).read_text()),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _goes_on(running: System, kept: str, waiting: str, lost: str, unread: str) -> None:
    api = running.api
    assert _ended(api, waiting) == "preview_ready"  # as at the moment, and its work was done again
    api.post(f"/runs/{waiting}/review", {"action": "approve"})
    assert _ended(api, waiting, "complete") == "complete"
    again = _request(api, kept)  # no lock was left
    assert _ended(api, again) == "preview_ready"
    api.call("GET", f"/episodes/{lost}", expect=404)
    api.call("GET", f"/runs/{unread}", expect=404)
    letters = retake("dead-letters", "list", "--data", str(running.data), "--json")
    assert json.loads(letters.stdout)["letters"] == []


def _episode(api: Api, project: str, title: str) -> str:
    """With one segment, whose starting image is a photograph."""
    upload = api.call(
        "POST",
        f"/projects/{project}/uploads",
        content=photograph(),
        expect=201,
        headers={"Content-Type": "image/jpeg"},
    )
    segment = {
        "scene_info": {"scene_number": 1, "description": "A photograph"},
        "duration": 1.5,
        "directions": {"video": "Push in gently"},
        "starting_image": {"upload_id": upload["id"]},
    }
    document = {"title": title, "output": SMALL, "segments": [segment]}
    started = api.post(f"/projects/{project}/imports", {"document": document})
    done = api.until(f"/imports/{started['id']}", lambda i: i["status"] in ("completed", "failed"))
    assert done["status"] == "completed", done
    return str(done["episode_id"])


def _request(api: Api, episode: str) -> str:
    """The id of a new run of the segment's video."""
    segment = api.get(f"/episodes/{episode}")["segments"][0]
    changes = {"prompt_modifications": "Pull back slowly"}
    return str(api.post(f"/segments/{segment['id']}/regenerate", {"changes": changes})["id"])


def _ended(api: Api, run: str, *states: str) -> Any:
    wanted = states or ("preview_ready",)
    return api.until(f"/runs/{run}", lambda r: r["status"] in (*wanted, "failed", "cancelled"))["status"]


def _kill(running: System) -> None:
    """Without a shutdown; what is left is ended."""
    assert running.kill("supervisor")
    running.down()


def _recover(data: Path, server: RestorablePostgres, kafka: ApacheKafkaBroker, service: Service) -> None:
    password = json.loads((data / "secrets.json").read_text())["roles"][service]
    prefix = service.upper()
    environment = {
        f"{prefix}_DATABASE_URL": service_url(server.postgres.admin_url, service, password, encrypted=False),
        f"{prefix}_KAFKA_BOOTSTRAP": kafka.bootstrap,
    }
    done = subprocess.run(
        [sys.executable, "-m", "shared.recover", service],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
