"""The system's Chromium, driven by Playwright: a real browser, including H.264 and EventSource."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright
from playwright.async_api import Error as PlaywrightError

from tests.support.components import Missing

NAMES = ("chromium", "chromium-browser", "google-chrome")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser. Raises Missing if it is not installed or does not start.

    `--no-sandbox`: as root in a container Chromium has no sandbox anyway, and it opens only pages of Retake.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise Missing(f"none of {', '.join(NAMES)} is installed")
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(
                executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"], timeout=120_000
            )
        except PlaywrightError as e:
            raise Missing(f"{found} does not start: {e}") from e
        try:
            yield browser
        finally:
            await browser.close()
