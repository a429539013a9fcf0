"""The provider in docs/guide/providers.md: its code runs and implements the port, and its row fits the registry."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from services.generator.domain.calls import Call, CallState
from services.generator.domain.runs import Lane
from services.generator.providers.base import (
    CallFailed,
    CallRunning,
    CallSucceeded,
    CandidateRequest,
    ProviderHalted,
    ProviderThrottled,
    RemoteProvider,
    SubmissionUnknown,
)
from services.generator.providers.registry import registered_providers
from shared.contracts.catalogue import load_catalogue
from shared.contracts.values import AssetKind
from shared.core.errors import Permanent, Retryable

GUIDE: Final = Path(__file__).resolve().parents[3] / "docs/guide/providers.md"
PROVIDERS: Final = GUIDE.parents[2] / "services/generator/providers"
MODEL: Final = load_catalogue().get("minimax/speech-02-hd")
ORDER: Final = CandidateRequest(
    run_id="run",
    position=0,
    attempt=1,
    kind=AssetKind.NARRATION,
    model=MODEL,
    directions="A boat. " * 125,
    prompt="",
    settings={"speed": 1},
    seed=None,
    label="S1",
)


class Acme:
    """Jobs by the id that their caller gave them. `answer` overrules the next ones."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.answer: Callable[[], httpx.Response] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.answer:
            return self.answer()
        name = request.url.path.rpartition("/")[2]
        match request.method, request.url.path.split("/")[1]:
            case "PUT", "jobs":
                self.jobs[name] = {"state": "running", "asked": json.loads(request.content), "share": 0.5}
            case "DELETE", "jobs":
                self.jobs[name]["state"] = "failed"
            case "GET", "files":
                return httpx.Response(200, content=b"a film")
        return httpx.Response(200, json=self.jobs[name]) if name in self.jobs else httpx.Response(404)


@pytest.fixture
def acme() -> Acme:
    return Acme()


@pytest.fixture
def provider(acme: Acme, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemoteProvider:
    """The guide's file, where a reader would have put it."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    [code] = [block for block in blocks if "class AcmeProvider" in block]
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "provider.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("acme", "acme.provider"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    client = httpx.AsyncClient(transport=httpx.MockTransport(acme), base_url="https://acme.example")
    made: RemoteProvider = importlib.import_module("acme.provider").AcmeProvider(client)
    return made


async def test_it_makes_what_was_asked_and_says_what_it_cost(
    provider: RemoteProvider, acme: Acme, tmp_path: Path
) -> None:
    await provider.prepare(ORDER)
    handle = await provider.submit("call", ORDER)
    assert acme.jobs["call"]["asked"]["text"] == ORDER.directions.strip()
    assert await provider.poll(handle) == CallRunning(0.5)
    acme.jobs["call"] |= {"state": "done", "url": "/files/1", "units": 1000}
    done = await provider.poll(handle)
    assert isinstance(done, CallSucceeded) and done.cost.amount == "0.1"
    made = await provider.fetch(ORDER, done, tmp_path)
    assert made.path.read_bytes() == b"a film"


async def test_it_finds_what_arrived_and_stops_it_at_no_cost(provider: RemoteProvider, acme: Acme) -> None:
    request = await provider.prepare(ORDER)
    call = Call("call", "run", 0, "acme", MODEL.slug, CallState.INTENDED, None, None, datetime.now(UTC), request)
    assert await provider.find_orphan(call, []) is None
    await provider.submit("call", ORDER)
    handle = await provider.find_orphan(call, [replace(call, call_id="other")])
    assert handle
    await provider.cancel(handle)
    acme.jobs["call"]["why"] = "cancelled"
    stopped = await provider.poll(handle)
    assert isinstance(stopped, CallFailed) and stopped.cost.amount == "0"


def test_a_provider_is_a_folder_and_a_row(provider: RemoteProvider) -> None:
    acme = importlib.import_module("acme.provider")
    row = acme.provider()
    assert row.remote and row.lane(AssetKind.VIDEO) is Lane.CALL
    assert "`acme.NAME: acme.provider(),`" in GUIDE.read_text()
    folders = {path.parent.name for path in PROVIDERS.glob("*/provider.py")}
    rows = set(re.findall(r"^ +(\w+)\.NAME: \1\.provider\(\),$", (PROVIDERS / "registry.py").read_text(), re.MULTILINE))
    assert rows == folders == set(registered_providers())


@pytest.mark.parametrize(
    ("status", "error"), [(429, ProviderThrottled), (401, ProviderHalted), (502, SubmissionUnknown), (422, Permanent)]
)
async def test_it_says_what_the_caller_should_do(
    provider: RemoteProvider, acme: Acme, status: int, error: type[Exception]
) -> None:
    acme.answer = lambda: httpx.Response(status, text="no")
    with pytest.raises(error):
        await provider.submit("call", ORDER)
    if status == 502:
        with pytest.raises(Retryable):
            await provider.poll({"id": "call", "price": None})
