"""A preview is played and decided on in its dialog, and everywhere else only after `complete`."""

from __future__ import annotations

import re
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.browser.stories import (
    committed,
    deadline,
    media_of,
    open_blank,
    open_episode,
    review,
    shows_another,
    tab_to,
)
from tests.support.system import System

pytestmark = pytest.mark.timeout(600)

# What the page sends and hears, in order: before its own scripts.
JOURNAL: Final = """
window.journal = [];
const send = window.fetch;
window.fetch = (request, ...rest) => {
  const { method, url } = request instanceof Request ? request : new Request(request, ...rest);
  if (url.endsWith('/review')) window.journal.push('POST review');
  if (/\\/assets\\/[^/]+$/.test(new URL(url).pathname) && method === 'GET' && url.includes('/api/')) {
    window.journal.push('GET asset');
  }
  return send(request, ...rest);
};
const read = ReadableStreamDefaultReader.prototype.read;
ReadableStreamDefaultReader.prototype.read = async function (...args) {
  const result = await read.apply(this, args);
  for (const [name] of String(result.value ?? '').matchAll(/^event: .+$/gm)) window.journal.push(name.replace(':', ''));
  return result;
};
"""
DIRECTIONS: Final = "Pull back slowly. 更强调角色的眼镜特征"


@pytest.mark.parametrize("width", [1440, 360])
async def test_a_preview_is_played_by_its_dialog_alone_and_shown_everywhere_after_complete(
    page: Page, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await page.add_init_script(JOURNAL)
    await open_episode(page)
    number = await committed(page)
    player = page.get_by_role("region", name="committed").locator("video")
    before = await player.get_attribute("src")
    assert before is not None
    assert "?v=" in before

    directions = f"{DIRECTIONS} {width}"
    await page.get_by_label("Directions").fill(directions)
    await expect(page.get_by_text("Unsaved changes")).to_be_visible()
    await page.get_by_role("button", name="Regenerate video").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    preview = await dialog.locator("video").get_attribute("src")
    assert preview is not None
    assert "?preview=" in preview
    assert await player.get_attribute("src") == before

    # Closing decides nothing, also not over a reload.
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await page.reload()
    await page.get_by_role("button", name="Review video").click()
    await expect(dialog.get_by_text(directions, exact=True)).to_be_visible()

    await dialog.get_by_role("radio", name="4").check(force=True)
    await page.evaluate("window.journal.length = 0")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_text(f"v{number + 1} committed").first).to_be_visible()
    # The decision, its `complete`, and only then the asset as it is now.
    journal: list[str] = await page.evaluate("window.journal")
    decided, complete = journal.index("POST review"), journal.index("event complete")
    assert decided < complete
    assert "GET asset" not in journal[decided:complete]
    assert "GET asset" in journal[complete:]
    after = await player.get_attribute("src")
    assert after is not None
    assert "?v=" in after
    assert after.split("&")[0] != before.split("&")[0]
    assert await page.get_by_label("Directions").input_value() == directions


@pytest.mark.parametrize("width", [1440, 360])
async def test_image_and_video_are_made_independently_of_each_other(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await open_episode(page)
    committed = page.get_by_role("region", name="committed")
    video = await committed.locator("video").get_attribute("src")
    await page.get_by_label("Directions").fill(f"Pan left {width}")
    await page.get_by_role("button", name="Regenerate video").click()
    await page.get_by_role("tab", name="Starting image").click()  # while the video is made
    picture = await committed.locator("img").get_attribute("src")
    await page.get_by_label("Prompt").fill(f"A pier at dusk, 公司会议室 {width}")
    await page.get_by_role("button", name="Regenerate starting image").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("heading", name="Starting image ready for review")).to_be_visible()
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("button", name="Regenerate starting image")).to_be_visible()
    await shows_another(committed.locator("img"), picture)

    # The video is as it was, says that its picture is newer, and its own preview is decided on by itself.
    await page.get_by_role("tab", name="Video").click()
    await review(page, "Video")
    assert media_of(await committed.locator("video").get_attribute("src")) == media_of(video)
    await expect(page.get_by_text("Starting image is newer").first).to_be_attached()
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("button", name="Regenerate video")).to_be_visible()
    await shows_another(committed.locator("video"), video)


@pytest.mark.parametrize("width", [1440, 360])
async def test_a_rejection_keeps_what_was_committed_and_the_draft(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await open_episode(page)
    number = await committed(page)
    player = page.get_by_role("region", name="committed").locator("video")
    before = await player.get_attribute("src")
    await page.get_by_label("Directions").fill("Tilt up")
    await page.get_by_role("button", name="Regenerate video").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("button", name="Reject…").click()
    await dialog.get_by_role("button", name="Reject", exact=True).click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("button", name="Regenerate video")).to_be_visible()
    assert await page.get_by_label("Directions").input_value() == "Tilt up"
    assert media_of(await player.get_attribute("src")) == media_of(before)
    assert await committed(page) == number


@pytest.mark.parametrize("width", [1440, 360])
async def test_without_its_picture_a_video_says_what_comes_first(page: Page, system: System, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await open_blank(page, system, f"Blank {width}")
    await page.get_by_role("button", name="Regenerate the starting image first.").click()
    await expect(page.get_by_role("tab", name="Starting image")).to_have_attribute("aria-selected", "true")
    await expect(page.get_by_role("button", name="Write directions first")).to_be_visible()


async def test_narration_and_music_are_reviewed_like_pictures(page: Page) -> None:
    await open_episode(page)
    committed = page.get_by_role("region", name="committed")
    for tab, field, text in (("Narration", "Script", "海边的早晨。"), ("Music", "Prompt", "Slow and warm")):
        await page.get_by_role("tab", name=tab).click()
        await page.get_by_label(field).fill(text)
        await page.get_by_role("button", name=f"Generate {tab.lower()}").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.locator("audio")).to_have_attribute("src", re.compile(r"\?preview="))
        await dialog.get_by_role("button", name="Approve").click()
        await expect(dialog).to_be_hidden()
        await expect(committed.locator("audio")).to_have_attribute("src", re.compile(r"\?v="))
        assert await page.get_by_label(field).input_value() == text
    # Leaving drops what is not saved, and offers it again.
    await page.get_by_label("Prompt").fill("Loud")
    await page.get_by_role("tab", name="Video").click()
    await expect(page.get_by_text("Unsaved changes were dropped.").first).to_be_visible()
    await page.get_by_role("tab", name="Music").click()
    assert await page.get_by_label("Prompt").input_value() == "Slow and warm"


async def test_a_preview_is_made_and_approved_by_keyboard_alone(page: Page) -> None:
    await open_episode(page)
    number = await committed(page)
    await tab_to(page, page.locator("[data-card]").first)
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("[data-card]").nth(1)).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await tab_to(page, page.get_by_label("Directions"))
    await page.keyboard.press("Control+a")
    await page.keyboard.type("Keys alone")
    await tab_to(page, page.get_by_role("button", name="Regenerate video"))
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await dialog.evaluate("dialog => dialog.contains(document.activeElement)")
    await page.wait_for_timeout(700)  # keys of a dialog that opened by itself count a little later
    await page.keyboard.press("r")
    await expect(page.get_by_label("Add to the directions")).to_be_focused()
    await page.keyboard.type("slower")
    await page.keyboard.press("Control+Enter")  # with changes: the next version is made
    await expect(dialog).to_be_hidden()
    await expect(dialog).to_be_visible()
    await page.wait_for_timeout(700)
    await page.keyboard.press("4")
    await expect(dialog.get_by_role("radio", name="4")).to_be_checked()
    for _ in range(20):
        await page.keyboard.press("a")
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_text(re.compile(rf"v({number + 1}|{number + 2}) committed")).first).to_be_visible()
    assert await page.evaluate("document.activeElement !== document.body")


async def test_variants_are_tabs_and_those_not_chosen_are_named(page: Page) -> None:
    await open_episode(page)
    number = await committed(page)
    await page.get_by_label("Variants").select_option("2")
    await page.get_by_role("button", name="Regenerate video").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("tab")).to_have_count(2)
    first = await dialog.locator("video").get_attribute("src")
    await dialog.get_by_role("tab", name="Variant 2").click()
    assert await dialog.locator("video").get_attribute("src") != first
    # Each measure has its value or its reason; each setting says where it came from.
    await dialog.get_by_text("Where each setting came from").click()
    assert "" not in [text.strip() for text in await dialog.locator("dd").all_inner_texts()]
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    await expect(
        page.get_by_text(re.compile(rf"v({number + 1}|{number + 2}|{number + 3}) committed")).first
    ).to_be_visible()
    await page.get_by_text("Versions", exact=True).click()
    await expect(page.get_by_text("not chosen").first).to_be_visible()


async def test_what_ran_out_of_time_is_offered_again(page: Page, system: System) -> None:
    await open_episode(page)
    await deadline(page, system, 0.1)
    await page.get_by_label("Directions").fill("Too late")
    await page.get_by_role("button", name="Regenerate video").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    await deadline(page, system, None)  # of the next ones
    await expect(dialog.get_by_text("Time ran out.")).to_be_visible()
    await dialog.get_by_role("button", name="Offer it again").click()
    await expect(dialog.get_by_text("Time ran out.")).to_be_hidden()
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_label("Directions")).to_have_value("Too late")
