"""Versions: notes about them, two compared, an earlier one taken back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest
from playwright.async_api import Page, expect

from tests.browser.stories import (
    committed,
    open_blank,
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


STEPS: Final = 250
NUMBERED: Final = """
    async steps => {
        const video = document.querySelector('[data-stepped] video')
        const canvas = Object.assign(document.createElement('canvas'), {width: 160, height: 20})
        const context = canvas.getContext('2d', {willReadFrequently: true})
        const shown = () => {
            context.drawImage(video, 0, 0, 160, 20)
            let number = 0
            for (let bit = 0; bit < 10; bit++) {
                const [r, g, b] = context.getImageData(bit * 16 + 8, 10, 1, 1).data
                if (r + g + b > 384) number += 2 ** bit
            }
            return number
        }
        const counter = video.closest('section')
        const wrong = []
        let at = 0
        for (const step of [...Array(steps).fill(1), ...Array(steps).fill(-1)]) {
            const key = step > 0 ? '.' : ','
            video.closest('section').dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))
            at += step
            const end = performance.now() + 5000
            const told = () => new RegExp(`frame ${at}(?![0-9])`).test(counter.textContent)
            while (!told() && performance.now() < end) await new Promise(requestAnimationFrame)
            if (!told() || shown() !== at) wrong.push([at, shown(), counter.textContent])
            if (wrong.length > 2) break
        }
        return wrong
    }
"""


async def test_each_step_shows_the_frame_that_the_counter_tells(page: Page, system: System, tmp_path: Path) -> None:
    await open_blank(page, system, "Numbered frames")
    await page.get_by_role("tab", name="Video").click()
    await page.get_by_label("Upload a file as a version").set_input_files(numbered_film(tmp_path, STEPS + 1))
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    player = page.get_by_role("region", name="v1 committed")
    await expect(player.locator("video")).to_have_attribute("src", re.compile(r"\?v="))
    await until(page, "document.querySelector('video').readyState >= 2")
    await player.evaluate("section => section.parentElement.setAttribute('data-stepped', '')")
    assert await page.evaluate(NUMBERED, STEPS) == []


def numbered_film(folder: Path, frames: int) -> Path:
    """A film of 24 frames a second; ten bars from left to right are the bits of each frame's number."""
    path = folder / "numbered.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "12", "preset": "veryfast", "g": "48"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(frames):
            picture = np.zeros((360, 640, 3), np.uint8)
            for bit in range(10):
                if number >> bit & 1:
                    picture[:, bit * 64 : (bit + 1) * 64] = 255
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
