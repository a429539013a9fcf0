"""Tokens of an OIDC issuer: what is pinned, what is cached, and what happens when keys rotate or the issuer is away."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from services.gateway.api.auth.issuer_keys import COOLDOWN_S, FRESH_S, USABLE_S, IssuerKeys
from services.gateway.api.auth.oidc import OidcTokens
from services.gateway.domain.identity import InvalidToken
from shared.core.errors import Retryable
from tests.support.clock import FakeClock
from tests.support.gateway_http import gateway_settings

ISSUER = "https://id.example/realms/film"
RSA_KEY, OTHER_RSA, EC_KEY = (
    rsa.generate_private_key(65537, 2048),
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
)


class Fake:
    """The issuer's side, as a transport."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {"a": ("RS256", RSA_KEY)}
        self.document: dict[str, Any] = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        self.away = False
        self.fetches = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if self.away:
            raise httpx.ConnectError("away")
        if request.url.path.endswith("openid-configuration"):
            return httpx.Response(200, json=self.document)
        self.fetches += 1
        found = []
        for kid, (algorithm, key) in self.keys.items():
            kind: Any = jwt.get_algorithm_by_name(algorithm)
            found.append(json.loads(kind.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"})
        return httpx.Response(200, json={"keys": [*found, {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}]})


class Setup:
    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.fake = clock, Fake()
        self.keys = IssuerKeys(ISSUER, clock, httpx.MockTransport(self.fake))
        self.tokens = OidcTokens(
            self.keys, issuer=ISSUER, audience="retake", algorithms=("RS256", "ES256"), leeway_s=30, clock=clock
        )

    def token(self, kid: str | None = "a", key: Any = RSA_KEY, algorithm: str = "RS256", **claims: Any) -> str:
        now = int(self.clock.now().timestamp())
        full = {"iss": ISSUER, "aud": "retake", "sub": "ana", "exp": now + 60} | claims
        return jwt.encode(
            {k: v for k, v in full.items() if v is not None}, key, algorithm, {"kid": kid} if kid else None
        )


@pytest.fixture
def s(clock: FakeClock) -> Setup:
    return Setup(clock)


async def test_a_token_says_who_it_is(s: Setup) -> None:
    found = await s.tokens.verify(s.token(name="Ana", scope="a b", aud=["other", "retake"]))
    assert (found.user_id, found.name, found.scopes) == ("ana", "Ana", ("a", "b"))
    assert (await s.tokens.verify(s.token(preferred_username="ana@home"))).name == "ana@home"
    s.fake.keys["e"] = ("ES256", EC_KEY)
    s.clock.move(COOLDOWN_S)
    assert (await s.tokens.verify(s.token("e", EC_KEY, "ES256"))).user_id == "ana"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": ISSUER + "/"},
        {"aud": "other"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "x" * 256},
        {"exp": None},
        {"exp": "soon"},
        {"iss": None},
        {"nbf": "later"},
    ],
)
async def test_every_claim_is_pinned(s: Setup, claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        await s.tokens.verify(s.token(**claims))


async def test_clocks_may_differ_a_little(s: Setup) -> None:
    now = int(s.clock.now().timestamp())
    await s.tokens.verify(s.token(exp=now - 29, nbf=now + 29))
    for claims in ({"exp": now - 31}, {"nbf": now + 31}):
        with pytest.raises(InvalidToken):
            await s.tokens.verify(s.token(**claims))


async def test_nobody_signs_with_what_everybody_knows(s: Setup) -> None:
    """`none`, and HS256 with the public key as its secret (RFC 8725, 2.1); no key is even asked for."""
    public = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    header = jwt.api_jws.base64url_encode(json.dumps({"alg": "HS256", "kid": "a"}).encode()).decode()
    body = s.token().split(".")[1]
    mac = jwt.get_algorithm_by_name("HS256").sign(f"{header}.{body}".encode(), public)
    forged = f"{header}.{body}.{jwt.api_jws.base64url_encode(mac).decode()}"
    for token in (
        forged,
        s.token(key=None, algorithm="none"),
        s.token("shared", "s" * 32, "HS256"),
        s.token(algorithm="RS512"),
        "x",
        "a.b.c",
        "é.é.é",
        "x" * 20_000,
    ):
        with pytest.raises(InvalidToken):
            await s.tokens.verify(token)
    assert s.fake.fetches == 0


async def test_a_key_of_another_kind_or_hand_is_refused(s: Setup) -> None:
    for token in (s.token(key=OTHER_RSA), s.token("a", EC_KEY, "ES256"), s.token()[:-4] + "AAAA"):
        with pytest.raises(InvalidToken):
            await s.tokens.verify(token)


async def test_an_issuer_with_one_key_need_not_name_it(s: Setup) -> None:
    await s.tokens.verify(s.token(None))
    s.fake.keys["b"] = ("RS256", OTHER_RSA)
    s.clock.move(COOLDOWN_S)
    with pytest.raises(InvalidToken):
        await s.tokens.verify(s.token("unknown"))
    with pytest.raises(InvalidToken):
        await s.tokens.verify(s.token(None))


async def test_many_first_tokens_fetch_the_keys_once(s: Setup) -> None:
    await asyncio.gather(*(s.tokens.verify(s.token()) for _ in range(20)))
    assert s.fake.fetches == 1


async def test_a_rotated_key_is_fetched_at_once_and_invented_ones_seldom(s: Setup) -> None:
    await s.tokens.verify(s.token())
    s.fake.keys = {"a": s.fake.keys["a"], "b": ("RS256", OTHER_RSA)}
    s.clock.move(COOLDOWN_S)
    await asyncio.gather(*(s.tokens.verify(s.token("b", OTHER_RSA)) for _ in range(5)))
    assert s.fake.fetches == 2
    for n in range(50):
        with pytest.raises(InvalidToken):
            await s.tokens.verify(s.token(f"invented-{n}"))
    assert s.fake.fetches == 2
    s.clock.move(COOLDOWN_S)
    with pytest.raises(InvalidToken):
        await s.tokens.verify(s.token("invented"))
    assert s.fake.fetches == 3


async def test_a_withdrawn_key_ends_when_the_keys_are_refreshed_beside_the_requests(s: Setup) -> None:
    await s.tokens.verify(s.token())
    s.fake.keys = {"b": ("RS256", OTHER_RSA)}
    s.clock.move(FRESH_S + 1)
    await s.tokens.verify(s.token())  # not held up: the old keys serve until the new ones are there
    for _ in range(10):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    with pytest.raises(InvalidToken):
        await s.tokens.verify(s.token())
    await s.keys.aclose()


async def test_while_the_issuer_is_away_its_keys_serve_for_a_day(s: Setup) -> None:
    await s.tokens.verify(s.token())
    s.fake.away = True
    s.clock.move(USABLE_S - 1)
    await s.tokens.verify(s.token())
    with pytest.raises(InvalidToken):
        await s.tokens.verify(s.token("unknown"))
    s.clock.move(2 + COOLDOWN_S)
    with pytest.raises(Retryable):
        await s.tokens.verify(s.token())
    s.fake.away = False
    s.clock.move(COOLDOWN_S)
    await s.tokens.verify(s.token())
    await s.keys.aclose()


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example", "jwks_uri": f"{ISSUER}/keys"},
        {"issuer": ISSUER, "jwks_uri": "http://id.example/keys"},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
    ],
)
async def test_a_wrong_discovery_document_opens_nothing(s: Setup, document: dict[str, Any]) -> None:
    s.fake.document = document
    with pytest.raises(Retryable):
        await s.tokens.verify(s.token())
    assert s.fake.fetches == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_issuer": "http://id.example"},
        {"oidc_issuer": "id.example"},
        {"oidc_algorithms": ["HS256"]},
        {"oidc_algorithms": ["none"]},
        {"oidc_algorithms": []},
        {"local_mode": True, "oidc_issuer": ISSUER},
    ],
)
def test_settings_that_open_a_door_are_refused(tmp_path: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        gateway_settings("postgresql://x", tmp_path, **({"local_mode": False} | wrong))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"oidc_issuer": None}, "needs oidc_issuer"),
        ({"public_url": None}, "needs public_url"),
        ({"public_url": "http://studio.example"}, "must be an https URL"),
        ({"oidc_scopes": "profile"}, "must contain openid"),
        ({"oidc_login_parameters": {"state": "x"}}, "state: the gateway sets these itself"),
    ],
)
def test_sign_in_settings_that_cannot_work_are_refused(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    good = {
        "local_mode": False,
        "oidc_issuer": "https://id.example",
        "oidc_client_id": "studio",
        "public_url": "https://studio.example",
    }
    gateway_settings("postgresql://x", tmp_path, **good)
    with pytest.raises(ValidationError, match=says):
        gateway_settings("postgresql://x", tmp_path, **good | more)
