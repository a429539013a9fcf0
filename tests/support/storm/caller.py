"""A careful client: repeats a command with its key until there is a final answer, at whichever gateway answers."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.support.storm.history import Answer

AGAIN_S: Final = (0.1, 1.0)
TIMEOUT_S: Final = 10.0
UPLOAD_S: Final = 60.0  # a file is inspected by a process of its own, which starts slowly on a busy machine
PATIENCE_S: Final = 240.0
IN_FLIGHT: Final = "/problems/idempotency-in-flight"


class GaveUp(Exception):
    """No final answer within PATIENCE_S: the system is unavailable for longer than any fault lasts."""


@dataclass
class Caller:
    """`answers` are all final ones; `repeats` counts the others. An answer of 500 is final: it must not happen."""

    name: str
    token: str
    gateways: Sequence[str]
    http: httpx.AsyncClient
    dice: random.Random
    answers: list[Answer] = field(default_factory=list)
    repeats: int = 0
    unexpected: list[str] = field(default_factory=list)

    async def get(self, path: str, *, foreign: bool = False) -> Any:
        """The body of a 200; None for anything else."""
        answer = await self._final("GET", path, {}, None)
        if foreign:
            self.answers.append(Answer(self.name, "", "GET", path, answer.status_code, None, foreign=True))
        return answer.json() if answer.status_code == 200 else None

    async def post(self, path: str, body: Any = None, *, makes: str = "", id_at: str = "id") -> Any:
        """The body of a success; None if it is refused. `makes`: the table that holds the result, by `id_at`."""
        return await self.command("POST", path, body or {}, makes=makes, id_at=id_at)

    async def command(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        makes: str = "",
        id_at: str = "id",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        key = str(uuid.UUID(int=self.dice.getrandbits(128)))
        sent = {"Idempotency-Key": key, "Prefer": "respond-async"} | dict(headers or {})
        answer = await self._final(method, path, sent, body)
        told = answer.json() if answer.content else None
        made = str(told[id_at]) if makes and answer.is_success else ""
        self.answers.append(Answer(self.name, key, method, path, answer.status_code, None, makes, made))
        if answer.is_success and method == "POST" and self.dice.random() < 0.1:
            await self._repeat(path, sent, body, makes, id_at, key)
        return told if answer.is_success else None

    async def _repeat(self, path: str, sent: Mapping[str, str], body: Any, makes: str, id_at: str, key: str) -> None:
        """As a client does whose network lost the answer."""
        answer = await self._final("POST", path, sent, body)
        if not answer.is_success:
            self.unexpected.append(f"the repeat of POST {path} was answered {answer.status_code} {answer.text[:200]}")
        elif makes:
            made = str(answer.json()[id_at])
            self.answers.append(Answer(self.name, key, "POST", path, answer.status_code, None, makes, made))

    async def _final(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> httpx.Response:
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE_S
        given: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        if body is None:
            given = {}
        while True:
            gateway = self.dice.choice(self.gateways)
            try:
                answer = await self.http.request(
                    method,
                    f"{gateway}/api/v1{path}",
                    headers={"Authorization": f"Bearer {self.token}", **headers},
                    timeout=UPLOAD_S if isinstance(body, bytes) else TIMEOUT_S,
                    **given,
                )
            except httpx.HTTPError:
                pass
            else:
                if answer.status_code == 500:
                    self.unexpected.append(f"{method} {path}: 500 {answer.text[:300]}")
                elif not _says_again(answer):
                    return answer
            self.repeats += 1
            if loop.time() > end:
                raise GaveUp(f"{self.name}: no final answer to {method} {path} in {PATIENCE_S:.0f} s")
            await asyncio.sleep(self.dice.uniform(*AGAIN_S))


def _says_again(answer: httpx.Response) -> bool:
    return answer.status_code in (429, 502, 503, 504) or (
        answer.status_code == 409 and answer.json().get("type") == IN_FLIGHT
    )
