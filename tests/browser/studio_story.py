"""The studio in a real browser against the whole system: `make stories`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Locator, Page, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.support.node import STUDIO
from tests.support.system import System, start

pytestmark = [pytest.mark.xdist_group("studio"), pytest.mark.timeout(600)]

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
PATIENCE_MS: Final = 120_000  # of what a busy machine renders


expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = start(tmp_path_factory.mktemp("studio") / "data")
    yield running
    running.down()


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    found = []
    for number, tint in enumerate(((200, 90, 40), (40, 120, 200)), 1):
        rows, columns = np.mgrid[0:360, 0:640]
        picture = np.stack([(c * (1 + rows / 360) / 2 + columns % 40) % 256 for c in tint], axis=-1).astype(np.uint8)
        path = tmp_path / f"photo {number}.png"
        Image.fromarray(picture).save(path)
        found.append(path)
    return found


@pytest_asyncio.fixture
async def page(browser: Browser, system: System) -> AsyncIterator[Page]:
    """A tab whose console must stay silent: no error, no violated policy. Nothing waits for a decision."""
    await asyncio.to_thread(_decide_what_waits, system)
    context = await browser.new_context(base_url=system.gateway, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    tab = await context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda e: complaints.append(str(e)))
    yield tab
    quiet = getattr(tab, "quiet", True)
    await context.close()
    assert not quiet or complaints == []


async def test_from_photographs_to_a_downloaded_film(page: Page, photographs: list[Path], tmp_path: Path) -> None:
    await page.goto("/")
    await page.get_by_role("button", name="New project").click()
    await page.get_by_label("Name").fill("Harbour")
    await page.get_by_role("button", name="Create").click()
    await page.get_by_role("link", name="Harbour").click()

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
    await _approve(page, 1)
    await _approve(page, 2)

    await page.get_by_role("button", name="Compile film").click()
    await page.get_by_role("link", name="Watch the film").click()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download MP4").click()
    film = await (await download.value).path()
    assert film.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("width", [1440, 360])
async def test_a_preview_is_played_by_its_dialog_alone_and_shown_everywhere_after_complete(
    page: Page, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await page.add_init_script(JOURNAL)
    await _open_episode(page)
    number = await _committed(page)
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
    await _open_episode(page)
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
    await _shows_another(committed.locator("img"), picture)

    # The video is as it was, says that its picture is newer, and its own preview is decided on by itself.
    await page.get_by_role("tab", name="Video").click()
    await _review(page, "Video")
    assert _object(await committed.locator("video").get_attribute("src")) == _object(video)
    await expect(page.get_by_text("Starting image is newer").first).to_be_attached()
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("button", name="Regenerate video")).to_be_visible()
    await _shows_another(committed.locator("video"), video)


@pytest.mark.parametrize("width", [1440, 360])
async def test_a_rejection_keeps_what_was_committed_and_the_draft(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await _open_episode(page)
    number = await _committed(page)
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
    assert _object(await player.get_attribute("src")) == _object(before)
    assert await _committed(page) == number


@pytest.mark.parametrize("width", [1440, 360])
async def test_the_activity_tells_of_each_step_with_its_picture_and_leads_to_the_editor(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await _open_episode(page)
    await page.goto(page.url.split("/e/")[0] + "/activity")
    await expect(page.get_by_text("Video regeneration complete").first).to_be_visible()
    waiting = page.get_by_role("listitem").filter(has_text="ready for review").first
    await expect(waiting.locator("img")).to_be_visible()
    await waiting.get_by_role("link").click()
    await expect(page.get_by_role("tab", name="Video")).to_be_visible()
    assert "s=" in page.url


@pytest.mark.parametrize("width", [1440, 360])
async def test_without_its_picture_a_video_says_what_comes_first(page: Page, system: System, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await _open_blank(page, system, f"Blank {width}")
    await page.get_by_role("button", name="Regenerate the starting image first.").click()
    await expect(page.get_by_role("tab", name="Starting image")).to_have_attribute("aria-selected", "true")
    await expect(page.get_by_role("button", name="Write directions first")).to_be_visible()


async def test_narration_and_music_are_reviewed_like_pictures(page: Page) -> None:
    await _open_episode(page)
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


async def test_of_two_drafts_one_is_chosen(page: Page, system: System) -> None:
    await _open_episode(page)
    page.quiet = False  # type: ignore[attr-defined]  # the browser reports the 412
    field = page.get_by_label("Directions")
    await field.fill("Mine")
    asset = system.api.get(f"/segments/{await _selected(page)}")["assets"]["video"]
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


async def test_a_note_is_written_by_keys_drawn_on_the_picture_and_asked_for(page: Page, system: System) -> None:
    await _open_episode(page)
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
    assert not [v for v in await _violations(page) if "notes" in v.lower()]
    await page.keyboard.press("r")
    ask = dialog.get_by_role("checkbox", name="of the picture: Darker")
    await expect(ask).to_be_checked()
    run = page.url.split("review=")[1].split("&")[0]
    await dialog.get_by_role("button", name="Reject", exact=True).click()
    await expect(dialog).to_be_hidden()
    sent = system.api.get(f"/runs/{run}")["review"]
    assert sent["suggested_changes"]["prompt_modifications"].endswith("s, in the bottom left of the picture: Darker")
    assert len(sent["note_ids"]) == 1
    await page.get_by_role("button", name="Review video").or_(dialog).first.wait_for()


async def test_segments_are_reordered_by_keys(page: Page) -> None:
    await _open_episode(page)
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
    await _open_episode(page)
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


async def test_the_palette_and_the_keys_lead_everywhere(page: Page) -> None:
    await _open_episode(page)
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


async def test_two_versions_are_compared_on_one_clock(page: Page) -> None:
    await _open_episode(page)
    if await _committed(page) == 1:  # the other segment has had more than one
        await page.locator("[data-card]").nth(1).click()
        await expect(page.get_by_text("v1 committed")).to_have_count(0)
    await page.get_by_text("Versions", exact=True).click()
    await page.get_by_role("link", name="Compare versions: v").last.click()
    await expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    await expect(page.get_by_role("rowheader", name="Directions", exact=True)).to_be_visible()
    videos = page.locator("video")
    await expect(videos).to_have_count(2)
    await _until(page, "[...document.querySelectorAll('video')].every(v => v.readyState >= 2)")
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


async def test_the_committed_segments_play_as_a_film_without_a_gap(page: Page) -> None:
    await _open_episode(page)
    await page.get_by_role("button", name="Film", exact=True).click()
    film = page.get_by_role("region", name="Film before compiling")
    await _until(page, "[...document.querySelectorAll('[data-film] video')].every(v => v.readyState >= 2)")
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


async def test_while_the_gateway_is_away_drafts_stay_and_nothing_is_missed(page: Page, system: System) -> None:
    await _open_episode(page)
    page.quiet = False  # type: ignore[attr-defined]  # the browser reports each connection that is refused
    await page.get_by_label("Directions").fill(DIRECTIONS + "!")
    await _until(page, "Object.keys(sessionStorage).some(key => key.startsWith('retake-draft'))")
    system.kill("gateway")
    await expect(page.get_by_text("Offline since")).to_be_visible()
    await expect(page.get_by_text("Live")).to_be_visible()
    await expect(page.get_by_label("Directions")).to_have_value(DIRECTIONS + "!")
    await page.reload()  # as after a crash of the tab
    await expect(page.get_by_role("region", name="Messages").get_by_text("is back")).to_be_visible()
    await expect(page.get_by_label("Directions")).to_have_value(DIRECTIONS + "!")
    assert await page.evaluate("JSON.stringify([localStorage, sessionStorage]).includes('Bearer')") is False


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (360, "light")])
async def test_no_screen_violates_a_rule_of_axe(page: Page, width: int, theme: Literal["dark", "light"]) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    await _open_episode(page)
    episode = page.url.split("?")[0]
    project = episode.split("/e/")[0]
    assert await _violations(page) == []
    motion = "getComputedStyle(document.documentElement).getPropertyValue('--motion')"
    assert (await page.evaluate(motion)).startswith("0")  # less motion is asked for: nothing moves
    await page.locator("[data-card]").first.focus()
    for key, opened in (("Control+k", "Search or do…"), ("?", "Keyboard shortcuts")):
        await page.keyboard.press(key)
        await expect(page.get_by_role("heading", name=opened)).to_be_visible()
        assert await _violations(page) == [], opened
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.keyboard.press("Control+a")
    await expect(page.get_by_text("2 segments selected")).to_be_visible()
    assert await _violations(page) == []
    tabs = ("general", "characters", "defaults", "members", "spend", "metrics", "browser")
    places = ["/", project, episode + "/film", "/inbox", project + "/import", project + "/activity", "/nowhere"]
    for address in [*places, *(f"{project}/settings/{tab}" for tab in tabs)]:
        await page.goto(address)
        await expect(page.locator("h1").first).to_be_attached()
        await expect(page.get_by_role("status")).to_have_count(0)
        assert await _violations(page) == [], address


@pytest.mark.parametrize("width", [360, 768, 1440])
async def test_no_screen_scrolls_sideways(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await _open_episode(page)
    for address in (page.url.split("?")[0], page.url.split("?")[0] + "/film", "/inbox", "/"):
        await page.goto(address)
        await expect(page.locator("h1").first).to_be_attached()
        await expect(page.get_by_role("status")).to_have_count(0)
        wide: Any = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, address


async def _approve(page: Page, number: int) -> None:
    """The preview of this segment's video: its dialog opens by itself where the segment is open when it arrives."""
    card = page.locator("[data-card]").nth(number - 1)
    await card.click()
    dialog = page.get_by_role("dialog")
    await _review(page, "Video")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_be_hidden()
    await expect(card.get_by_text("approved")).to_be_visible()


async def _review(page: Page, what: str) -> None:
    """Opens the preview of the open editor as soon as there is one, unless it opens by itself."""
    dialog = page.get_by_role("dialog").filter(has=page.get_by_role("heading", name=f"{what} ready for review"))
    review = page.get_by_role("button", name=f"Review {what.lower()}")
    await expect(dialog.or_(review).first).to_be_visible()
    if not await dialog.is_visible():
        with suppress(PlaywrightTimeout):  # the dialog that opened by itself meanwhile lies over the button
            await review.click(timeout=2000)
    await expect(dialog).to_be_visible()


async def _open_episode(page: Page) -> None:
    await page.goto("/")
    await page.get_by_role("link", name="Harbour").click()
    await page.get_by_role("link", name="Two lights").click()
    await expect(page.get_by_text("Live")).to_be_visible()


async def _until(page: Page, condition: str) -> None:
    """Waits until this JavaScript is true. The page's policy forbids what `wait_for_function` does."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await page.evaluate(condition):
            await asyncio.sleep(0.05)


async def _violations(page: Page) -> list[str]:
    """What axe-core objects to on the page as it is now."""
    await page.evaluate((STUDIO / "node_modules" / "axe-core" / "axe.min.js").read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{v['id']}: {n['html'][:200]}: {n.get('failureSummary')}" for v in found["violations"] for n in v["nodes"]]


async def _committed(page: Page) -> int:
    """The number of the committed version of what is selected."""
    shown = page.get_by_text(re.compile(r"^v\d+ committed$")).first
    await expect(shown).to_be_visible()
    return int((await shown.inner_text()).removeprefix("v").split()[0])


async def _selected(page: Page) -> str:
    return str(await page.locator("[data-card][aria-current]").get_attribute("data-card"))


async def _open_blank(page: Page, system: System, title: str) -> None:
    """An episode with one segment, of which nothing is made."""
    [project] = [p for p in system.api.get("/projects")["data"] if p["name"] == "Harbour"]
    episode = system.api.post(f"/projects/{project['id']}/episodes", {"title": title})["id"]
    system.api.post(f"/episodes/{episode}/segments", {"scene_info": {"location": "公司会议室"}})
    await page.goto(f"/p/{project['id']}/e/{episode}")
    await expect(page.get_by_text("Live")).to_be_visible()


def _object(link: str | None) -> str:
    """What the link shows; its signature may be another."""
    assert link is not None
    return link.split("&exp=")[0]


async def _shows_another(media: Locator, before: str | None) -> None:
    """Waits until another object is shown: a GET follows the event that ends the run."""
    await expect(media).not_to_have_attribute("src", re.compile("^" + re.escape(_object(before))))
    await expect(media).to_have_attribute("src", re.compile(r"\?v="))


def _decide_what_waits(system: System) -> None:
    """No story finds a preview of another one."""
    for project in system.api.get("/projects")["data"]:
        for run in system.api.get(f"/projects/{project['id']}/runs?status=preview_ready")["data"]:
            decision = {"action": "reject", "version_id": run["versions"][0]["id"]}
            system.api.call(
                "POST", f"/runs/{run['id']}/review", json=decision, headers={"Idempotency-Key": str(uuid4())}
            )
