"""The peer: the loop as one durable DBOS workflow behind HTTP, in one process, as its documentation recommends.

`python server.py PORT DATABASE_URL`. POST /runs starts a workflow and returns its id when the preview is ready; POST
/runs/ID approves and returns when the workflow is complete. The steps do nothing; the only rows are those that DBOS
writes. Handles of running workflows are kept, so that results need no polling.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from dbos import DBOS, DBOSConfig
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

PATIENCE_S = 120
CONNECTIONS = 40

running: dict[str, Any] = {}


@DBOS.step()
async def admit(asset: str) -> dict[str, str]:
    return {"asset_id": asset, "state": "requested"}


@DBOS.step()
async def generate(asset: str) -> dict[str, str]:
    return {"asset_id": asset, "version_id": "1"}


@DBOS.step()
async def accept(asset: str, version: str) -> dict[str, str]:
    return {"asset_id": asset, "version_id": version, "state": "accepted"}


@DBOS.step()
async def commit(asset: str, version: str) -> dict[str, str]:
    return {"asset_id": asset, "version_id": version, "state": "complete"}


@DBOS.workflow()
async def loop(asset: str) -> str:
    await admit(asset)
    version = (await generate(asset))["version_id"]
    await DBOS.set_event_async("preview", version)
    if await DBOS.recv_async(timeout_seconds=PATIENCE_S) != "approve":
        raise TimeoutError("nobody decided")
    await accept(asset, version)
    await commit(asset, version)
    return version


async def start(request: Request) -> JSONResponse:
    handle = await DBOS.start_workflow_async(loop, (await request.json())["asset"])
    run = handle.get_workflow_id()
    running[run] = handle
    if await DBOS.get_event_async(run, "preview", timeout_seconds=PATIENCE_S) is None:
        return JSONResponse({"error": "no preview"}, 504)
    return JSONResponse({"id": run}, 201)


async def approve(request: Request) -> JSONResponse:
    run = request.path_params["run"]
    await DBOS.send_async(run, "approve")
    return JSONResponse({"version_id": await running.pop(run).get_result()})


@asynccontextmanager
async def launched(_: Starlette) -> AsyncIterator[None]:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": sys.argv[2],
        "log_level": "ERROR",
        "sys_db_pool_size": CONNECTIONS,
        "run_admin_server": False,
    }
    DBOS(config=config)
    DBOS.launch()
    yield
    DBOS.destroy()


app = Starlette(
    routes=[Route("/runs", start, methods=["POST"]), Route("/runs/{run}", approve, methods=["POST"])], lifespan=launched
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
