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

from shared.contracts.messages import message, problem_text
from shared.core.errors import RetakeError, Retryable, UserError

TOTAL_S: Final = 300.0
CONNECT_S: Final = 10.0
READ_S: Final = 20.0
MAX_LABEL: Final = 63  # RFC 1035, section 2.3.4
MAX_HOST: Final = 253

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
            raise Retryable("url_slow", message("problem.url_slow", host=host, seconds=f"{TOTAL_S:.0f}")) from None
        except httpx.HTTPError as e:
            reason = f"{e or type(e).__name__}"
            raise Retryable("url_unreachable", message("problem.url_unreachable", host=host, reason=reason)) from e

    async def _public_address(self, host: str) -> str:
        try:
            addresses = await self._resolve(host, 443)
        except (OSError, UnicodeError) as e:  # UnicodeError: a name that IDNA cannot write
            raise _refused(message("problem.url_host_unknown", host=host)) from e
        if not addresses or not all(_is_public(a) for a in addresses):
            raise _refused(message("problem.url_not_public", host=host))
        return addresses[0]


def _checked_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as e:
        raise _refused(message("problem.url_invalid")) from e
    if parts.scheme != "https" or not parts.hostname:
        raise _refused(message("problem.url_not_https"))
    if (
        any(not 0 < len(label) <= MAX_LABEL for label in parts.hostname.rstrip(".").split("."))
        or len(parts.hostname) > MAX_HOST
    ):
        raise _refused(message("problem.url_host_invalid", longest=MAX_LABEL))
    if port not in (None, 443) or parts.username or parts.password:
        raise _refused(message("problem.url_with_extras"))
    return parts


def _is_public(address: str) -> bool:
    """Whether this is an address of the public internet: one that `ipaddress` calls global and that is in none of the
    networks below."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip in _NAT64:
        return _is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _REFUSED_4)
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _REFUSED_6)


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address behind a translator (RFC 6052), which is how IPv6-only networks see every IPv4 host."""

_REFUSED_4: Final = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "192.0.0.0/24",  # protocol assignments (RFC 6890); two of them count as global
            "192.31.196.0/24",  # AS112: answered by whoever is near (RFC 7535)
            "192.52.193.0/24",  # automatic multicast tunnels (RFC 7450)
            "192.88.99.0/24",  # relays from 6to4 (RFC 7526)
            "192.175.48.0/24",  # AS112 (RFC 7534)
            "168.63.129.16/32",  # Azure's host: certificates and settings of virtual machines
        ),
    )
)
"""IPv4 networks that count as global and are not for a stranger's URL (IANA's special-purpose registry, and clouds)."""

_REFUSED_6: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments, among them Teredo and ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address behind a relay
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # 6bone, returned
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
"""IPv6 networks in the allocated range that are not the public internet, whatever Python's tables know of them."""

_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""The IPv6 addresses that are allocated (RFC 4291). That excludes IPv4-mapped and -compatible addresses, a
network's own translators (64:ff9b:1::/48), segment routing (5f00::/16) and site-local addresses."""


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
        return Retryable("url_unreachable", message("problem.url_refused", status=status))
    if 300 <= status < 400:
        return UserError("url_refused", *problem_text("url_redirects"))
    return UserError("url_refused", *problem_text("url_refused", status=status))


def _refused(cause: str) -> UserError:
    return UserError("url_refused", cause, message("problem.url_not_public.recovery"))


async def _resolve(host: str, port: int) -> Sequence[str]:
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in entries]
