"""From photographs to a downloaded film on the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.stories import (
    approve,
)

pytestmark = pytest.mark.timeout(600)


async def test_from_photographs_to_a_downloaded_film(page: Page, photographs: list[Path], tmp_path: Path) -> None:
    await page.goto("/")
    await page.get_by_role("button", name="New project").click()
    await page.get_by_label("Name").fill("Lighthouse")
    await page.get_by_role("button", name="Create").click()
    await page.get_by_role("link", name="Lighthouse").click()

    # Small pictures: the story is the page's, not the renderer's.
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_label("Width").fill("640")
    await page.get_by_label("Height").fill("360")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Saved", exact=True)).to_be_attached()
    await page.get_by_role("link", name="Episodes").click()

    # A file that is refused is named; the others are sent.
    await page.get_by_role("link", name="Import").first.click()
    note = tmp_path / "note.txt"
    note.write_text("not a picture")
    await page.set_input_files("input[type=file]", [str(p) for p in (*photographs, note)])
    await expect(page.get_by_text("refused: This kind of file is not taken.")).to_be_visible()
    await expect(page.get_by_text("done")).to_have_count(2)
    await page.get_by_label("Title").fill("Two lights")
    await page.get_by_role("button", name="Make an episode of 2 segments").click()

    # A batch makes what is missing; each preview waits for a decision.
    await expect(page.get_by_text("Live")).to_be_visible()
    await page.get_by_role("button", name="Generate what is missing").click()
    await approve(page, 1)
    await approve(page, 2)

    await page.get_by_role("button", name="Compile film").click()
    await page.get_by_role("link", name="Watch the film").click()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download MP4").click()
    film = await (await download.value).path()
    assert film.read_bytes()[4:8] == b"ftyp"
