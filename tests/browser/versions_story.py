"""Versions: notes about them, two compared, an earlier one taken back."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.stories import (
    committed,
    open_episode,
    regenerate_and_approve,
    selected,
    until,
    violations,
)
from tests.support.system import System

pytestmark = pytest.mark.timeout(600)


async def test_a_note_is_written_by_keys_drawn_on_the_picture_and_asked_for(page: Page, system: System) -> None:
    await open_episode(page)
    # On the committed version: M at the frame presented, and a box that the arrows move.
    player = page.get_by_role("region", name="committed").filter(has=page.locator("video"))
    await player.get_by_label("Position").focus()
    for n in (1, 2, 3):
        await page.keyboard.press(".")
        await expect(player.get_by_text(f"frame {n}")).to_be_visible()
    await page.keyboard.press("m")
    notes = page.get_by_role("region", name="Notes")
    await expect(notes.get_by_label("Note at")).to_be_focused()
    await page.keyboard.type("太慢 Too slow")
    await notes.get_by_role("button", name="Box on the picture", exact=True).click()
    box = page.get_by_role("button", name="Arrow keys move it")
    before = await box.bounding_box()
    await box.press("ArrowLeft")
    await box.press("Shift+ArrowDown")
    after = await box.bounding_box()
    assert before and after
    assert after["x"] < before["x"]
    assert after["height"] > before["height"]
    await notes.get_by_label("Note at").press("Control+Enter")
    await expect(notes.get_by_text("太慢 Too slow").last).to_be_visible()
    await expect(player.get_by_label("Position")).to_be_focused()
    await notes.get_by_role("button", name="Resolve").click()
    await expect(notes.get_by_text(", resolved").first).to_be_visible()

    # In the preview: drawn by pointer, and asked for by the rejection.
    await page.get_by_label("Directions").fill("Tilt up slowly")
    await page.get_by_role("button", name="Regenerate video").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("button", name="Note here").click()
    await dialog.get_by_label("Note at").fill("Darker")
    video = await dialog.locator("video").bounding_box()
    assert video
    left, top = video["x"] + video["width"] * 0.1, video["y"] + video["height"] * 0.7
    await page.mouse.move(left, top)
    await page.mouse.down()
    await page.mouse.move(left + video["width"] * 0.15, top + video["height"] * 0.2, steps=4)
    await page.mouse.up()
    await dialog.get_by_role("button", name="Save note").click()
    await expect(dialog.get_by_text("Darker")).to_be_visible()
    assert not [v for v in await violations(page) if "notes" in v.lower()]
    await page.keyboard.press("r")
    ask = dialog.get_by_role("checkbox", name="of the picture: Darker")
    await expect(ask).to_be_checked()
    run = page.url.split("review=")[1].split("&")[0]
    await dialog.get_by_role("button", name="Reject and regenerate").click()
    await expect(dialog).to_be_hidden()
    sent = system.api.get(f"/runs/{run}")["review"]
    assert sent["suggested_changes"]["prompt_modifications"].endswith("s, in the bottom left of the picture: Darker")
    assert len(sent["note_ids"]) == 1
    await page.get_by_role("button", name="Review video").or_(dialog).first.wait_for()


async def test_two_versions_are_compared_on_one_clock(page: Page) -> None:
    await open_episode(page)
    if await committed(page) == 1:
        await regenerate_and_approve(page, "Tilt down")
    await page.get_by_text("Versions", exact=True).click()
    await page.get_by_role("link", name="Compare versions: v").last.click()
    await expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    await expect(page.get_by_role("rowheader", name="Directions", exact=True)).to_be_visible()
    videos = page.locator("video")
    await expect(videos).to_have_count(2)
    await until(page, "[...document.querySelectorAll('video')].every(v => v.readyState >= 2)")
    forward = page.get_by_role("button", name="One frame forward")
    for step in range(1, 6):
        await forward.click()
        await expect(page.get_by_text(f"frame {step}", exact=False)).to_be_visible()
        drift = await page.evaluate(
            "(([a, b]) => Math.abs(a.currentTime - b.currentTime))(document.querySelectorAll('video'))"
        )
        assert drift < 0.5 / 24
    for mode in ("Onion skin", "Difference", "Side by side", "Wipe"):
        await page.keyboard.press("x")
        await expect(page.get_by_role("button", name=mode)).to_have_attribute("aria-pressed", "true")
    assert "m=wipe" in page.url


async def test_an_earlier_version_comes_back_with_its_texts(page: Page, system: System) -> None:
    await open_episode(page)
    asset = system.api.get(f"/segments/{await selected(page)}")["assets"]["video"]
    before = system.api.get(f"/assets/{asset}")["committed"]
    await regenerate_and_approve(page, "Something else altogether")
    await page.get_by_text("Versions", exact=True).click()
    earlier = page.get_by_role("listitem").filter(has_text=f"v{before['number']} ")
    await earlier.get_by_role("button", name="Roll back to this version").click()
    await expect(page.get_by_text(f"v{before['number']} committed").first).to_be_visible()
    await expect(page.get_by_label("Directions")).to_have_value(before["directions"])
    now = system.api.get(f"/assets/{asset}")["committed"]
    assert (now["id"], now["model"], now["settings"]) == (before["id"], before["model"], before["settings"])
