"""Predictions: how they come to be, run, end and are forgotten; and the account's books."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.support.replicate.faults import Fault, Faults
from tests.support.replicate.media import Studio
from tests.support.replicate.schemas import made_as

TERMINAL = ("succeeded", "failed", "canceled", "aborted")
# Seconds that a prediction takes, as measured by others; a queue of about a second before it.
TAKES = {
    "seedance-1-lite": 38,
    "seedance-1-pro-fast": 47,
    "veo-3.1-fast": 62,
    "seedream-4": 14,
    "nano-banana": 10,
    "qwen-image": 8,
    "speech-02-hd": 2,
    "stable-audio-2.5": 6,
}
QUEUE_S = 1.0
RETENTION_S = 3600.0
LIST_OUTPUT = ("bytedance/seedream-4", "qwen/qwen-image")


def iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


@dataclass
class Prediction:
    id: str
    model: str
    input: dict[str, Any]
    created_at: datetime
    deadline: datetime | None
    webhook: str | None
    filter: list[str] | None
    fault: Fault | None
    status: str = "starting"
    output: Any = None
    error: str | None = None
    logs: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    data_removed: bool = False
    file: Path | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        """What a fault's `matching` looks into."""
        return f"{self.model} {json.dumps(self.input, ensure_ascii=False)}"

    def body(self, base: str, *, echo_webhook: bool) -> dict[str, Any]:
        found: dict[str, Any] = {
            "id": self.id,
            "model": self.model,
            "version": "hidden",
            "input": {} if self.data_removed else self.input,
            "logs": self.logs,
            "output": None if self.data_removed else self.output,
            "error": self.error,
            "status": self.status,
            "source": "api",
            "data_removed": self.data_removed,
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at),
            "completed_at": iso(self.completed_at),
            "urls": {
                "get": f"{base}/v1/predictions/{self.id}",
                "cancel": f"{base}/v1/predictions/{self.id}/cancel",
                "web": f"{base}/p/{self.id}",
            },
        }
        if self.deadline:
            found["deadline"] = iso(self.deadline)
        if self.metrics:
            found["metrics"] = self.metrics
        if self.webhook and echo_webhook:
            found |= {"webhook": self.webhook, "webhook_events_filter": self.filter}
        return found


@dataclass
class Account:
    """`speed` divides every span but `retention_s`; `books` counts what a test asks for."""

    studio: Studio
    base: Callable[[], str]
    speed: float = 1.0
    key: bytes = field(default_factory=lambda: secrets.token_bytes(24))
    faults: Faults = field(default_factory=Faults)
    predictions: dict[str, Prediction] = field(default_factory=dict)
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    retention_s: float = RETENTION_S
    webhooks_sent: list[tuple[str, int | None]] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    echo_webhook_in_list: bool = True
    leaked_tokens: int = 0
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def paid(self) -> list[Prediction]:
        """Those that Replicate charges: all that succeeded."""
        return [p for p in self.predictions.values() if p.status == "succeeded"]

    def create(
        self,
        model: str,
        given: dict[str, Any],
        *,
        cancel_after: float | None,
        webhook: str | None,
        events: list[str] | None,
        image: bytes | None,
    ) -> Prediction:
        now = datetime.now(UTC)
        deadline = None if cancel_after is None else now + timedelta(seconds=cancel_after / self.speed)
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        found = Prediction(
            "".join(secrets.choice(letters) for _ in range(26)), model, given, now, deadline, webhook, events, None
        )
        found.fault = self.faults.draw("prediction", found.text)
        self.predictions[found.id] = found
        found.task = self.background(self._live(found, image))
        return found

    def background(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _live(self, p: Prediction, image: bytes | None) -> None:
        seconds = None if p.deadline is None else (p.deadline - p.created_at).total_seconds()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._run(p, image)
        if p.status not in TERMINAL:  # its deadline: before it began it is aborted, afterwards cancelled
            self.end(p, "aborted" if p.status == "starting" else "canceled")
        await asyncio.sleep(0 if p.fault and p.fault.do == "forget" else self.retention_s)
        self.forget(p)

    async def _run(self, p: Prediction, image: bytes | None) -> None:
        fault = p.fault.do if p.fault else ""
        args = p.fault.args if p.fault else {}
        if fault == "abort":
            return self.end(p, "aborted")
        await asyncio.sleep(10**6 if fault == "never_start" else QUEUE_S / self.speed)
        p.status, p.started_at = "processing", datetime.now(UTC)
        usual = TAKES[made_as(p.model, {})[0].split("/")[1]] / self.speed
        takes = 10**6 if fault == "never_end" else args.get("seconds", usual)
        for percent in (0, 50, 100):
            p.logs += f"generating: {percent}%\n"
            await asyncio.sleep(takes / 3)
        if fault == "fail":
            return self.end(p, "failed", error=args["error"])
        p.file, billed = await self.studio.make(*made_as(p.model, p.input), image)
        url = f"{self.base()}/output/{p.id}/{'tmp' if p.model in LIST_OUTPUT else 'out'}{p.file.suffix}"
        p.output = args["value"] if fault == "output" else [url] if p.model in LIST_OUTPUT else url
        p.metrics = billed
        self.end(p, "succeeded")
        return None

    def end(self, p: Prediction, status: str, error: str | None = None) -> None:
        if p.status in TERMINAL:
            return
        now = datetime.now(UTC)
        p.status, p.error, p.completed_at = status, error, now
        p.metrics |= {"total_time": (now - p.created_at).total_seconds()}
        if p.started_at:
            p.metrics |= {"predict_time": (now - p.started_at).total_seconds()}
        p.done.set()
        if p.webhook and (p.filter is None or "completed" in p.filter):
            self.background(self.notify(p))

    def cancel(self, p: Prediction) -> None:
        if p.status in TERMINAL:
            return
        self.end(p, "canceled")
        if p.task:
            p.task.cancel()

    def forget(self, p: Prediction) -> None:
        """An hour later. Nothing brings it back."""
        p.data_removed, p.file = True, None

    async def notify(self, p: Prediction) -> None:
        fault = self.faults.draw("webhook", p.text)
        do = fault.do if fault else ""
        if do == "lose":
            return
        if do == "late":
            assert fault
            await asyncio.sleep(fault.args["seconds"])
        body = json.dumps(p.body(self.base(), echo_webhook=True)).encode()
        at = datetime.now(UTC) - timedelta(minutes=20 if do == "old" else 0)
        headers = signed(b"not the key" if do == "forge" else self.key, f"msg_{p.id}", at, body)
        for _ in range(2 if do == "duplicate" else 1):
            await self._deliver(p, headers, body)

    async def _deliver(self, p: Prediction, headers: dict[str, str], body: bytes) -> None:
        """Tried again for about a minute."""
        assert p.webhook
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            for delay in (0, 5, 15, 40):
                await asyncio.sleep(delay / self.speed)
                status = None
                with suppress(httpx.HTTPError):
                    status = (await client.post(p.webhook, content=body, headers=headers)).status_code
                self.webhooks_sent.append((p.id, status))
                if status is not None and status < 300:
                    return


def signed(key: bytes, webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    digest = hmac.digest(key, f"{webhook_id}.{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": stamp,
        "content-type": "application/json",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
