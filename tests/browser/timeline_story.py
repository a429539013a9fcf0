"""The timeline: order, batches, and what a film would leave out."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.stories import (
    open_blank,
    open_episode,
)
from tests.support.system import System

pytestmark = pytest.mark.timeout(600)


async def test_segments_are_reordered_by_keys(page: Page) -> None:
    await open_episode(page)
    cards = page.locator("[data-card]")
    order = await cards.evaluate_all("all => all.map(card => card.dataset.card)")
    await cards.first.focus()
    await page.keyboard.press("Alt+Shift+ArrowRight")
    await expect(cards.nth(1)).to_have_attribute("data-card", order[0])  # at once
    await expect(cards.nth(1)).to_be_focused()
    await expect(page.get_by_role("button", name="Undo: Segment 1 moved to position 2.")).to_be_visible()  # kept
    await page.reload()
    await expect(cards.nth(1)).to_have_attribute("data-card", order[0])


async def test_an_order_is_taken_back_and_done_again(page: Page) -> None:
    await open_episode(page)
    cards = page.locator("[data-card]")
    order = await cards.evaluate_all("all => all.map(card => card.dataset.card)")
    await cards.first.focus()
    await page.keyboard.press("Alt+Shift+ArrowRight")
    await expect(cards.nth(1)).to_have_attribute("data-card", order[0])
    await expect(page.get_by_role("button", name="Undo: Segment 1 moved to position 2.")).to_be_visible()
    await page.keyboard.press("Control+z")
    await expect(cards.first).to_have_attribute("data-card", order[0])
    await expect(page.get_by_role("button", name="Redo: Segment 1 moved to position 2.")).to_be_attached()
    await page.keyboard.press("Control+Shift+Z")
    await expect(cards.nth(1)).to_have_attribute("data-card", order[0])
    await expect(page.get_by_text("Done again: Segment 1 moved to position 2.").first).to_be_attached()
    await page.reload()
    await expect(cards.nth(1)).to_have_attribute("data-card", order[0])


async def test_a_batch_is_paused_resumed_and_cancelled_and_its_cards_tell_of_the_pictures(
    page: Page, system: System
) -> None:
    directions = {"starting_image": "A meeting room, 写实电影感", "video": "Push in slowly"}
    await open_blank(page, system, "Batch", directions)
    await page.get_by_role("button", name="Generate what is missing").click()
    bar = page.get_by_role("region", name="Batch")
    await bar.get_by_role("button", name="Pause").click()
    await bar.get_by_role("button", name="Resume").click()
    await expect(bar.get_by_role("button", name="Pause")).to_be_visible()
    await expect(page.locator("[data-card]").get_by_text("公司会议室")).to_be_visible()
    await bar.get_by_role("button", name="Cancel batch").click()
    await expect(page.get_by_role("button", name="Generate what is missing")).to_be_visible()


async def test_what_a_film_leaves_out_is_named_before_the_click(page: Page, system: System) -> None:
    await open_episode(page)
    episode = page.url.split("/e/")[1].split("?")[0]
    segment = system.api.post(f"/episodes/{episode}/segments", {"scene_info": {"location": "Later"}})["id"]
    await expect(page.get_by_text("Leaves out 3: nothing approved")).to_be_visible()
    system.api.call("DELETE", f"/segments/{segment}")
    await expect(page.get_by_text("Leaves out")).to_be_hidden()


@pytest.mark.parametrize("width", [1440, 360])
async def test_the_activity_tells_of_each_step_with_its_picture_and_leads_to_the_editor(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await open_episode(page)
    await page.goto(page.url.split("/e/")[0] + "/activity")
    await expect(page.get_by_text("Video regeneration complete").first).to_be_visible()
    waiting = page.get_by_role("listitem").filter(has_text="ready for review").first
    await expect(waiting.locator("img")).to_be_visible()
    await waiting.get_by_role("link").click()
    await expect(page.get_by_role("tab", name="Video")).to_be_visible()
    assert "s=" in page.url
