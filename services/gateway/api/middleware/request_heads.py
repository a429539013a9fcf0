"""The head of a request before anything else reads it: its size, and the cookies that are ours.

Neither `http.cookies` nor the framework sees a Cookie header: unquoting a value that is all backslashes and quotes
takes time that is quadratic in its length (CVE-2024-7592), and the framework unquotes the cookies of every request.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.types import Scope

from services.gateway.api.problems import ProblemError
from services.gateway.domain.problems import Slug
from shared.contracts.messages import message

MAX_HEADER: Final = 16 * 1024
"""Bytes of one header's value. Nothing that we read is longer: the longest is an issuer's token."""
MAX_HEADERS: Final = 100
SESSION_COOKIE: Final = "retake_session"
SESSION: Final = "retake.session"
"""Key of the ASGI scope: the session cookie's value, or None."""
COOKIES: Final = "retake.cookies"
"""Key of the ASGI scope: the values of all cookies of ours, by name."""

_OURS: Final = re.compile(rb"(?:__Host-)?retake_[a-z0-9_]{1,40}")
_TOKEN: Final = re.compile(rb"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")  # RFC 6265: cookie-octet
_HOST: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::([0-9]{1,5}))?", re.ASCII)


def read_head(scope: Scope) -> None:
    """Takes the cookies out of the scope's headers and leaves our own as `SESSION` and `COOKIES`. Raises ProblemError
    malformed for a head that is too large."""
    if len(scope["headers"]) > MAX_HEADERS:
        raise _refused(message("problem.headers_too_many", count=len(scope["headers"]), most=MAX_HEADERS))
    for name, value in scope["headers"]:
        if len(value) > MAX_HEADER:
            shown = name[:100].decode("latin-1")
            raise _refused(message("problem.header_too_large", header=shown, size=len(value), most=MAX_HEADER))
    scope[COOKIES] = _cookies(scope)
    scope[SESSION] = scope[COOKIES].get(SESSION_COOKIE)
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"cookie"]


def _cookies(scope: Scope) -> dict[str, str]:
    """The first cookie of each name of ours. Our values need no escapes, so a value that has any is not ours."""
    found: dict[str, str | None] = {}
    for header, line in scope["headers"]:
        if header != b"cookie":
            continue
        for pair in line.split(b";"):
            name, _, value = pair.strip().partition(b"=")
            if _OURS.fullmatch(name):
                found.setdefault(name.decode(), value.decode() if _TOKEN.fullmatch(value) else None)
    return {name: value for name, value in found.items() if value is not None}


def host_name(host: str) -> str | None:
    """The name in a Host header, lower case, without its port; None for what is no `name[:port]` (RFC 9110, 7.2).
    An address that also has a user or a path in it means another host to some programs."""
    found = _HOST.fullmatch(host.lower())
    return found.group(1) if found else None


def _refused(detail: str) -> ProblemError:
    return ProblemError(
        Slug.MALFORMED,
        detail,
        recovery=message("problem.head_too_large.recovery"),
        headers={"Connection": "close"},
    )
