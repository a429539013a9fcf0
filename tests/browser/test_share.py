"""A share link on the page: an owner makes it, a guest sees one episode with it, and no more once it is revoked."""

from __future__ import annotations

from pathlib import Path

import httpx
from playwright.async_api import Browser, expect

from tests.conftest import FreshDatabase
from tests.support.gateway_process import process


async def test_a_guest_sees_one_episode_until_the_link_is_revoked(
    browser: Browser, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    async with process(await fresh_database("gateway"), tmp_path) as (_, port):
        home = f"http://localhost:{port}"
        async with httpx.AsyncClient(base_url=f"{home}/api/v1") as api:
            api.headers["Authorization"] = f"Bearer {(await api.post('/auth/token')).json()['access_token']}"
            project = (await api.post("/projects", json={"name": "Harbour"})).json()["id"]
            segments = [{"scene_info": {"location": "公司会议室", "description": "Lights"}}]
            body = {"title": "Two lights", "segments": segments}
            episode = (await api.post(f"/projects/{project}/episodes", json=body)).json()["id"]
        owner = await browser.new_page()
        guests = await browser.new_context()
        guest = await guests.new_page()
        try:
            await owner.goto(f"{home}/p/{project}/e/{episode}")
            await owner.get_by_role("button", name="Share").click()
            await owner.get_by_label("For whom").fill("Ana of the client")
            await owner.get_by_label("Role").select_option("reviewer")
            await owner.get_by_role("button", name="Create link").click()
            link = await owner.get_by_label("Copy it now").input_value()
            assert link.startswith(f"{home}/s#")

            asked: list[str] = []
            guest.on("request", lambda request: asked.append(request.url))
            await guest.goto(link)
            await expect(guest.get_by_role("heading", name="Two lights")).to_be_visible()
            await expect(guest.get_by_text("Ana of the client")).to_be_visible()
            await expect(guest.get_by_text("Live")).to_be_visible()
            await expect(guest.get_by_role("link", name="Projects")).to_have_count(0)
            await expect(guest.get_by_role("button", name="Share")).to_have_count(0)
            assert guest.url == link  # a reload opens it again
            token = link.partition("#")[2]
            assert not [url for url in asked if token in url.partition("#")[0] or "/projects" in url]
            stored = "Object.keys(localStorage) + Object.keys(sessionStorage) + document.cookie"
            assert await guest.evaluate(stored) == ""

            await owner.get_by_role("button", name="Revoke: Ana of the client").click()
            await expect(owner.get_by_role("button", name="Revoke: Ana of the client")).to_have_count(0)
            await expect(guest.get_by_text("You no longer have access")).to_be_visible(timeout=20_000)
            await guest.reload()
            await expect(guest.get_by_role("heading", name="This link opens nothing")).to_be_visible()
        finally:
            await owner.close()
            await guests.close()
