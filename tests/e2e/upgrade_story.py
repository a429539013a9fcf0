"""An upgrade and its rollback: the last release's services on this release's schema, and back again: `make upgrade`.

The last release is a commit. It comes from the history of this checkout; without one the story is skipped.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.http_client import Api, photograph
from tests.support.system import ROOT, System, start

LAST_RELEASE: Final = "1bdefb5d0ba329bacc54462a5f4839b57815569a"
"""What is upgraded from. Change it with `RELEASED` in tests/contracts/test_migrations.py when a release is made."""

SMALL: Final = {"width": 320, "height": 180, "fps": 12, "fit": "blur"}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def last_release(tmp_path: Path) -> Path:
    """The sources of the last release."""
    archive = subprocess.run(["git", "archive", LAST_RELEASE], cwd=ROOT, capture_output=True)
    if archive.returncode:
        pytest.skip(f"the history has no commit {LAST_RELEASE[:12]} (a shallow clone or an archive)")
    sources = tmp_path / "release"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(sources, filter="data")
    return sources


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "data"
    yield directory
    System(directory, "", "", "").down()


def test_each_release_goes_on_with_what_the_other_made(last_release: Path, data: Path) -> None:
    with _running(data) as api:  # this release's schema
        project = api.get("/projects")["data"][0]["id"]
        episodes = [_film(api, project, "new")]
    with _running(data, last_release) as api:  # rolled back
        assert _finished(api, episodes[0])
        episodes.append(_film(api, project, "old"))
        _another_version(api, episodes[0])
    with _running(data) as api:  # upgraded again
        assert all(_finished(api, episode) for episode in episodes)
        _another_version(api, episodes[1])


class _running:
    """The system of these sources on that data."""

    def __init__(self, data: Path, sources: Path = ROOT) -> None:
        self._data = data
        self._sources = sources

    def __enter__(self) -> Api:
        self._system = start(self._data, sources=self._sources)
        return self._system.api

    def __exit__(self, *exc: object) -> None:
        self._system.down()


def _film(api: Api, project: str, title: str) -> str:
    """An episode of one photograph, from its upload to a film."""
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
    episode = str(done["episode_id"])
    batch = api.post(f"/episodes/{episode}/render")
    ended = api.until(f"/batches/{batch['id']}", lambda b: b["status"] in ("completed", "failed", "cancelled"))
    assert ended["status"] == "completed", ended
    api.until(f"/episodes/{episode}/compilation-jobs", lambda films: _statuses(films) == ["completed"])
    return episode


def _finished(api: Api, episode: str) -> bool:
    films = api.get(f"/episodes/{episode}/compilation-jobs")
    return _statuses(films) == ["completed"] and bool(_segment(api, episode)["committed_version"])


def _statuses(films: Any) -> list[str]:
    return [film["status"] for film in films["data"]]


def _another_version(api: Api, episode: str) -> None:
    segment = _segment(api, episode)
    run = api.post(f"/segments/{segment['id']}/regenerate", {"changes": {"prompt_modifications": "Pull back slowly"}})
    api.until(f"/runs/{run['id']}", lambda r: r["status"] in ("preview_ready", "failed"))
    api.post(f"/runs/{run['id']}/review", {"action": "approve"})
    ended = api.until(f"/runs/{run['id']}", lambda r: r["status"] in ("complete", "failed", "cancelled"))
    assert ended["status"] == "complete", ended


def _segment(api: Api, episode: str) -> dict[str, Any]:
    return dict(api.get(f"/episodes/{episode}")["segments"][0])
