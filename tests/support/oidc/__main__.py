"""The issuer: discovery, keys that rotate, outages on demand, and tokens for whoever asks (it is a test's)."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def build(url: str) -> FastAPI:
    app = FastAPI()
    keys: dict[str, tuple[str, Private]] = {}
    state: dict[str, Any] = {"away": False, "count": 0, "fetches": 0}

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
        return {"issuer": url, "jwks_uri": f"{url}/jwks"}

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
        algorithm, key = keys[state["current"]]
        now = int(time.time())
        full = {"iss": url, "aud": "retake", "iat": now, "exp": now + 600} | claims
        return {"token": jwt.encode(full, key, algorithm, {"kid": state["current"]})}

    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.oidc", description=__doc__)
    parser.add_argument("--port", type=int, default=9000)
    port = parser.parse_args().port
    uvicorn.run(build(f"http://127.0.0.1:{port}"), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
