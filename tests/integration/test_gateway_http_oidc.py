"""The gateway with a real issuer, a process of its own: keys rotate, the issuer goes away and comes back."""

from __future__ import annotations

from pathlib import Path

import httpx

from services.gateway.api.auth.issuer_keys import IssuerKeys
from services.gateway.api.auth.oidc import OidcTokens
from tests.conftest import FreshDatabase
from tests.support.gateway_http import Gateway, gateway
from tests.support.oidc.process import issuer


async def _me(g: Gateway, token: str) -> httpx.Response:
    return await g.client(None, Authorization=f"Bearer {token}").get("/me")


async def test_people_sign_in_at_their_issuer(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    async with (
        issuer() as at,
        gateway(await fresh_database("gateway"), tmp_path, local_mode=False, oidc_issuer=at.url) as g,
    ):
        assert isinstance(g.app.state.gateway.verifier, OidcTokens)
        await at.away(True)
        away = await _me(g, await at.token("ana"))
        assert (away.status_code, away.json()["type"]) == (503, "/problems/unavailable")
        assert int(away.headers["retry-after"]) > 0
        await at.away(False)
        _forget_the_cooldown(g)

        first = await at.token("ana")
        me = await _me(g, first)
        assert (me.status_code, me.json()["user_id"], me.json()["name"]) == (200, "ana", "Ana")
        assert (await _me(g, g.token("ana"))).status_code == 401  # the local secret opens nothing here
        assert (await _me(g, await at.token("ana", aud="other"))).status_code == 401
        assert (await g.client(None).post("/auth/token")).status_code == 404

        cookie = (await g.client(None, Authorization=f"Bearer {first}").post("/auth/session")).headers["set-cookie"]
        by_cookie = g.client(None, Cookie=cookie.partition(";")[0])
        assert (await by_cookie.get("/me")).json()["user_id"] == "ana"

        await at.rotate(algorithm="ES256")
        _forget_the_cooldown(g)
        assert (await _me(g, await at.token("ben"))).json()["user_id"] == "ben"
        assert (await _me(g, first)).status_code == 200  # the old key is published still
        await at.away(True)
        assert (await _me(g, first)).status_code == 200  # known keys serve while the issuer is away


def _forget_the_cooldown(g: Gateway) -> None:
    keys = g.app.state.gateway.verifier._keys
    assert isinstance(keys, IssuerKeys)
    keys._tried_at = None
