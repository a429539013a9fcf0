"""Hooks of schemathesis (see schemathesis.toml): what is sent stays as valid or invalid as it was generated, but gets
further: keys are new, so that they do not clash with those of other bodies; waits are short; If-Match mostly holds."""

from __future__ import annotations

import random
import re
from typing import Any, Final
from uuid import uuid4

import schemathesis

_KEY: Final = re.compile(r"[ -~]{1,255}")
_ETAG: Final = re.compile(r'"[0-9]{1,9}"')
_REPEATED: Final = 0.1  # how often a key stays what it was: then it was used before, mostly with another body
_drawn: Final = random.Random(1)


@schemathesis.hook
def before_call(context: Any, case: Any, **_: Any) -> None:
    headers = case.headers
    if not headers:
        return
    if _KEY.fullmatch(str(headers.get("Idempotency-Key", ""))) and _drawn.random() > _REPEATED:
        headers["Idempotency-Key"] = str(uuid4())
    if _ETAG.fullmatch(str(headers.get("If-Match", ""))) and _drawn.random() < 0.5:
        headers["If-Match"] = "*"
    if "wait=" in str(headers.get("Prefer", "")):
        headers["Prefer"] = "wait=1" if _drawn.random() < 0.1 else "wait=0"


@schemathesis.check
def problems_help(ctx: Any, response: Any, case: Any) -> None:
    """Every refusal says what it is and what to do, and the headers that go with it are there."""
    if response.status_code < 400 or case.path.startswith("/health"):
        return
    body = response.json()
    assert body["status"] == response.status_code, "status"
    for name in ("type", "title", "detail", "instance", "recovery"):
        assert body[name], f"{name} is empty"
    if response.status_code in (429, 503):
        assert "retry-after" in response.headers, "Retry-After"
    if body["type"] == "/problems/invalid":
        assert body["errors"], "errors"
        assert all(error["detail"] for error in body["errors"]), "errors without words"
