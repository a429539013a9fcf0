"""Loop latency: accept POST → `complete` on the stream, on an idle embedded stack.

Held against a floor: the same number of raw Kafka hops (three), each with one PostgreSQL commit before its produce,
with bare aiokafka and asyncpg on the same broker and server. Also: seconds to ready, and the CPU of an idle stack.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench._processes import cpu_s, with_children
from bench._report import percentile, save, table
from shared.messaging.broker import EMBEDDED_FETCH_WAIT_MS

ROUNDS = 60
HOPS = 3  # decision-submitted, accepted, complete
IDLE_S = 10.0
RETAKE = [sys.executable, "-m", "client.cli.main"]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        data = Path(folder) / "data"
        began = time.monotonic()
        up = json.loads(_retake("up", "--data", str(data), "--detach", "--json"))
        ready_s = time.monotonic() - began
        try:
            idle = _idle_cores(data)
            ours = asyncio.run(_accept_to_complete(up["gateway"], up["token"]))
            floor = asyncio.run(_floor(up["kafka"], data))
        finally:
            _retake("down", "--data", str(data))
    result = {
        "ready_s": ready_s, "idle_cores": idle,
        "ours_ms": {"p50": statistics.median(ours), "p99": percentile(ours, 0.99), "all": ours},
        "floor_ms": {"p50": statistics.median(floor), "p99": percentile(floor, 0.99), "all": floor},
        "ratio_p50": statistics.median(ours) / statistics.median(floor),
    }
    table("accept → complete, idle, embedded stack", ["", "p50 ms", "p99 ms"], [
        ["retake", result["ours_ms"]["p50"], result["ours_ms"]["p99"]],
        [f"floor: {HOPS} raw hops with a commit each", result["floor_ms"]["p50"], result["floor_ms"]["p99"]],
        ["ratio (reach: ≤ 2)", result["ratio_p50"], ""],
    ])
    print(f"up to ready {ready_s:.1f} s (reach ≤ 8); idle {idle:.2f} cores (reach ≤ 0.5)")
    print(f"raw numbers: {save('loop', result)}")


def _retake(*args: str) -> str:
    done = subprocess.run([*RETAKE, *args], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"retake {' '.join(args)} failed")  # it has said why on stderr
    return done.stdout


def _idle_cores(data: Path) -> float:
    """CPU seconds per second of every process of the stack, from /proc; NaN where there is none."""
    status = json.loads(_retake("status", "--data", str(data), "--json"))
    pids = [p["pid"] for p in status["parts"].values() if p["pid"]] + [status["supervisor"]]
    time.sleep(3)
    before = cpu_s(with_children(pids))
    time.sleep(IDLE_S)
    return (cpu_s(with_children(pids)) - before) / IDLE_S


async def _accept_to_complete(gateway: str, token: str) -> list[float]:
    """One asset, one starting image a round; only the acceptance is timed."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{gateway}/api/v1", headers=headers, timeout=60) as http:
        project = (await http.get("/projects")).json()["data"][0]["id"]
        body = {"title": "Loop", "output": {"width": 320, "height": 180, "fps": 12, "fit": "blur"},
                "segments": [{"scene_info": {"description": "A lighthouse"}, "duration": 1}]}
        episode = (await http.post(f"/projects/{project}/episodes", json=body)).json()
        shown = (await http.get(f"/episodes/{episode['id']}")).json()
        asset = next(a["id"] for a in shown["assets"] if a["kind"] == "starting_image")
        seen: asyncio.Queue[tuple[str, dict[str, Any], float]] = asyncio.Queue()
        reader = asyncio.create_task(_read(http, f"/projects/{project}/events", seen))
        await _until(seen, "snapshot", None)
        times = []
        for _ in range(ROUNDS):
            run = (await http.post(f"/assets/{asset}/runs", json={})).json()["id"]
            await _until(seen, "preview-ready", run)
            began = time.perf_counter()
            posted = asyncio.create_task(http.post(f"/runs/{run}/review", json={"action": "approve"}))
            arrived = await _until(seen, "complete", run)
            (await posted).raise_for_status()
            times.append((arrived - began) * 1000)
        reader.cancel()
    return times


async def _read(http: httpx.AsyncClient, path: str, seen: asyncio.Queue[Any]) -> None:
    async with http.stream("GET", path, timeout=None) as stream:
        name = ""
        async for line in stream.aiter_lines():
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                seen.put_nowait((name, json.loads(line[5:]), time.perf_counter()))


async def _until(seen: asyncio.Queue[tuple[str, dict[str, Any], float]], name: str, run: str | None) -> float:
    while True:
        found, data, at = await asyncio.wait_for(seen.get(), 30)
        if found == name and (run is None or data.get("run_id") == run):
            return at


async def _floor(bootstrap: str, data: Path) -> list[float]:
    """Three hops a round: commit one row, produce, consume; the next hop begins when the last was consumed."""
    address = json.loads(_retake("status", "--data", str(data), "--json"))["parts"]["postgres"]["address"]
    password = json.loads((data / "secrets.json").read_text())["superuser"]
    connection = await asyncpg.connect(f"postgresql://postgres:{password}@{address}/postgres")
    await connection.execute("create table if not exists floor (id uuid)")
    topic = "bench-floor"
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, fetch_max_wait_ms=EMBEDDED_FETCH_WAIT_MS)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all")
    await consumer.start()
    await producer.start()
    times = []
    try:
        await producer.send_and_wait(topic, b"warm", key=b"k")
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(HOPS):
                mark = uuid4()
                await connection.execute("insert into floor values ($1)", mark)
                await producer.send_and_wait(topic, str(mark).encode(), key=b"k")
                while True:
                    record = await consumer.getone()
                    if record.value == str(mark).encode():
                        break
            times.append((time.perf_counter() - began) * 1000)
    finally:
        await consumer.stop()
        await producer.stop()
        await connection.close()
    return times

