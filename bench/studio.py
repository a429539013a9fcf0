"""The studio in Chromium with an episode of 200 segments: how soon the page shows, answers and follows."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, ViewportSize

from bench._report import save, table
from deploy.local.supervisor.preflight import free_port
from tests.support.chromium import chromium
from tests.support.system import System, start

SEGMENTS: Final = 200
EVENTS: Final = 40
REACH: Final = {
    "event → pixels p95, ms": 50,
    "largest contentful paint, ms": 1000,
    "layout shift": 0.05,
    "interaction p98, ms": 100,
    "longest frame of scrolling, ms": 33,
    "heap, MB": 120,
    "first frame of a preview, ms": 500,
}

# Before the page's own scripts: when a chunk of the stream came, and when the next frame after it was painted.
WATCH: Final = """
window.bench = { latencies: [], lcp: 0, shift: 0, interactions: [] };
const read = ReadableStreamDefaultReader.prototype.read;
ReadableStreamDefaultReader.prototype.read = async function (...args) {
  const result = await read.apply(this, args);
  const text = typeof result.value === 'string' ? result.value : '';
  // Each of these moves a card; of the others many say what is shown already, and would be timed until something else.
  if (text.includes('event: regenerate-requested')) {
    const came = performance.now();
    const changed = new MutationObserver(() => {
      changed.disconnect();
      const channel = new MessageChannel();
      requestAnimationFrame(() => {
        channel.port1.onmessage = () => window.bench.latencies.push(performance.now() - came);
        channel.port2.postMessage(0);
      });
    });
    changed.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  }
  return result;
};
const observe = (type, each, options = {}) =>
  new PerformanceObserver((list) => list.getEntries().forEach(each)).observe({ type, buffered: true, ...options });
observe('largest-contentful-paint', (e) => { window.bench.lcp = e.startTime; });
observe('layout-shift', (e) => { if (!e.hadRecentInput) window.bench.shift += e.value; });
const interaction = (e) => { if (e.interactionId) window.bench.interactions.push(e.duration); };
observe('event', interaction, { durationThreshold: 16 });
"""

SCROLL: Final = """async () => {
  const list = document.querySelector('[data-card]').closest('ol');
  const frames = [];
  let before = performance.now();
  for (let at = 0; at < list.scrollWidth - list.clientWidth; at += 120) {
    list.scrollLeft = at;
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - before);
    before = now;
  }
  return frames.slice(1);
}"""


# From the click that opens a preview to its first frame presented.
FIRST_FRAME: Final = """() => new Promise(done => addEventListener('click', () => {
  const began = performance.now();
  const look = () => {
    const video = document.querySelector('dialog video');
    if (video === null) requestAnimationFrame(look);
    else video.requestVideoFrameCallback(() => done(performance.now() - began));
  };
  look();
}, { once: true, capture: true }))"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        system = start(Path(folder) / "data", "--port", str(free_port()))
        try:
            found = asyncio.run(_measure(system))
        finally:
            system.down()
    rows = [[name, value, f"≤ {REACH[name]}"] for name, value in found.items()]
    table(f"the studio with {SEGMENTS} segments open", ["", "measured", "reach"], rows)
    print(f"raw numbers: {save('studio', {'measured': found, 'reach': REACH})}")


async def _measure(system: System) -> dict[str, float]:
    project, episode = _episode(system)
    async with chromium() as browser:
        size: ViewportSize = {"width": 1440, "height": 900}
        # Playwright's waiting evaluates strings, which the page's policy forbids.
        context = await browser.new_context(base_url=system.gateway, viewport=size, bypass_csp=True)
        page = await context.new_page()
        await page.add_init_script(WATCH)
        await page.goto(f"/p/{project}/e/{episode}")
        await page.locator("[data-card]").nth(SEGMENTS - 1).wait_for(state="attached")
        await page.get_by_text("Live").wait_for()
        await page.wait_for_timeout(1000)
        lcp, shift = await page.evaluate("[window.bench.lcp, window.bench.shift]")
        frames = await page.evaluate(SCROLL)
        await _interact(page)
        await _events(page, system, episode)
        heap = await page.evaluate("performance.memory.usedJSHeapSize / 1e6")
        bench: dict[str, list[float]] = await page.evaluate("window.bench")
        return {
            "event → pixels p95, ms": _percentile(bench["latencies"], 95),
            "largest contentful paint, ms": lcp,
            "layout shift": shift,
            # Chromium rounds to 8 ms and tells none under 16.
            "interaction p98, ms": _percentile(bench["interactions"] or [16], 98),
            "longest frame of scrolling, ms": max(frames),
            "heap, MB": heap,
            "first frame of a preview, ms": await _first_frame(page, system, project, episode),
        }


def _episode(system: System) -> tuple[str, str]:
    api = system.api
    project = api.post("/projects", {"name": "Bench"})["id"]
    episode = api.post(f"/projects/{project}/episodes", {"title": "Two hundred"})["id"]
    for number in range(SEGMENTS):
        body: dict[str, Any] = {"scene_info": {"location": f"Place {number + 1}"}, "duration": 5}
        api.post(f"/episodes/{episode}/segments", body)
    return project, episode


async def _interact(page: Page) -> None:
    await page.locator("[data-card]").first.focus()
    for _ in range(20):
        await page.keyboard.press("ArrowRight")
        await page.wait_for_timeout(60)
    await page.get_by_label("Directions").focus()
    await page.keyboard.type("Push in slowly on the lights", delay=40)
    for tab in ("Starting image", "Narration", "Video"):
        await page.get_by_role("tab", name=tab).click()
        await page.wait_for_timeout(100)


async def _events(page: Page, system: System, episode: str) -> None:
    """Runs of starting images: the card of a segment without a video shows how far its picture is."""
    segments = system.api.get(f"/episodes/{episode}")["segments"]
    for segment in segments[:EVENTS]:
        system.api.post(f"/assets/{segment['assets']['starting_image']}/runs", {"directions": "A pier at dusk"})
        await page.wait_for_timeout(150)
    await page.wait_for_function(f"window.bench.latencies.length >= {EVENTS}", timeout=120_000)


async def _first_frame(page: Page, system: System, project: str, episode: str) -> float:
    """Of a video of 5 s at the size that new projects have."""
    api = system.api
    segment = api.get(f"/episodes/{episode}")["segments"][-1]
    for kind in ("starting_image", "video"):
        run = api.post(f"/assets/{segment['assets'][kind]}/runs", {"directions": "A pier at dusk"})["id"]
        waits = await asyncio.to_thread(api.until, f"/runs/{run}", lambda found: found["status"] == "preview_ready")
        if kind == "starting_image":
            api.post(f"/runs/{run}/review", {"action": "approve", "version_id": waits["versions"][0]["id"]})
            await asyncio.to_thread(api.until, f"/runs/{run}", lambda found: found["status"] == "complete")
    await page.goto(f"/p/{project}/e/{episode}?s={segment['id']}&k=video")
    review = page.get_by_role("button", name="Review video")
    await review.wait_for()
    measured = asyncio.create_task(page.evaluate(FIRST_FRAME))
    await page.wait_for_timeout(500)
    await review.click()
    return float(await measured)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


if __name__ == "__main__":
    main()
