"""All databases restored to one moment while Kafka and the object store kept everything: `make restore`.

The whole system runs on a PostgreSQL and an Apache Kafka that outlive it, as in production. It is killed in the middle
of its work, its databases are put back, `python -m shared.recover` runs for each service, and the system goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.local.parts.databases import service_url
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
