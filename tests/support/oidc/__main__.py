"""The issuer: discovery, keys that rotate, outages on demand, tokens for whoever asks (it is a test's), and logins by
code with PKCE, with refresh tokens that rotate: whoever uses one twice loses the sign-in."""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def build(url: str) -> FastAPI:
    app = FastAPI()
    keys: dict[str, tuple[str, Private]] = {}
    state: dict[str, Any] = {"away": False, "count": 0, "fetches": 0}
    usual = {"user": "ana", "error": None, "life": 600, "id_token": {}, "refresh": True, "slow": 0.0}
    login: dict[str, Any] = dict(usual)
    """How it treats the next login: whom it signs in, or the error that it answers; the life of access tokens; claims
    that its id tokens get; whether it gives refresh tokens; seconds that a renewal takes."""
    codes: dict[str, dict[str, str]] = {}
    refreshes: dict[str, str | None] = {}
    """Whose each refresh token is; None: it was used."""
    renewals: list[str] = []

    def rotate(algorithm: str) -> str:
        state["count"] += 1
        kid = f"key-{state['count']}"
        key: Private = (
            ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else rsa.generate_private_key(65537, 2048)
        )
        keys[kid] = (algorithm, key)
        return kid

    state["current"] = rotate("RS256")

    @app.middleware("http")
    async def outage(request: Request, call_next: Any) -> Response:
        if state["away"] and not request.url.path.startswith("/admin"):
            return Response(status_code=503)
        found: Response = await call_next(request)
        return found

    @app.get("/.well-known/openid-configuration")
    async def discovery() -> dict[str, str]:
        endpoints = {
            f"{name}_endpoint": f"{url}/{name}" for name in ("authorization", "token", "revocation", "end_session")
        }
        return {"issuer": url, "jwks_uri": f"{url}/jwks"} | endpoints

    def signed(claims: dict[str, Any]) -> str:
        algorithm, key = keys[state["current"]]
        now = int(time.time())
        full = {"iss": url, "aud": "retake", "iat": now, "exp": now + 600, "jti": secrets.token_urlsafe(8)} | claims
        return jwt.encode(full, key, algorithm, {"kid": state["current"]})

    @app.get("/authorization")
    async def authorize(request: Request) -> Response:
        """Signs in at once, as somebody who has a session with it."""
        query = dict(request.query_params)
        assert query["code_challenge_method"] == "S256"
        assert query["response_type"] == "code"
        if login["error"]:
            answer = {"error": login["error"]}
        else:
            code = secrets.token_urlsafe(8)
            codes[code] = query
            answer = {"code": code}
        return RedirectResponse(
            f"{query['redirect_uri']}?{urlencode(answer | {'state': query['state'], 'iss': url})}", 302
        )

    def issued(user: str, client_id: str, **id_claims: Any) -> JSONResponse:
        until = int(time.time()) + login["life"]
        found: dict[str, Any] = {
            "access_token": signed({"sub": user, "name": user.title(), "exp": until}),
            "token_type": "Bearer",
            "id_token": signed({"sub": user, "aud": client_id} | id_claims | login["id_token"]),
        }
        if login["refresh"]:
            found["refresh_token"] = secrets.token_urlsafe(8)
            refreshes[found["refresh_token"]] = user
        return JSONResponse(found)

    @app.post("/token")
    async def token_endpoint(request: Request) -> Response:
        form = {k: v[0] for k, v in parse_qs((await request.body()).decode()).items()}
        kind, _, pair = request.headers.get("authorization", "").partition(" ")
        client_id, _, secret = base64.b64decode(pair).decode().partition(":") if kind == "Basic" else ("", "", "")
        if (client_id, secret) != ("studio", "client-secret"):
            return JSONResponse({"error": "invalid_client"}, 401)
        if form["grant_type"] == "authorization_code":
            asked = codes.pop(form["code"], None)
            challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
            if asked is None or asked["code_challenge"] != challenge.rstrip(b"=").decode():
                return JSONResponse({"error": "invalid_grant", "error_description": "no such code"}, 400)
            return issued(login["user"], client_id, nonce=asked["nonce"])
        renewals.append(form["refresh_token"])
        await asyncio.sleep(login["slow"])
        user = refreshes.get(form["refresh_token"])
        refreshes[form["refresh_token"]] = None
        if user is None:
            refreshes.clear()  # it was used before: a thief may have it, so nothing of it is good any more
            return JSONResponse({"error": "invalid_grant"}, 400)
        return issued(user, client_id)

    @app.post("/revocation")
    async def revoke(request: Request) -> Response:
        refreshes.pop(parse_qs((await request.body()).decode())["token"][0], None)
        return Response()

    @app.get("/end_session")
    async def end_session(post_logout_redirect_uri: str) -> Response:
        return RedirectResponse(post_logout_redirect_uri, 302)

    @app.post("/admin/login")
    async def next_login(body: dict[str, Any]) -> dict[str, Any]:
        """Changes how logins are treated, with `reset` from the beginning; the renewals so far and the refresh tokens
        that are good."""
        if body.pop("reset", False):
            login.update(usual)
            for kept in (codes, refreshes, renewals):
                kept.clear()
        login.update(body)
        return {"renewals": len(renewals), "refresh_tokens": [t for t, user in refreshes.items() if user]}

    @app.get("/jwks")
    async def jwks() -> JSONResponse:
        state["fetches"] += 1
        found = []
        for kid, (algorithm, key) in keys.items():
            kind: Any = jwt.get_algorithm_by_name(algorithm)
            found.append(json.loads(kind.to_jwk(key.public_key())) | {"kid": kid, "alg": algorithm, "use": "sig"})
        return JSONResponse({"keys": found})

    @app.post("/admin/rotate")
    async def rotate_now(body: dict[str, Any]) -> dict[str, str]:
        """`forget`: the old keys are withdrawn."""
        if body.get("forget"):
            keys.clear()
        state["current"] = await asyncio.to_thread(rotate, body.get("algorithm", "RS256"))
        return {"kid": state["current"]}

    @app.post("/admin/away")
    async def away(body: dict[str, bool]) -> dict[str, int]:
        state["away"] = body["away"]
        return {"fetches": state["fetches"]}

    @app.post("/admin/token")
    async def token(claims: dict[str, Any]) -> dict[str, str]:
        return {"token": signed(claims)}

    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.oidc", description=__doc__)
    parser.add_argument("--port", type=int, default=9000)
    port = parser.parse_args().port
    uvicorn.run(build(f"http://127.0.0.1:{port}"), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
