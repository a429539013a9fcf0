"""What the stories of the studio share. `make stories` tells them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from playwright.async_api import Locator, Page, Route, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.support.node import STUDIO
from tests.support.system import System

PATIENCE_MS: Final = 120_000  # of what a busy machine renders
expect.set_options(timeout=PATIENCE_MS)


async def approve(page: Page, number: int) -> None:
    """The preview of this segment's video: its dialog opens by itself where the segment is open when it arrives."""
    card = page.locator("[data-card]").nth(number - 1)
    await card.click()
    dialog = page.get_by_role("dialog")
    await review(page, "Video")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    await expect(card.get_by_text("approved")).to_be_visible()


async def review(page: Page, what: str) -> None:
    """Opens the preview of the open editor as soon as there is one, unless it opens by itself."""
    dialog = page.get_by_role("dialog").filter(has=page.get_by_role("heading", name=f"{what} ready for review"))
    review = page.get_by_role("button", name=f"Review {what.lower()}")
    await expect(dialog.or_(review).first).to_be_visible()
    if not await dialog.is_visible():
        with suppress(PlaywrightTimeout):  # the dialog that opened by itself meanwhile lies over the button
            await review.click(timeout=2000)
    await expect(dialog).to_be_visible()


async def open_episode(page: Page) -> None:
    await page.goto("/")
    await page.get_by_role("link", name="Harbour").click()
    await page.get_by_role("link", name="Two lights").click()
    await expect(page.get_by_text("Live")).to_be_visible()


async def until(page: Page, condition: str) -> None:
    """Waits until this JavaScript is true. The page's policy forbids what `wait_for_function` does."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await page.evaluate(condition):
            await asyncio.sleep(0.05)


async def violations(page: Page) -> list[str]:
    """What axe-core objects to on the page as it is now."""
    await page.evaluate((STUDIO / "node_modules" / "axe-core" / "axe.min.js").read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{v['id']}: {n['html'][:200]}: {n.get('failureSummary')}" for v in found["violations"] for n in v["nodes"]]


async def committed(page: Page) -> int:
    """The number of the committed version of what is selected."""
    shown = page.get_by_text(re.compile(r"^v\d+ committed$")).first
    await expect(shown).to_be_visible()
    return int((await shown.inner_text()).removeprefix("v").split()[0])


async def selected(page: Page) -> str:
    return str(await page.locator("[data-card][aria-current]").get_attribute("data-card"))


async def open_blank(page: Page, system: System, title: str, directions: dict[str, str] | None = None) -> None:
    """An episode with one segment, of which nothing is made."""
    [project] = [p for p in system.api.get("/projects")["data"] if p["name"] == "Harbour"]
    episode = system.api.post(f"/projects/{project['id']}/episodes", {"title": title})["id"]
    body = {"scene_info": {"location": "公司会议室"}, **({"directions": directions} if directions else {})}
    system.api.post(f"/episodes/{episode}/segments", body)
    await page.goto(f"/p/{project['id']}/e/{episode}")
    await expect(page.get_by_text("Live")).to_be_visible()


def media_of(link: str | None) -> str:
    """What the link shows; its signature may be another."""
    assert link is not None
    return link.split("&exp=")[0]


async def shows_another(media: Locator, before: str | None) -> None:
    """Waits until another object is shown: a GET follows the event that ends the run."""
    await expect(media).not_to_have_attribute("src", re.compile("^" + re.escape(media_of(before))))
    await expect(media).to_have_attribute("src", re.compile(r"\?v="))


def decide_what_waits(system: System) -> None:
    """No story finds a preview of another one."""
    for project in system.api.get("/projects")["data"]:
        for run in system.api.get(f"/projects/{project['id']}/runs?status=preview_ready")["data"]:
            decision = {"action": "reject", "version_id": run["versions"][0]["id"]}
            path = f"/runs/{run['id']}/review"
            # 409: it has run out of time meanwhile.
            system.api.call("POST", path, expect=(200, 201, 202, 204, 409), json=decision, headers=key())


async def deadline(page: Page, system: System, minutes: float | None) -> None:
    project = page.url.split("/p/")[1].split("/")[0]
    revision = system.api.get(f"/projects/{project}/settings")["revision"]
    changes = {"review": {"deadline_minutes": minutes}}
    system.api.call("PATCH", f"/projects/{project}/settings", json=changes, headers={"If-Match": f'"{revision}"'})


async def tab_to(page: Page, target: Locator) -> None:
    """As somebody without a mouse gets there."""
    for _ in range(80):
        if await target.evaluate("element => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"no way by Tab to {target}")


def refusing(problem: dict[str, Any]) -> Callable[[Route], Awaitable[None]]:
    headers = {"Content-Type": "application/problem+json", "Retry-After": "3"}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=problem["status"], headers=headers, body=json.dumps(problem))

    return refuse


def key() -> dict[str, str]:
    """The header that lets a request be sent twice."""
    return {"Idempotency-Key": str(uuid4())}


async def regenerate_and_approve(page: Page, directions: str) -> None:
    """Another version of the selected segment's video."""
    number = await committed(page)
    await page.get_by_label("Directions").fill(directions)
    await page.get_by_role("button", name="Regenerate video").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_text(f"v{number} committed")).to_have_count(0)
    await committed(page)
