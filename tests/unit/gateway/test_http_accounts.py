"""Tokens, sessions, limits, settings."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from services.gateway.api.auth.tokens import LEEWAY_S, LocalTokens
from services.gateway.api.middleware.rate_limit import TRACKED, RateLimit
from services.gateway.config import Settings
from services.gateway.domain.identity import InvalidToken
from tests.support.clock import FakeClock

SECRET = "a secret of at least thirty-two bytes"


def tokens(clock: FakeClock) -> LocalTokens:
    return LocalTokens(SECRET, issuer="retake", audience="retake", clock=clock)


async def test_a_token_says_who_it_is_until_it_expires(clock: FakeClock) -> None:
    token = tokens(clock).issue("ana", "Ana", timedelta(hours=1))
    identity = await tokens(clock).verify(token)
    assert (identity.user_id, identity.name) == ("ana", "Ana")
    clock.move(3600 + LEEWAY_S + 1)
    with pytest.raises(InvalidToken, match="expired"):
        await tokens(clock).verify(token)


async def test_tokens_and_sessions_of_an_older_secret_are_accepted_while_it_is_rotated(clock: FakeClock) -> None:
    def of(*secrets: str) -> LocalTokens:
        return LocalTokens(*secrets, issuer="retake", audience="retake", clock=clock)

    new, hour = "another secret of thirty-two bytes", timedelta(hours=1)
    rotating = of(new, SECRET)
    identity = await rotating.verify(of(SECRET).issue("ana", "Ana", hour))
    cookie, _ = of(SECRET).open_session(identity)
    assert rotating.verify_session(cookie).identity.user_id == "ana"
    assert (await of(new).verify(rotating.issue("ana", "Ana", hour))).user_id == "ana", "the first signs"
    with pytest.raises(InvalidToken):
        await rotating.verify(of("a third secret of thirty-two bytes").issue("ana", "Ana", hour))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"aud": "other"},
        {"aud": "retake-session"},
        {"exp": None},
        {"sub": None},
        {"iss": None},
        {"aud": None},
        {"exp": "soon"},
        {"sub": 5},
    ],
)
async def test_every_claim_is_pinned(clock: FakeClock, change: dict[str, Any]) -> None:
    claims = {"iss": "retake", "aud": "retake", "sub": "ana", "exp": int(clock.now().timestamp()) + 60} | change
    token = jwt.encode({k: v for k, v in claims.items() if v is not None}, SECRET, "HS256")
    with pytest.raises(InvalidToken):
        await tokens(clock).verify(token)


async def test_other_algorithms_and_keys_are_refused(clock: FakeClock) -> None:
    claims = {"iss": "retake", "aud": "retake", "sub": "ana", "exp": int(clock.now().timestamp()) + 60}
    for token in (
        jwt.encode(claims, None, "none"),
        jwt.encode(claims, SECRET * 2, "HS512"),
        jwt.encode(claims, SECRET + "x", "HS256"),
        "",
        "a.b.c",
        "é",
    ):
        with pytest.raises(InvalidToken):
            await tokens(clock).verify(token)


async def test_a_session_is_no_token_and_lives_no_longer_than_its_token(clock: FakeClock) -> None:
    t = tokens(clock)
    identity = await t.verify(t.issue("ana", "Ana", timedelta(hours=1)))
    session, seconds = t.open_session(identity)
    assert seconds == 3600
    assert t.verify_session(session).identity.user_id == "ana"
    assert t.verify_session(session).session_id != t.verify_session(t.open_session(identity)[0]).session_id
    with pytest.raises(InvalidToken):
        await t.verify(session)
    with pytest.raises(InvalidToken):
        t.verify_session(t.issue("ana", "Ana", timedelta(hours=1)))
    _, longest = t.open_session(await t.verify(t.issue("ana", "Ana", timedelta(days=3))))
    assert longest == 12 * 3600


def test_a_window_counts_down_and_begins_again(clock: FakeClock) -> None:
    limit = RateLimit(3, 60, clock)
    standings = [limit.take("user", "ana") for _ in range(4)]
    assert [s.remaining for s in standings] == [2, 1, 0, -1]
    assert [s.exceeded for s in standings] == [False, False, False, True]
    assert dict(standings[0].headers()) == {b"ratelimit-policy": b'"user";q=3;w=60', b"ratelimit": b'"user";r=2;t=60'}
    assert not limit.take("user", "bob").exceeded
    clock.move(59.5)
    late = limit.take("user", "ana")
    assert late.exceeded
    assert (late.reset_s, dict(late.headers())[b"ratelimit"]) == (1, b'"user";r=0;t=1')
    clock.move(0.5)
    assert limit.take("user", "ana").remaining == 2


def test_callers_who_went_away_are_forgotten(clock: FakeClock) -> None:
    limit = RateLimit(3, 60, clock)
    for n in range(20_000):
        limit.take("address", str(n))
    clock.move(61)
    for n in range(20_000):
        limit.take("address", f"new {n}")
    assert len(limit._windows) == 20_000


def test_a_flood_of_callers_costs_each_request_the_same(clock: FakeClock) -> None:
    """Each request of more than 20,000 callers took 6 ms once."""
    limit = RateLimit(3, 60, clock)
    limit.take("address", "first")
    assert limit.take("address", "first").remaining == 1
    started = time.process_time()
    for n in range(TRACKED + 1000):
        limit.take("address", str(n))
        if n == TRACKED // 2:
            limit.take("user", "ana")
    assert time.process_time() - started < 10
    assert len(limit._windows) == TRACKED
    assert limit.take("user", "ana").remaining == 1, "whoever came later is still known"
    assert limit.take("address", "first").remaining == 2, "it was forgotten: this is its first request"


def test_settings_refuse_weak_secrets_and_never_show_them() -> None:
    given: dict[str, Any] = {
        "database_url": "postgresql://x",
        "kafka_bootstrap": "x:1",
        "objects_url": "file:///x",
        "jwt_secret": SECRET,
        "media_secret": SECRET,
    }
    settings = Settings(**given, public_url="https://retake.example/")
    assert SECRET not in repr(settings)
    assert settings.public_url == "https://retake.example"
    for origins in (["*"], ["https://*.example"], ["null"], ["https://studio.example/"], ["https://a.example", "*"]):
        with pytest.raises(ValidationError, match="one exact origin"):
            Settings(**given, cors_origins=origins)
    assert Settings(**given, cors_origins=["https://studio.example", "http://[::1]:8080"]).cors_origins
    with pytest.raises(ValidationError, match="at least 32 bytes"):
        Settings(**given | {"jwt_secret": "short"})
    with pytest.raises(ValidationError, match="each of several"):
        Settings(**given | {"jwt_secret": f"{SECRET},short"})
    assert Settings(**given | {"jwt_secret": f"{SECRET}, {SECRET}2"}).jwt_secrets == (SECRET, f"{SECRET}2")
