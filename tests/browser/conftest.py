"""What the stories of the studio stand on: one running system with a small project, and a tab that must stay silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Page

from tests.browser.stories import PATIENCE_MS, decide_what_waits, key
from tests.support.http_client import photograph
from tests.support.system import System, start


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system in which the project "Harbour" has the episode "Two lights": two approved segments and one film."""
    running = start(tmp_path_factory.mktemp("studio") / "data")
    if all(project["name"] != "Harbour" for project in running.api.get("/projects")["data"]):
        _make_harbour(running)
    yield running
    running.down()


def _make_harbour(system: System) -> None:
    api = system.api
    project = api.post("/projects", {"name": "Harbour"})["id"]
    segments = []
    for hue, (place, directions) in enumerate((("Pier", "Push in slowly"), ("Lamp", "Pan right"))):
        picture = api.call("POST", f"/projects/{project}/uploads", content=photograph(hue=90 * hue))["id"]
        drafts = {"video": directions, **({"narration": "The day begins."} if hue == 0 else {})}
        scene = {"location": place}
        segments.append({"starting_image": {"upload_id": picture}, "scene_info": scene, "directions": drafts})
    # Small pictures: the stories are the page's, not the renderer's.
    output = {"width": 640, "height": 360, "fps": 24, "fit": "blur"}
    document = {"title": "Two lights", "output": output, "segments": segments}
    made = api.post(f"/projects/{project}/imports", {"document": document}, headers=key())
    done = api.until(f"/imports/{made['id']}", lambda found: found["status"] in ("completed", "failed"))
    episode = done["episode_id"]
    batch = {"mode": "parallel", "batch_size": 2, "auto_approve": True}
    begun = api.post(f"/episodes/{episode}/batches", batch, headers=key())["id"]
    done = api.until(f"/batches/{begun}", lambda found: found["status"] in ("completed", "failed", "cancelled"))
    assert (done["status"], done["approved"]) == ("completed", 2), done
    api.post(f"/episodes/{episode}/compile", headers=key())
    api.until(f"/episodes/{episode}/compilation-jobs", lambda found: found["data"][0]["status"] == "completed")


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    found = []
    for number, tint in enumerate(((200, 90, 40), (40, 120, 200)), 1):
        rows, columns = np.mgrid[0:360, 0:640]
        picture = np.stack([(c * (1 + rows / 360) / 2 + columns % 40) % 256 for c in tint], axis=-1).astype(np.uint8)
        path = tmp_path / f"photo {number}.png"
        Image.fromarray(picture).save(path)
        found.append(path)
    return found


@pytest_asyncio.fixture
async def page(browser: Browser, system: System) -> AsyncIterator[Page]:
    """A tab whose console must stay silent: no error, no violated policy. Nothing waits for a decision."""
    await asyncio.to_thread(decide_what_waits, system)
    context = await browser.new_context(base_url=system.gateway, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    tab = await context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda e: complaints.append(str(e)))
    yield tab
    quiet = getattr(tab, "quiet", True)
    await context.close()
    assert not quiet or complaints == []
