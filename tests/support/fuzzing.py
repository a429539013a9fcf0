"""Tests a running gateway against its OpenAPI document with schemathesis. By hand: `make fuzz ARGS='--seeds 1 2'`.

The gateway is the real one, on a port and with a real database; generator and review are played, at once, so that what
is generated from the document meets runs, previews, films and decisions in every state.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from tests.support.gateway_http import Gateway, gateway
from tests.support.http_client import photograph
from tests.support.postgres import embedded_postgres

ROOT: Final = Path(__file__).resolve().parents[2]
CONFIG: Final = ROOT / "schemathesis.toml"
USER: Final = "fuzz"
LIKELY: Final = 0.5  # how often an id is one that exists
EPISODES: Final = 4  # some are deleted on the way

Ids = dict[str, list[str]]


@dataclass
class Target:
    """A running gateway, and the ids of its contents."""

    gateway: Gateway
    url: str
    ids: Ids


@dataclass
class Outcome:
    failures: str
    """The findings of schemathesis, as it reports them; empty if there are none."""
    report: str


@asynccontextmanager
async def target(database_url: str, folder: Path) -> AsyncIterator[Target]:
    """A gateway for the length of the block; simulated services respond to its events within milliseconds."""
    async with gateway(database_url, folder, rate_quota=100_000_000, streams_per_user=1000) as made:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(made.app, lifespan="off", log_level="critical", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        made.app.openapi()  # made once, and not within schemathesis's patience
        ids = await _fill(made)
        playing = asyncio.create_task(_play(made))
        try:
            yield Target(made, f"http://127.0.0.1:{listening.getsockname()[1]}", ids)
            assert not playing.done(), playing.exception()
        finally:
            playing.cancel()
            made.app.state.gateway.hub.drain()
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await playing
            await serving


async def _play(made: Gateway) -> None:
    while True:
        await made.world.settle()
        await asyncio.sleep(0.05)


async def _fill(made: Gateway) -> Ids:
    """A project with episodes in every stage, and one more person to add and remove as a member."""
    api = made.client(USER)
    found: Ids = {"user_id": ["guest", USER]}

    async def post(path: str, **more: Any) -> dict[str, Any]:
        response = await api.post(path, **more)
        assert response.is_success, response.text
        return dict(response.json())

    def note(name: str, value: str) -> None:
        found.setdefault(name, []).append(value)

    for user in ("guest", "host"):
        await made.client(user).get("/me")
    # Somebody else's project: what is fuzzed may edit it, but not delete all of it at once.
    host = made.client("host")
    project = (await host.post("/projects", json={"name": "P"})).json()["id"]
    note("project_id", project)
    await api.get("/me")
    await host.put(f"/projects/{project}/members/{USER}", json={"role": "editor"})
    note("upload_id", (await post(f"/projects/{project}/uploads", content=photograph(hue=3)))["id"])
    note("import_id", (await post(f"/projects/{project}/imports", json={"document": {"title": "I"}}))["id"])
    for n in range(EPISODES):
        document = {
            "title": f"E{n}",
            "segments": [
                {
                    "scene_info": {"description": "A harbour"},
                    "directions": {"video": "Pan", "starting_image": "A harbour"},
                }
            ]
            * 2,
        }
        episode = await post(f"/projects/{project}/episodes", json=document)
        note("episode_id", episode["id"])
        note("batch_id", (await post(f"/episodes/{episode['id']}/batches", json={"auto_approve": n % 2 == 0}))["id"])
        await made.world.settle()
        for segment in episode["segments"]:
            note("segment_id", segment["id"])
            note("asset_id", segment["assets"]["video"])
        if n % 2 == 0:
            note("compilation_id", (await post(f"/episodes/{episode['id']}/compile", json={}))["compilation_job_id"])
    await made.world.settle()
    for run in (await api.get(f"/projects/{project}/runs")).json()["data"]:
        note("run_id", run["id"])
        for version in run["versions"]:
            note("version_id", version["id"])
    found["object_id"] = found["version_id"] + found["upload_id"]
    return found


def configured(ids: Ids) -> str:
    """The configuration from schemathesis.toml, with the ids that exist."""
    lines = [CONFIG.read_text("utf-8")]
    for name, values in ids.items():
        lines.append(f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n")
        for place in ("path", "body"):
            if place == "path" or name in ("segment_id", "version_id", "upload_id"):
                key = json.dumps(f"{place}.{name}")
                lines.append(f'[parameters.{key}]\ndictionary = "{name}"\nprobability = {LIKELY}\n')
    return "\n".join(lines)


async def fuzz(at: Target, folder: Path, seed: int, *options: str) -> Outcome:
    """Run schemathesis in a separate process."""
    config = folder / "schemathesis.toml"
    config.write_text(configured(at.ids), "utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(config),
        "run",
        f"{at.url}/openapi.json",
        "--seed",
        str(seed),
        "--no-color",
        "--generation-database",
        "none",
        *options,
        cwd=ROOT,
        env=os.environ | {"FUZZ_TOKEN": at.gateway.token(USER)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    report = (await process.stdout.read()).decode()
    if await process.wait() == 0:
        return Outcome("", report)
    parts = re.split(r"={10,} (?:FAILURES|ERRORS|SUMMARY) ={10,}", report)
    return Outcome("\n".join(parts[1:-1]).strip() or report, report)


async def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.fuzzing", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--examples", type=int, default=30, help="test cases per operation and phase")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    given = parser.parse_args(arguments)
    logging.disable()  # there is no broker, and the gateway says so every few seconds
    found = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with embedded_postgres(folder / "postgres") as postgres:
            for seed in given.seeds:
                home = folder / str(seed)
                home.mkdir()
                async with target(await postgres.fresh("gateway"), home) as at:
                    outcome = await fuzz(
                        at, home, seed, "--max-examples", str(given.examples), "--phases", given.phases
                    )
                print(outcome.report, flush=True)
                found += bool(outcome.failures)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
