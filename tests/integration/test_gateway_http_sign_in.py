"""Browsers sign in at a real issuer, a process of its own: there and back, renewal, sign-out, and every way to fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from services.gateway.api.auth.issuer import IssuedTokens
from services.gateway.api.auth.issuer_http import IssuerRefused
from services.gateway.api.auth.issuer_keys import IssuerKeys
from services.gateway.api.auth.sign_in import CLAIM_LIFE, SignIn
from services.gateway.domain.identity import Identity
from services.gateway.jobs import prune
from shared.core.errors import Retryable
from tests.conftest import FreshDatabase
from tests.support.clock import ShiftedClock
from tests.support.gateway_http import Gateway, gateway
from tests.support.oidc.process import Issuer, issuer
from tests.support.postgres import Postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOME = "http://localhost"
LONG = "/" + "a" * 2000
OWN_PAGE = {"Origin": HOME, "Sec-Fetch-Site": "same-origin"}


@dataclass
class Browser:
    """Keeps cookies, and follows a login as far as the page that it ends at."""

    g: Gateway
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        """`path` is below /api/v1."""
        cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
        response = await self.g.client(None).request(method, path, headers=headers | cookie)
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
        return response

    async def to_issuer(self, return_to: str = "/") -> str:
        """Begins a login; the address that the issuer sends the browser back to, below /api/v1."""
        begun = await self.ask("GET", f"/auth/login?return_to={return_to}")
        assert begun.status_code == 302, begun.text
        async with httpx.AsyncClient(trust_env=False) as http:
            sent_back = (await http.get(begun.headers["location"])).headers["location"]
        assert sent_back.startswith(f"{HOME}/api/v1/auth/callback?")
        return str(sent_back.removeprefix(f"{HOME}/api/v1"))

    async def sign_in(self, return_to: str = "/") -> str:
        """The page where the browser ends."""
        return str((await self.ask("GET", await self.to_issuer(return_to))).headers["location"])

    async def token(self, **headers: str) -> httpx.Response:
        return await self.ask("POST", "/auth/token", **(headers or OWN_PAGE))

    async def sign_out(self) -> httpx.Response:
        return await self.ask("DELETE", "/auth/session", **OWN_PAGE)


@dataclass
class World:
    g: Gateway
    at: Issuer

    @property
    def sign_in(self) -> SignIn:
        found = self.g.app.state.gateway.sign_in
        assert isinstance(found, SignIn)
        return found

    def browser(self) -> Browser:
        return Browser(self.g)

    def shifted(self) -> ShiftedClock:
        """The clock of the sign-ins from now on."""
        clock = ShiftedClock()
        self.sign_in._clock = clock
        self.sign_in.logins._clock = clock
        self.sign_in._sign_ins._clock = clock
        return clock

    async def me(self, token: str) -> httpx.Response:
        return await self.g.client(None, Authorization=f"Bearer {token}").get("/me")


def settings(at: Issuer, **more: Any) -> dict[str, Any]:
    return {
        "local_mode": False,
        "oidc_issuer": at.url,
        "oidc_client_id": "studio",
        "oidc_client_secret": "client-secret",
        "public_url": HOME,
    } | more


@asynccontextmanager
async def world(database_url: str, folder: Path, at: Issuer, **more: Any) -> AsyncIterator[World]:
    async with gateway(database_url, folder, **settings(at, **more)) as g:
        yield World(g, at)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issuer_for_all() -> AsyncIterator[Issuer]:
    async with issuer() as at:
        yield at


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world_for_all(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory, issuer_for_all: Issuer
) -> AsyncIterator[World]:
    url = await postgres.fresh("gateway")
    async with world(url, tmp_path_factory.mktemp("gateway"), issuer_for_all, rate_quota=100_000) as made:
        yield made
    await postgres.drop(url)


@pytest_asyncio.fixture(loop_scope="module")
async def w(world_for_all: World) -> World:
    """As if nobody had signed in yet."""
    await world_for_all.at.away(False)
    await world_for_all.at.login(reset=True)
    world_for_all.shifted()
    async with world_for_all.g.world.pool.acquire() as connection:
        await connection.execute("delete from sign_ins")
    return world_for_all


async def test_a_browser_signs_in_and_out(w: World) -> None:
    b = w.browser()
    config = (await b.ask("GET", "/auth/config")).json()
    assert config == {"mode": "oidc", "login_url": "/api/v1/auth/login", "name": "127.0.0.1"}
    assert (await b.token()).status_code == 401
    assert await b.sign_in("/p/1/e/2?s=3") == f"{HOME}/p/1/e/2?s=3"
    assert list(b.cookies) == ["retake_sign_in"]

    token = (await b.token()).json()
    assert token["token_type"] == "bearer"
    assert 500 < token["expires_in"] <= 600
    assert (await w.me(token["access_token"])).json()["name"] == "Ana"
    assert (await b.token()).json() == token | {"expires_in": (await b.token()).json()["expires_in"]}  # not renewed
    assert (await w.at.login())["renewals"] == 0

    signed_out = await b.sign_out()
    page = urlsplit(signed_out.json()["end_session_url"])
    assert f"{page.scheme}://{page.netloc}{page.path}" == f"{w.at.url}/end_session"
    assert parse_qs(page.query)["post_logout_redirect_uri"] == [f"{HOME}/"]
    assert b.cookies == {}
    assert (await w.at.login())["refresh_tokens"] == []
    assert (await b.token()).status_code == 401


async def test_the_refresh_token_reaches_no_browser_and_lies_encrypted(w: World) -> None:
    b = w.browser()
    begun = await b.ask("GET", "/auth/login")
    back = await b.ask("GET", await b.to_issuer())
    answer = await b.token()
    [refresh] = (await w.at.login())["refresh_tokens"]
    seen = "".join(r.text + str(r.headers) for r in (begun, back, answer))
    assert refresh not in seen
    async with w.g.world.pool.acquire() as connection:
        [row] = await connection.fetch("select * from sign_ins")
    assert refresh not in str(dict(row))
    assert answer.json()["access_token"] not in str(dict(row))
    assert b.cookies["retake_sign_in"] not in str(dict(row))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": HOME},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": HOME, "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://localhost", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_only_a_page_of_this_origin_gets_a_token(w: World, headers: dict[str, str]) -> None:
    b = w.browser()
    await b.sign_in()
    refused = await b.token(**headers)
    assert (refused.status_code, refused.json()["type"]) == (401, "/problems/unauthenticated")


async def test_a_session_that_is_renewed_asks_the_issuer_once(w: World) -> None:
    b = w.browser()
    await w.at.login(life=40, slow=0.3)
    await b.sign_in()
    first = (await b.token()).json()["access_token"]
    await w.at.login(life=600)
    clock = w.shifted()
    clock.move(15)  # of its 40 s, and 30 are kept back for the page
    asked = await asyncio.gather(*(Browser(w.g, dict(b.cookies)).token() for _ in range(8)))
    tokens = {a.json()["access_token"] for a in asked}
    assert len(tokens) == 1
    assert first not in tokens
    assert (await w.at.login())["renewals"] == 1
    clock.move(500)
    assert (await b.token()).json()["access_token"] not in tokens  # with the rotated refresh token
    assert (await w.at.login())["renewals"] == 2


async def test_a_rotated_refresh_token_is_kept_though_its_token_cannot_be_verified_yet(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = w.browser()
    await b.sign_in()
    first = (await b.token()).json()["access_token"]
    clock = w.shifted()
    clock.move(580)
    verify = w.sign_in._access_tokens.verify

    async def only_the_first(token: str) -> Identity:
        if token != first:
            raise Retryable("issuer_away", "The issuer is away.", delay_s=1)
        return await verify(token)

    with monkeypatch.context() as m:
        m.setattr(w.sign_in._access_tokens, "verify", only_the_first)
        assert (await b.token()).json()["access_token"] == first
    renewed = await b.token()
    assert (renewed.status_code, renewed.json().get("access_token") != first) == (200, True)
    assert (await w.at.login())["renewals"] == 2


@pytest.mark.parametrize("moment", ["the issuer has answered", "the database is asked"])
async def test_a_browser_that_leaves_during_a_renewal_loses_nothing(
    w: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The refresh token that was rotated is in the issuer's answer alone."""
    b = w.browser()
    await w.at.login(life=40)
    await b.sign_in()
    await w.at.login(life=600)
    clock = w.shifted()
    clock.move(15)
    reached, gone = asyncio.Event(), asyncio.Event()
    of, name = (w.sign_in._issuer, "renew") if moment == "the issuer has answered" else (w.sign_in._sign_ins, "renewed")
    original = getattr(of, name)

    async def paused(*given: Any) -> Any:
        done = await original(*given) if name == "renew" else None
        reached.set()
        await gone.wait()
        return done if name == "renew" else await original(*given)

    with monkeypatch.context() as m:
        m.setattr(of, name, paused)
        asked = asyncio.create_task(w.sign_in.token(b.cookies["retake_sign_in"]))
        await reached.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        gone.set()
        await w.sign_in.aclose()
    assert (await b.token()).status_code == 200
    assert (await w.at.login())["renewals"] == 1, "what was renewed is there for whoever asks next"
    clock.move(500)
    assert (await b.token()).status_code == 200, "with the rotated refresh token"


async def test_a_renewal_that_was_overtaken_does_not_end_the_sign_in(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim is over after a while. Its late holder is refused, since the token was used; the other renewed it."""
    b = w.browser()
    await w.at.login(life=40)
    await b.sign_in()
    await w.at.login(life=600)
    clock = w.shifted()
    clock.move(15)
    renew, reached, go_on = w.sign_in._issuer.renew, asyncio.Event(), asyncio.Event()

    async def late(refresh: str) -> IssuedTokens:
        reached.set()
        await go_on.wait()
        raise IssuerRefused("invalid_grant", "used before")

    monkeypatch.setattr(w.sign_in._issuer, "renew", late)
    first = asyncio.create_task(b.token())
    await reached.wait()
    monkeypatch.setattr(w.sign_in._issuer, "renew", renew)
    clock.move(CLAIM_LIFE.total_seconds() - 1)
    second = asyncio.create_task(Browser(w.g, dict(b.cookies)).token())
    await asyncio.sleep(0.3)
    assert not second.done(), "the claim still holds"
    clock.move(2)
    renewed = await second
    go_on.set()
    assert renewed.status_code == 200
    assert (await first).json()["access_token"] == renewed.json()["access_token"]


async def test_who_signs_out_during_a_renewal_leaves_no_token_behind(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    b = w.browser()
    await b.sign_in()
    w.shifted().move(580)
    renew = w.sign_in._issuer.renew

    async def then_sign_out(refresh: str) -> IssuedTokens:
        issued = await renew(refresh)
        await b.sign_out()
        return issued

    monkeypatch.setattr(w.sign_in._issuer, "renew", then_sign_out)
    assert (await Browser(w.g, dict(b.cookies)).token()).status_code == 401
    assert (await w.at.login())["refresh_tokens"] == []


async def test_a_browser_that_begins_many_logins_is_still_heard(w: World) -> None:
    b = w.browser()
    path = "/" + "a" * 1900
    for _ in range(6):
        last = await b.to_issuer(path)
    assert (await b.ask("GET", "/auth/config")).status_code == 200
    assert (await b.ask("GET", last)).headers["location"] == HOME + path


async def test_a_sign_in_that_the_issuer_ended_is_over(w: World) -> None:
    b = w.browser()
    await b.sign_in()
    [refresh] = (await w.at.login())["refresh_tokens"]
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.post(f"{w.at.url}/revocation", data={"token": refresh})
    clock = w.shifted()
    clock.move(590)
    over = await b.token()
    assert (over.status_code, over.json()["detail"]) == (401, "The sign-in of this browser is over.")
    assert "login_url" in over.json()["recovery"]
    assert await b.sign_in() == f"{HOME}/"
    assert (await b.token()).status_code == 200


async def test_while_the_issuer_is_away_the_last_token_serves(w: World) -> None:
    b = w.browser()
    await b.sign_in()
    clock = w.shifted()
    await w.at.away(True)
    clock.move(580)
    kept = await b.token()
    assert (kept.status_code, kept.json()["expires_in"] <= 20) == (200, True)
    clock.move(30)
    away = await b.token()
    assert (away.status_code, away.json()["type"]) == (503, "/problems/unavailable")
    assert int(away.headers["retry-after"]) > 0
    w.sign_in._issuer._metadata = None
    page = await b.ask("GET", "/auth/login?return_to=/inbox")
    assert page.headers["location"] == f"{HOME}/sign-in?refused=unavailable&return_to=%2Finbox"
    assert (await b.sign_out()).json() == {"end_session_url": None}  # at least here it is over
    await w.at.away(False)
    assert (await b.token()).status_code == 401


async def test_a_token_whose_key_was_withdrawn_is_renewed(w: World) -> None:
    b = w.browser()
    await b.sign_in()
    first = (await b.token()).json()["access_token"]
    await w.at.rotate(forget=True)
    keys = w.g.app.state.gateway.verifier._keys
    assert isinstance(keys, IssuerKeys)
    keys._tried_at, keys._keys = None, {}
    assert (await w.me(first)).status_code == 401
    second = (await b.token()).json()["access_token"]
    assert second != first
    assert (await w.me(second)).status_code == 200


@pytest.mark.parametrize(
    "return_to",
    [
        "//evil.example",
        "/%5Cevil.example",
        "https://evil.example",
        "evil",
        "",
        "/a%09b",
        "/%0d%0aX: y",
        "/api/v1/me",
        LONG,
    ],
)
async def test_it_returns_to_paths_of_its_own_only(w: World, return_to: str) -> None:
    refused = await w.browser().ask("GET", f"/auth/login?return_to={return_to}")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "query:return_to")
    assert "location" not in refused.headers


async def test_a_login_that_this_browser_did_not_begin_is_refused(w: World) -> None:
    theirs, mine = w.browser(), w.browser()
    callback = await theirs.to_issuer("/theirs")
    expired = f"{HOME}/sign-in?refused=expired"
    assert (await mine.ask("GET", callback)).headers["location"] == expired  # their account in my browser
    code = parse_qs(urlsplit(callback).query)["code"][0]
    assert (await mine.ask("GET", f"/auth/callback?code={code}&state=invented")).headers["location"] == expired
    own = parse_qs(urlsplit(await mine.to_issuer("/mine")).query)["state"][0]
    swapped = await mine.ask("GET", f"/auth/callback?code={code}&state={own}")  # bound to their PKCE verifier
    assert swapped.headers["location"] == f"{expired}&return_to=%2Fmine"
    assert (await mine.ask("GET", "/auth/callback")).headers["location"] == expired
    other_issuer = (await mine.to_issuer()).replace("iss=", "iss=https%3A%2F%2Fevil.example&was=")
    assert (await mine.ask("GET", other_issuer)).headers["location"] == expired
    assert "retake_sign_in" not in mine.cookies


async def test_a_callback_counts_once_and_for_ten_minutes(w: World) -> None:
    b = w.browser()
    callback = await b.to_issuer("/once")
    login_cookies = dict(b.cookies)
    assert (await b.ask("GET", callback)).headers["location"] == f"{HOME}/once"
    expired = f"{HOME}/sign-in?refused=expired"
    assert (await b.ask("GET", callback)).headers["location"] == expired
    thief = Browser(w.g, login_cookies)  # even with a copy of the cookie: the issuer takes a code once
    assert (await thief.ask("GET", callback)).headers["location"] == f"{expired}&return_to=%2Fonce"
    late = await b.to_issuer()
    clock = w.shifted()
    clock.move(601)
    assert (await b.ask("GET", late)).headers["location"] == expired


@pytest.mark.parametrize(
    ("how", "refused"),
    [
        ({"error": "access_denied"}, "denied"),
        ({"error": "temporarily_unavailable"}, "unavailable"),
        ({"error": "invalid_scope"}, "misconfigured"),
        ({"id_token": {"nonce": "another"}}, "misconfigured"),
        ({"id_token": {"aud": "another"}}, "misconfigured"),
        ({"id_token": {"azp": "another"}}, "misconfigured"),
        ({"id_token": {"sub": "ben"}}, "misconfigured"),
        ({"id_token": {"exp": 1}}, "misconfigured"),
    ],
)
async def test_what_the_issuer_refuses_or_garbles_signs_nobody_in(w: World, how: dict[str, Any], refused: str) -> None:
    await w.at.login(**how)
    b = w.browser()
    assert await b.sign_in("/inbox") == f"{HOME}/sign-in?refused={refused}&return_to=%2Finbox"
    assert b.cookies == {}
    await w.at.login(error=None, id_token={})
    assert await b.sign_in("/inbox") == f"{HOME}/inbox"


async def test_clocks_may_differ_a_little(w: World) -> None:
    await w.at.login(id_token={"exp": int(time.time()) - 20, "nbf": int(time.time()) + 20})
    assert await w.browser().sign_in() == f"{HOME}/"
    await w.at.login(id_token={"exp": int(time.time()) - 40})
    assert "misconfigured" in await w.browser().sign_in()


async def test_without_a_refresh_token_a_sign_in_lasts_as_long_as_its_token(w: World) -> None:
    await w.at.login(refresh=False)
    b = w.browser()
    await b.sign_in()
    clock = w.shifted()
    clock.move(590)
    assert (await b.token()).json()["expires_in"] <= 10
    clock.move(11)
    assert (await b.token()).status_code == 401


async def test_a_sign_in_survives_a_restart_and_a_new_secret_but_not_its_end(
    fresh_database: FreshDatabase, tmp_path: Path, issuer_for_all: Issuer
) -> None:
    at = issuer_for_all
    await at.login(reset=True)
    database_url, old, new = await fresh_database("gateway"), "o" * 32, "n" * 32
    async with world(database_url, tmp_path, at, jwt_secret=old, oidc_session_hours=2) as w:
        b = w.browser()
        await b.sign_in()
    async with world(database_url, tmp_path, at, jwt_secret=f"{new},{old}") as w:
        assert (await Browser(w.g, b.cookies).token()).status_code == 200
    async with world(database_url, tmp_path, at, jwt_secret=new) as w:
        assert (await Browser(w.g, b.cookies).token()).status_code == 401  # nobody can read it any more
    async with world(database_url, tmp_path, at, jwt_secret=old) as w:
        clock = w.shifted()
        clock.move(2 * 3600 + 1)
        assert (await Browser(w.g, b.cookies).token()).status_code == 401
        async with w.g.world.pool.acquire() as connection:
            assert await connection.fetchval("select count(*) from sign_ins") == 1
            await prune(connection, clock)
            assert await connection.fetchval("select count(*) from sign_ins") == 0


async def test_the_cookie_is_for_this_host_alone(
    fresh_database: FreshDatabase, tmp_path: Path, issuer_for_all: Issuer
) -> None:
    at = issuer_for_all
    await at.login(reset=True)
    async with world(await fresh_database("gateway"), tmp_path, at, public_url="https://studio.example/") as w:
        begun = await w.browser().ask("GET", "/auth/login")
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert asked["redirect_uri"] == ["https://studio.example/api/v1/auth/callback"]
        cookie = begun.headers["set-cookie"]
        assert cookie.startswith("__Host-retake_login_")
        assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=600"))
        b = w.browser()
        b.cookies = {c.partition("=")[0]: c.partition("=")[2].partition(";")[0] for c in [cookie]}
        async with httpx.AsyncClient(trust_env=False) as http:
            back = (await http.get(begun.headers["location"])).headers["location"]
        done = await b.ask("GET", back.removeprefix("https://studio.example/api/v1"))
        assert done.headers["location"] == "https://studio.example/"
        [opened] = [c for c in done.headers.get_list("set-cookie") if "sign_in" in c]
        assert opened.startswith("__Host-retake_sign_in=")
        assert all(word in opened for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"))


async def test_where_nobody_can_sign_in_by_browser_the_page_is_told(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    for more, mode in (({"local_mode": True}, "local"), ({"local_mode": False}, "token")):
        async with gateway(await fresh_database("gateway"), tmp_path, **more) as g:
            b = Browser(g)
            assert (await b.ask("GET", "/auth/config")).json() == {"mode": mode, "login_url": None, "name": None}
            for path in ("/auth/login", "/auth/callback?state=x"):
                assert (await b.ask("GET", path)).status_code == 404
