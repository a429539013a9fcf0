"""The page by keys, to a screen reader, on every width."""

from __future__ import annotations

import re
from typing import Any, Literal

import pytest
from playwright.async_api import Page, expect

from tests.browser.stories import (
    open_episode,
    violations,
)

pytestmark = pytest.mark.timeout(600)


async def test_the_palette_and_the_keys_lead_everywhere(page: Page) -> None:
    await open_episode(page)
    episode = page.url
    await page.get_by_label("Directions").focus()
    await page.keyboard.type("gi?")  # text in a field is text
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.url == episode
    await page.get_by_role("button", name="Reset").click()
    await page.locator("[data-card]").first.focus()
    await page.keyboard.press("?")
    await expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Search or do…")).to_be_focused()
    await page.keyboard.type("ＳＥＴＴ")  # full-width letters find their ASCII ones
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("i")
    await expect(page.get_by_role("heading", name="Inbox")).to_be_visible()


async def test_a_screen_reader_finds_regions_segments_and_what_has_happened(page: Page) -> None:
    await open_episode(page)
    await expect(page.get_by_role("main")).to_match_aria_snapshot(
        """
        - navigation "Where this is":
          - link "Harbour"
        - heading "Two lights" [level=1]
        - group "What the player shows":
          - button "Segment" [pressed]
        - region "Timeline":
          - list:
            - listitem:
              - button /1 .*Video/
            - listitem:
              - button /2 .*Video/
        - region "Segment 1":
          - tablist:
            - tab "Video" [selected]
            - tab "Starting image"
            - tab "Narration"
            - tab "Music"
          - tabpanel "Video"
        - region "Compile film"
        """
    )
    slider = page.get_by_role("region", name="committed").get_by_role("slider", name="Position")
    await slider.focus()
    await page.keyboard.press("ArrowRight")
    await expect(slider).to_have_attribute("aria-valuetext", re.compile(r"of \d+\.\d\d seconds, frame 1$"))
    # What one has done is said once, politely.
    await page.locator("[data-card]").first.focus()
    await page.keyboard.press("Alt+Shift+ArrowRight")
    await expect(page.locator("[aria-live=polite]").first).to_have_text("Segment 1 moved to position 2.")


async def test_what_is_chosen_shows_in_the_systems_own_colours_and_nothing_moves(page: Page) -> None:
    await page.emulate_media(forced_colors="active", reduced_motion="reduce")
    await open_episode(page)
    colour = "element => getComputedStyle(element).backgroundColor"
    chosen = await page.get_by_role("tab", name="Video").evaluate(colour)
    other = await page.get_by_role("tab", name="Starting image").evaluate(colour)
    assert chosen != other
    assert await page.get_by_role("button", name="Segment", exact=True).evaluate(colour) == chosen
    outline = "element => getComputedStyle(element.closest('li')).outlineStyle"
    assert await page.locator("[data-card][aria-current]").evaluate(outline) == "solid"
    assert await page.locator("[data-card]:not([aria-current])").first.evaluate(outline) == "none"
    moving = await page.evaluate(
        """[...document.querySelectorAll('*')].filter(element => {
          const { transitionDuration, animationName } = getComputedStyle(element);
          return animationName !== 'none' || transitionDuration.split(', ').some(d => Number.parseFloat(d) > 0);
        }).length"""
    )
    assert moving == 0


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (360, "light")])
async def test_no_screen_violates_a_rule_of_axe(page: Page, width: int, theme: Literal["dark", "light"]) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    await open_episode(page)
    episode = page.url.split("?")[0]
    project = episode.split("/e/")[0]
    assert await violations(page) == []
    motion = "getComputedStyle(document.documentElement).getPropertyValue('--motion')"
    assert (await page.evaluate(motion)).startswith("0")  # less motion is asked for: nothing moves
    await page.locator("[data-card]").first.focus()
    for key, opened in (("Control+k", "Search or do…"), ("?", "Keyboard shortcuts")):
        await page.keyboard.press(key)
        await expect(page.get_by_role("heading", name=opened)).to_be_visible()
        assert await violations(page) == [], opened
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.keyboard.press("Control+a")
    await expect(page.get_by_text("2 segments selected")).to_be_visible()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await page.get_by_text("More", exact=True).click()
    assert await violations(page) == [], "segment"
    await page.get_by_role("button", name="Film", exact=True).click()
    assert await violations(page) == [], "film before compiling"
    await page.get_by_role("button", name="Segment", exact=True).click()
    await page.get_by_role("button", name="Regenerate video").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Reject…")).to_be_visible()
    assert await violations(page) == [], "preview"
    await dialog.get_by_role("button", name="Compare with").click()
    assert await violations(page) == [], "preview beside the committed version"
    await dialog.get_by_role("button", name="Reject…").click()
    await dialog.get_by_label("Add to the directions").fill("slower")
    await dialog.get_by_role("checkbox", name="Regenerate with these changes").uncheck()
    assert await violations(page) == [], "reject"
    await dialog.get_by_role("button", name="Reject", exact=True).click()
    await expect(dialog).to_be_hidden()
    tabs = ("general", "characters", "defaults", "members", "spend", "metrics", "browser")
    places = ["/", project, episode + "/film", "/inbox", project + "/import", project + "/activity", "/nowhere"]
    for address in [*places, *(f"{project}/settings/{tab}" for tab in tabs)]:
        await page.goto(address)
        await expect(page.locator("h1").first).to_be_attached()
        await expect(page.get_by_role("status")).to_have_count(0)
        assert await violations(page) == [], address


@pytest.mark.parametrize("width", [360, 768, 1440])
async def test_no_screen_scrolls_sideways(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await open_episode(page)
    for address in (page.url.split("?")[0], page.url.split("?")[0] + "/film", "/inbox", "/"):
        await page.goto(address)
        await expect(page.locator("h1").first).to_be_attached()
        await expect(page.get_by_role("status")).to_have_count(0)
        wide: Any = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, address
