"""The film, before it is compiled and after."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.stories import (
    open_episode,
    until,
)

pytestmark = pytest.mark.timeout(600)


async def test_the_committed_segments_play_as_a_film_without_a_gap(page: Page) -> None:
    await open_episode(page)
    await page.get_by_role("button", name="Film", exact=True).click()
    film = page.get_by_role("region", name="Film before compiling")
    await until(page, "[...document.querySelectorAll('[data-film] video')].every(v => v.readyState >= 2)")
    # What lies above at each animation frame: it always has a picture.
    await page.evaluate(
        """() => {
          window.seen = { black: 0, most: 0 };
          const look = () => {
            const videos = [...document.querySelectorAll('[data-film] video')];
            const above = videos.toSorted((a, b) => b.style.zIndex - a.style.zIndex)[0];
            if (above && (above.readyState < 2 || above.style.opacity === '0')) window.seen.black++;
            window.seen.most = Math.max(window.seen.most, document.querySelectorAll('video[src]').length);
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    await film.get_by_role("button", name="Play").click()
    await expect(film.get_by_role("button", name="Pause")).to_be_visible()
    await expect(film.get_by_role("button", name="Play")).to_be_visible()  # at its end
    await expect(film.get_by_text("frame 239")).to_be_visible()  # two segments of 5 s at 24 frames a second
    assert await page.evaluate("window.seen.black") == 0
    assert await page.evaluate("window.seen.most") <= 3
