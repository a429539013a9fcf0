"""Downloads the file at a user's URL, and nothing else that this machine can reach.

Only https on port 443, to a host whose addresses are all public. The connection goes to the address that was checked.
No redirects, proxies or credentials; size and time are limited.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from shared.contracts.messages import problem_text
from shared.core.errors import RetakeError, Retryable, UserError

TOTAL_S: Final = 300.0
CONNECT_S: Final = 10.0
READ_S: Final = 20.0

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves a host and a port to IP addresses."""


class GuardedDownloads:
    """Implements `Downloads`. `transport` and `resolve` are for tests."""

    def __init__(self, *, resolve: Resolve | None = None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._resolve = resolve or _resolve
        self._transport = transport

    async def fetch(self, url: str, path: Path, *, max_size: int) -> None:
        parts = _checked_url(url)
        host = parts.hostname or ""
        address = await self._public_address(host)
        literal = f"[{address}]" if ":" in address else address
        target = httpx.URL(url).copy_with(host=literal, userinfo=b"", fragment=None)
        request = httpx.Request(
            "GET",
            target,
            headers={"Host": host, "Accept": "*/*", "User-Agent": "Retake", "Accept-Encoding": "identity"},
            extensions={"sni_hostname": host, "timeout": httpx.Timeout(READ_S, connect=CONNECT_S).as_dict()},
        )
        try:
            async with (
                asyncio.timeout(TOTAL_S),
                httpx.AsyncClient(trust_env=False, follow_redirects=False, transport=self._transport) as client,
            ):
                await _save(client, request, path, max_size)
        except TimeoutError:
            raise Retryable("url_slow", f"{host} took longer than {TOTAL_S:.0f} s.") from None
        except httpx.HTTPError as e:
            raise Retryable("url_unreachable", f"{host} is unreachable: {e or type(e).__name__}") from e

    async def _public_address(self, host: str) -> str:
        try:
            addresses = await self._resolve(host, 443)
        except OSError as e:
            raise _refused(f"The host {host} does not exist.") from e
        if not addresses or not all(_is_public(a) for a in addresses):
            raise _refused(f"{host} does not resolve to a public address.")
        return addresses[0]


def _checked_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as e:
        raise _refused("The URL is not valid.") from e
    if parts.scheme != "https" or not parts.hostname:
        raise _refused("Only https:// URLs are supported.")
    if port not in (None, 443) or parts.username or parts.password:
        raise _refused("URLs with a port or with credentials are not supported.")
    return parts


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return _is_public(str(inner))
        if ip in _NAT64:
            return _is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip not in _GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address behind a translator
# The IPv6 addresses that are allocated (RFC 4291). That excludes ::a.b.c.d, a network's own translators
# (64:ff9b:1::/48), segment routing (5f00::/16), site-local addresses, and whatever Python's tables do not know yet.
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")


async def _save(client: httpx.AsyncClient, request: httpx.Request, path: Path, max_size: int) -> None:
    response = await client.send(request, stream=True)
    try:
        if response.status_code != 200:
            raise _error(response)
        size = 0
        with path.open("wb") as file:
            async for chunk in response.aiter_raw():  # not decompressed: a compressed response could expand to any size
                size += len(chunk)
                if size > max_size:
                    raise UserError("too_large", *problem_text("too_large", mebibytes=max_size >> 20))
                await asyncio.to_thread(file.write, chunk)
        if size == 0:
            raise UserError("url_empty", *problem_text("url_empty"))
    finally:
        await response.aclose()


def _error(response: httpx.Response) -> RetakeError:
    status = response.status_code
    if status == 429 or status >= 500:
        return Retryable("url_unreachable", f"The server answered {status}.")
    if 300 <= status < 400:
        return _refused("The URL redirects.", "Use the final URL, or upload the file.")
    return UserError("url_refused", *problem_text("url_refused", status=status))


def _refused(cause: str, recovery: str = "Use a public https:// URL, or upload the file.") -> UserError:
    return UserError("url_refused", cause, recovery)


async def _resolve(host: str, port: int) -> Sequence[str]:
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in entries]
