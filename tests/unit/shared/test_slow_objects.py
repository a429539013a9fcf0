"""An object store that is slow, or sends a byte now and then: every transfer ends within a bounded time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.topics import Service
from shared.contracts.values import ObjectRef
from shared.core.errors import Retryable
from shared.objects import remote
from shared.objects.remote import RemoteStore
from shared.objects.streams import Digest

CONTENT = b"x" * 200


class Dribbling(RemoteStore):
    """Sends and takes a byte every `pause_s`."""

    def __init__(self, folder: Path, pause_s: float) -> None:
        super().__init__("", Service.GENERATOR, writable=True, work_dir=folder)
        self._pause_s = pause_s
        self.stored: list[str] = []

    async def _upload(self, key: str, source: Path | bytes, found: Digest, content_type: str) -> None:
        for _ in range(found.size):
            await asyncio.sleep(self._pause_s)
        self.stored.append(key)

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:  # type: ignore[override]
        for n in range(len(CONTENT)):
            await asyncio.sleep(self._pause_s)
            yield CONTENT[n : n + 1]


def reference() -> ObjectRef:
    return ObjectRef(
        bucket="generator",
        key="versions/1/content.bin",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        content_type="application/octet-stream",
    )


async def chunks() -> AsyncIterator[bytes]:
    yield CONTENT


async def transfers(store: RemoteStore, folder: Path) -> dict[str, Any]:
    source = folder / "source.bin"
    source.write_bytes(CONTENT)
    return {
        "fetch": store.fetch(reference(), folder / "fetched.bin"),
        "put_file": store.put_file("a", source, "application/octet-stream"),
        "put_bytes": store.put_bytes("b", CONTENT, "application/octet-stream"),
        "put_stream": store.put_stream("c", chunks(), "application/octet-stream", max_size=1000),
    }


async def test_a_store_that_dribbles_is_given_up_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE_S", 0.05)
    store = Dribbling(tmp_path, pause_s=0.02)  # 4 s for what may take 52 ms
    for name, transfer in (await transfers(store, tmp_path)).items():
        with pytest.raises(Retryable) as slow:
            await asyncio.wait_for(transfer, 3)
        assert slow.value.code == "object_store_unavailable", name
        assert "too slow" in slow.value.cause
    assert store.stored == []
    assert [p.name for p in tmp_path.iterdir()] == ["source.bin"]


async def test_a_store_that_is_merely_slow_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PATIENCE_S", 0.0)
    monkeypatch.setattr(remote, "SLOWEST_BYTES_PER_S", 5.0)  # 40 s for all of it: its size counts
    store = Dribbling(tmp_path, pause_s=0.0)
    await asyncio.gather(*(await transfers(store, tmp_path)).values())
    assert (tmp_path / "fetched.bin").read_bytes() == CONTENT
    assert sorted(store.stored) == ["a", "b", "c"]
