"""What the page does when it is refused, alone, or not the only one."""

from __future__ import annotations

import re
from typing import Final

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.stories import (
    open_episode,
    refusing,
    selected,
    until,
)
from tests.support.system import System

pytestmark = pytest.mark.timeout(600)

DIRECTIONS: Final = "Pull back slowly. 更强调角色的眼镜特征"


async def test_of_two_drafts_one_is_chosen(page: Page, system: System) -> None:
    await open_episode(page)
    page.quiet = False  # type: ignore[attr-defined]  # the browser reports the 412
    field = page.get_by_label("Directions")
    await field.fill("Mine")
    asset = system.api.get(f"/segments/{await selected(page)}")["assets"]["video"]
    before = system.api.get(f"/assets/{asset}")
    match = {"If-Match": f'"{before["revision"]}"'}
    system.api.call("PUT", f"/assets/{asset}/draft", json={"directions": "Theirs"}, headers=match)
    await page.get_by_role("button", name="Save draft").click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("Somebody else changed this meanwhile")
    await expect(alert).to_contain_text("Theirs")
    await alert.get_by_role("button", name="Keep mine").click()
    await expect(page.get_by_text("Unsaved changes")).to_be_hidden()
    assert system.api.get(f"/assets/{asset}")["draft"]["directions"] == "Mine"


async def test_refusals_say_what_to_do_and_when_it_can_be_sent_again(page: Page) -> None:
    await open_episode(page)
    page.quiet = False  # type: ignore[attr-defined]  # the browser reports each refusal
    await page.get_by_label("Directions").fill("Refused")
    start, alert = page.get_by_role("button", name="Regenerate video"), page.get_by_role("alert")
    cap = {"spent": {"amount": "9.50", "currency": "USD"}}
    cap["cap"] = {"amount": "10.00", "currency": "USD", "period": "month"}
    for status, slug, more, said in (
        (402, "spend-cap-reached", cap, "$9.50 of $10.00 a month"),
        (403, "forbidden", {"required_role": "editor"}, "This needs the role Editor"),
        (429, "rate-limited", {}, re.compile(r"Can be sent again in \d+ s")),
        (503, "unavailable", {}, "A part of Retake is not ready"),
    ):
        body = {"type": f"/problems/{slug}", "status": status, "title": "No.", "detail": "Not now.", **more}
        await page.route("**/api/v1/assets/*/runs", refusing(body), times=1)
        await start.click()
        await expect(alert).to_contain_text(said)
        assert await page.get_by_label("Directions").input_value() == "Refused"  # nothing typed is lost
    await expect(alert.get_by_role("button", name="Try again")).to_be_visible()
    await page.get_by_role("button", name="Reset").click()

    body = {"type": "/problems/rate-limited", "status": 429, "title": "Too many requests."}
    await page.route("**/api/v1/projects", refusing(body), times=1)
    await page.goto("/")
    await expect(page.get_by_text(re.compile(r"Trying again in [1-3] s"))).to_be_visible()
    await expect(page.get_by_role("link", name="Harbour")).to_be_visible()  # by itself


async def test_a_viewer_reads_why_each_thing_is_not_theirs_to_do(page: Page) -> None:
    async def as_viewer(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json=await answer.json() | {"my_role": "viewer"})

    await page.route(re.compile(r"/api/v1/projects/[0-9a-f-]{36}$"), as_viewer)
    await open_episode(page)
    await expect(page.get_by_text("Viewer: sees everything")).to_be_visible()
    for name, why in (
        ("Only editors can generate", "Only editors can generate"),
        ("Generate what is missing", "Only editors can generate"),
        ("Compile film", "Only editors can compile"),
    ):
        button = page.get_by_role("button", name=name)
        await expect(button).to_have_attribute("aria-disabled", "true")
        await expect(button).to_have_attribute("title", why)
    await expect(page.get_by_label("Directions")).to_have_attribute("readonly", "")
    await page.unroute_all(behavior="wait")


async def test_tabs_share_one_stream_and_go_on_without_the_one_that_held_it(page: Page, system: System) -> None:
    await open_episode(page)
    other = await page.context.new_page()
    streams: list[str] = []
    other.on("request", lambda r: streams.append(r.url) if r.url.endswith("/events") else None)
    await other.goto(page.url)
    await expect(other.get_by_text("Live")).to_be_visible()
    assert streams == []
    await page.close()
    await until(other, "true" if streams else "new Promise(done => setTimeout(() => done(true), 500))")
    episode = other.url.split("/e/")[1].split("?")[0]
    system.api.post(f"/episodes/{episode}/segments", {"scene_info": {"location": "New one"}})
    await expect(other.get_by_text("New one")).to_be_visible(timeout=5_000)
    assert len(streams) == 1
    segment = system.api.get(f"/episodes/{episode}")["segments"][-1]["id"]
    system.api.call("DELETE", f"/segments/{segment}")
    await expect(other.get_by_text("New one")).to_be_hidden()


async def test_a_link_that_expires_while_playing_is_renewed_at_the_same_time(page: Page) -> None:
    page.quiet = False  # type: ignore[attr-defined]  # the browser reports the 410
    await open_episode(page)
    video = page.get_by_role("region", name="committed").locator("video")
    await until(page, "document.querySelector('video').readyState >= 2")
    await page.evaluate("document.querySelector('video').currentTime = 2")
    await page.route("**/media/**", lambda route: route.fulfill(status=410), times=1)
    await page.evaluate("document.querySelector('video').dispatchEvent(new Event('error'))")
    await until(page, "document.querySelector('video').readyState >= 2")
    await until(page, "Math.abs(document.querySelector('video').currentTime - 2) < 0.1")
    await expect(page.get_by_text("This browser cannot play the file.")).to_be_hidden()
    await expect(video).to_have_attribute("src", re.compile(r"\?v="))


async def test_while_the_gateway_is_away_drafts_stay_and_nothing_is_missed(page: Page, system: System) -> None:
    await open_episode(page)
    page.quiet = False  # type: ignore[attr-defined]  # the browser reports each connection that is refused
    await page.get_by_label("Directions").fill(DIRECTIONS + "!")
    await until(page, "Object.keys(sessionStorage).some(key => key.startsWith('retake-draft'))")
    system.kill("gateway")
    await expect(page.get_by_text("Offline since")).to_be_visible()
    await expect(page.get_by_text("Live")).to_be_visible()
    await expect(page.get_by_label("Directions")).to_have_value(DIRECTIONS + "!")
    await page.reload()  # as after a crash of the tab
    await expect(page.get_by_role("region", name="Messages").get_by_text("is back")).to_be_visible()
    await expect(page.get_by_label("Directions")).to_have_value(DIRECTIONS + "!")
    assert await page.evaluate("JSON.stringify([localStorage, sessionStorage]).includes('Bearer')") is False
