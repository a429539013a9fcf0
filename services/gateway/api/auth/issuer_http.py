"""Requests to an OIDC issuer: bounded in time and size, never redirected, never through a proxy of the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx

TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 256 * 1024


class IssuerRefused(Exception):
    """The issuer understood the request and refused it; `error` is OAuth's code (RFC 6749, section 5.2)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}" if description else error)
        self.error = error


def open_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """`transport` is for tests."""
    return httpx.AsyncClient(transport=transport, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)


async def discover(client: httpx.AsyncClient, issuer: str) -> dict[str, Any]:
    """What the issuer says of itself (OpenID Connect Discovery 1.0). Raises ValueError, httpx.HTTPError."""
    found = await fetch_json(client, "GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
    if found.get("issuer") != issuer:
        raise ValueError(f"discovery tells of another issuer: {found.get('issuer')!r}")
    return found


async def fetch_json(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The object that it answers with. Raises IssuerRefused, ValueError (anything else that is no success),
    httpx.HTTPError."""
    asked = {"Accept": "application/json", **(headers or {})}
    async with client.stream(method, url, data=form, headers=asked) as response:
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MAX_BYTES:
                raise ValueError(f"{url} answers with more than {MAX_BYTES} bytes")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if response.status_code in (400, 401) and isinstance(found, dict) and isinstance(found.get("error"), str):
        raise IssuerRefused(found["error"][:100], str(found.get("error_description") or "")[:300])
    if response.status_code != 200:
        raise ValueError(f"{url} answers {response.status_code}")
    if not isinstance(found, dict):
        raise ValueError(f"{url} answers with no object")
    return found
