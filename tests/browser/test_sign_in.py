"""Signing in on the page, at the suite's issuer: there and back, over unfinished work, in all tabs, and out again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from deploy.local.supervisor.preflight import free_port
from tests.conftest import FreshDatabase
from tests.support.gateway_process import process
from tests.support.oidc.process import Issuer, issuer


@pytest_asyncio.fixture
async def at() -> AsyncIterator[Issuer]:
    async with issuer() as made:
        yield made


@pytest_asyncio.fixture
async def home(at: Issuer, fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[str]:
    port = free_port()
    url = f"http://localhost:{port}"
    settings = {
        "local_mode": "false",
        "oidc_issuer": at.url,
        "oidc_client_id": "studio",
        "oidc_client_secret": "client-secret",
        "oidc_name": "Film ID",
        "public_url": url,
    }
    async with process(await fresh_database("gateway"), tmp_path, port, **settings):
        yield url


async def test_a_person_signs_in_and_out(browser: Browser, at: Issuer, home: str) -> None:
    context = await browser.new_context(base_url=home)
    page = await context.new_page()
    sign_in = page.get_by_role("link", name="Sign in with Film ID")
    try:
        await at.login(error="access_denied")
        await page.goto("/settings")
        await sign_in.click()
        await expect(page.get_by_role("alert")).to_contain_text("did not sign you in")
        await at.login(error=None, life=3)  # so that the page soon asks for another
        await sign_in.click()
        await page.wait_for_url(f"{home}/settings")  # where the person was
        await expect(page.get_by_text("Signed in as Ana")).to_be_visible()

        await page.reload()  # without a redirect, and with nothing that a script could read
        await expect(page.get_by_text("Signed in as Ana")).to_be_visible()
        assert await page.evaluate("document.cookie + Object.keys(localStorage) + Object.keys(sessionStorage)") == ""

        await _work_outlives_a_sign_in(page, at)

        good = (await at.login())["refresh_tokens"]
        other = await context.new_page()
        await other.goto("/settings")
        await other.get_by_role("button", name="Sign out").click()
        await other.wait_for_url(f"{home}/")  # by the issuer's own page
        await expect(other.get_by_role("link", name="Sign in with Film ID")).to_be_visible()
        await expect(page.get_by_role("heading", name="Your sign-in is over")).to_be_visible()
        assert len((await at.login())["refresh_tokens"]) == len(good) - 1
    finally:
        await context.close()


async def _work_outlives_a_sign_in(page: Page, at: Issuer) -> None:
    """The sign-in ends while a person types; they sign in in another tab, and what was typed is still there."""
    await page.goto("/")
    await page.get_by_role("button", name="New project").click()
    await page.get_by_label("Name").fill("Harbour")
    context = page.context
    await context.clear_cookies()
    await at.login(life=600)
    dialog = page.get_by_role("dialog", name="Your sign-in is over")
    await expect(dialog).to_be_visible(timeout=30_000)
    async with context.expect_page() as opened:
        await dialog.get_by_role("link", name="Sign in with Film ID").click()
    tab = await opened.value
    await expect(tab.get_by_role("heading", name="You are signed in")).to_be_visible()
    await tab.close()
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_label("Name")).to_have_value("Harbour")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("link", name="Harbour")).to_be_visible()
