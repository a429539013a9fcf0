"""The film, before it is compiled and after."""

from __future__ import annotations

import json

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


async def test_the_film_has_chapters_captions_files_and_a_rating(page: Page) -> None:
    await open_episode(page)
    await page.goto(page.url.split("?")[0] + "/film")
    files = {}
    for name in ("Download MP4", "WebVTT", "SRT", "OTIO"):
        async with page.expect_download() as download:
            await page.get_by_role("link", name=name).click()
        files[name] = (await (await download.value).path()).read_bytes()
    assert files["Download MP4"][4:8] == b"ftyp"
    assert files["WebVTT"].startswith(b"WEBVTT")
    assert b"-->" in files["WebVTT"]
    assert b"-->" in files["SRT"]
    assert json.loads(files["OTIO"])["OTIO_SCHEMA"].startswith("Timeline")

    # A chapter leads to its first frame; captions are on.
    chapters = page.get_by_role("region", name="Chapters").get_by_role("button")
    await expect(chapters).to_have_count(2)
    await chapters.nth(1).click()
    await until(page, "document.querySelector('video').currentTime > 1")
    assert await page.evaluate("document.querySelector('video').textTracks[0].mode") == "showing"
    await page.get_by_role("radio", name="5").check(force=True)
    await page.reload()
    await expect(page.get_by_role("radio", name="5")).to_be_checked()
    await page.get_by_role("button", name="Play").click()
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
