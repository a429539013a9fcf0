"""The HTTP face: https://replicate.com/docs/reference/http, plus /_emulator for scripts and books."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.replicate.faults import HELP, Fault, Where
from tests.support.replicate.predictions import Account, Prediction
from tests.support.replicate.schemas import REQUIRED, SCHEMAS, made_as, violations

PAGE = 100
DATA_URI_MOST = 256_000
FILE_MOST = 100_000_000
_UNITS = {"h": 3600, "m": 60, "s": 1}
_DEFAULT_DETAILS = {
    401: ("Unauthenticated", "You did not pass a valid authentication token"),
    402: (
        "Insufficient credit",
        (
            "You have insufficient credit to run this model. Go to "
            "https://replicate.com/account/billing#billing to purchase credit."
        ),
    ),
    404: (None, "The requested resource could not be found."),
    429: (None, "Request was throttled. Your rate limit resets in ~30s."),
}


LOW_CREDIT = (
    "Your rate limit was reduced to 6 requests per minute with a burst of 1 requests while you have less "
    "than $5.0 in credit. Your rate limit resets in ~10s."
)


class Refused(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


def problem(status: int, detail: str | None = None, **more: Any) -> Response:
    title, usual = _DEFAULT_DETAILS.get(status, (None, "An error occurred."))
    body = {"detail": detail or usual, "status": status} | ({"title": title} if title else {}) | more
    return JSONResponse(body, status, media_type="application/problem+json")


class Emulator:
    def __init__(self, account: Account, token: str) -> None:
        self.account = account
        self.token = token
        self.app = Starlette(
            routes=[
                Route("/v1/account", self.whoami),
                Route("/v1/models/{owner}/{name}", self.model),
                Route("/v1/models/{owner}/{name}/predictions", self.create, methods=["POST"]),
                Route("/v1/predictions", self.list),
                Route("/v1/predictions/{id}", self.get),
                Route("/v1/predictions/{id}/cancel", self.cancel, methods=["POST"]),
                Route("/v1/files", self.upload, methods=["POST"]),
                Route("/v1/files/{id}", self.file),
                Route("/v1/webhooks/default/secret", self.secret),
                Route("/output/{id}/{name}", self.output),
                Route("/_emulator/faults", self.script, methods=["POST", "DELETE"]),
                Route("/_emulator/books", self.books),
            ],
            exception_handlers={Refused: _answer},
        )

    def _enter(self, request: Request) -> None:
        self.account.requests[f"{request.method} {request.url.path.split('/')[2]}"] += 1
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise Refused(problem(401))

    async def _fault(self, on: Where, text: str = "") -> Fault | None:
        """Raises what comes before its effect; gives back what comes after."""
        fault = self.account.faults.draw(on, text)
        if fault and not fault.after:
            await _befall(fault)
        return fault

    async def whoami(self, request: Request) -> Response:
        self._enter(request)
        await self._fault("account")
        return JSONResponse({"type": "user", "username": "emulated", "name": "Emulated", "github_url": None})

    async def model(self, request: Request) -> Response:
        self._enter(request)
        slug = _slug(request)
        await self._fault("models", slug)
        if slug not in SCHEMAS:
            return problem(404)
        shown = {"type": "object", "properties": SCHEMAS[slug], "required": [REQUIRED.get(slug, "prompt")]}
        openapi = {"components": {"schemas": {"Input": shown}}}
        return JSONResponse(
            {
                "owner": slug.split("/")[0],
                "name": slug.split("/")[1],
                "latest_version": {"id": "hidden", "openapi_schema": openapi},
            }
        )

    async def create(self, request: Request) -> Response:
        self._enter(request)
        slug, body = _slug(request), await _json_body(request)
        fault = await self._fault("create", f"{slug} {json.dumps(body.get('input'), ensure_ascii=False)}")
        if slug not in SCHEMAS:
            return problem(404)
        if extra := set(body) - {"input", "webhook", "webhook_events_filter"}:
            return problem(422, f"- Additional property {min(extra)} is not allowed\n", title="Invalid request")
        given = body.get("input") or {}
        if wrong := violations(slug, given):
            said = "".join(f"- {w['field']}: {w['description']}\n" for w in wrong)
            return problem(422, said, title="Input validation failed", invalid_fields=wrong)
        image = self._image(made_as(slug, given)[1].get("image"))
        made = self.account.create(
            slug,
            given,
            cancel_after=_span(request.headers.get("cancel-after")),
            webhook=_https(body.get("webhook")),
            events=body.get("webhook_events_filter"),
            image=image,
        )
        if fault:
            await _befall(fault)
        wait = re.fullmatch(r"wait(?:=(\d+))?", request.headers.get("prefer", ""))
        if wait:
            try:
                await asyncio.wait_for(made.done.wait(), min(60, int(wait.group(1) or 60)))
            except TimeoutError:
                return self._shown(made, 202)
        return self._shown(made, 201)

    def _shown(self, found: Prediction, status: int = 200) -> Response:
        return JSONResponse(found.body(self.account.base(), echo_webhook=True), status)

    def _image(self, given: str | None) -> bytes | None:
        if given is None:
            return None
        if given.startswith("data:"):
            if len(given) > DATA_URI_MOST:
                raise Refused(problem(422, "- input.image: data URI is too large\n", title="Input validation failed"))
            return base64.b64decode(given.partition(",")[2])
        known = self.account.files.get(given.rpartition("/")[2])
        if known is None:
            raise Refused(problem(422, "- input.image: could not be fetched\n", title="Input validation failed"))
        return known[0]

    async def list(self, request: Request) -> Response:
        self._enter(request)
        fault = await self._fault("list")
        rows = sorted(self.account.predictions.values(), key=lambda p: p.created_at, reverse=True)
        query = request.query_params
        if after := query.get("created_after"):
            rows = [p for p in rows if p.created_at >= datetime.fromisoformat(after)]
        if before := query.get("created_before"):
            rows = [p for p in rows if p.created_at < datetime.fromisoformat(before)]
        start = int(query.get("cursor", 0))
        more = start + PAGE < len(rows)
        following = str(request.url.include_query_params(cursor=start + PAGE)) if more else None
        shown = [
            p.body(self.account.base(), echo_webhook=self.account.echo_webhook_in_list)
            for p in rows[start : start + PAGE]
        ]
        if fault:
            await _befall(fault)
        return JSONResponse({"previous": None, "next": following, "results": shown})

    def _known(self, request: Request) -> Prediction:
        found = self.account.predictions.get(request.path_params["id"])
        if found is None:
            raise Refused(problem(404))
        return found

    async def get(self, request: Request) -> Response:
        self._enter(request)
        found = self._known(request)
        fault = await self._fault("get", found.text)
        shown = self._shown(found)
        if fault:
            await _befall(fault)
        return shown

    async def cancel(self, request: Request) -> Response:
        self._enter(request)
        found = self._known(request)
        fault = await self._fault("cancel", found.text)
        self.account.cancel(found)
        if fault:
            await _befall(fault)
        return self._shown(found)

    async def upload(self, request: Request) -> Response:
        self._enter(request)
        await self._fault("files")
        raw = await request.body()
        if len(raw) > FILE_MOST:
            return Response("<html><h1>413 Request Entity Too Large</h1></html>", 413, media_type="text/html")
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = message_from_bytes(head + raw, policy=policy.HTTP)
        part = next(
            (p for p in parts.iter_parts() if p.get_param("name", header="content-disposition") == "content"), None
        )
        if part is None:
            return problem(422, "content is required")
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        file_id = f"file{len(self.account.files)}"
        self.account.files[file_id] = (data, part.get_content_type())
        return JSONResponse(self._file_body(file_id), 201)

    def _file_body(self, file_id: str) -> dict[str, Any]:
        data, content_type = self.account.files[file_id]
        return {
            "id": file_id,
            "name": "upload",
            "content_type": content_type,
            "size": len(data),
            "metadata": {},
            "urls": {"get": f"{self.account.base()}/v1/files/{file_id}"},
        }

    async def file(self, request: Request) -> Response:
        self._enter(request)
        known = request.path_params["id"] in self.account.files
        return JSONResponse(self._file_body(request.path_params["id"])) if known else problem(404)

    async def secret(self, request: Request) -> Response:
        self._enter(request)
        return JSONResponse({"key": f"whsec_{base64.b64encode(self.account.key).decode()}"})

    async def output(self, request: Request) -> Response:
        if "authorization" in request.headers:
            self.account.leaked_tokens += 1
        found = self.account.predictions.get(request.path_params["id"])
        fault = await self._fault("output", found.text if found else "")
        if found is None or found.file is None:
            return Response("Not Found", 404)
        match fault.do if fault else "":
            case "html":
                return Response("<!doctype html><html><body>Sign in</body></html>", media_type="text/html")
            case "empty":
                return Response(b"", media_type="application/octet-stream")
            case "truncated":
                return Response(found.file.read_bytes()[: found.file.stat().st_size // 2])
            case "redirect":
                assert fault
                return RedirectResponse(fault.args["to"])
            case _:
                return FileResponse(found.file)

    async def script(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.account.faults.waiting.clear()
            return Response(status_code=204)
        try:
            asked = json.loads(await request.body())
            for one in asked if isinstance(asked, list) else [asked]:
                self.account.faults.add(**one)
        except (ValueError, TypeError) as e:
            return JSONResponse({"detail": f"{e}", "help": HELP.splitlines()}, 400)
        return Response(status_code=204)

    async def books(self, request: Request) -> Response:
        a = self.account
        return JSONResponse(
            {
                "created": len(a.predictions),
                "paid": len(a.paid),
                "requests": a.requests,
                "leaked_tokens": a.leaked_tokens,
                "predictions": [
                    p.body(a.base(), echo_webhook=True) | {"asked": p.input} for p in a.predictions.values()
                ],
                "webhooks_sent": a.webhooks_sent,
            }
        )


async def _befall(fault: Fault) -> None:
    args = fault.args
    match fault.do:
        case "status":
            status, body = args["status"], args.get("body")
            if body is not None:
                response = Response(
                    body if isinstance(body, str) else json.dumps(body),
                    status,
                    media_type="text/html" if isinstance(body, str) else "application/problem+json",
                )
            elif status >= 500:
                response = Response("<html><h1>Bad gateway</h1></html>", status, media_type="text/html")
            else:
                response = problem(status)
            response.headers.update(args.get("headers", {}))
            raise Refused(response)
        case "low_credit":
            raise Refused(problem(429, LOW_CREDIT))
        case "hang":
            await asyncio.sleep(args.get("seconds", 3600))
        case "drop":
            # Fewer bytes than announced: the server ends the connection in the middle of the answer.
            raise Refused(Response(b"{", headers={"content-length": "1000"}))


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response


def _slug(request: Request) -> str:
    return f"{request.path_params['owner']}/{request.path_params['name']}"


async def _json_body(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(await request.body())
    except ValueError:
        raise Refused(problem(400, "The body is no JSON.")) from None
    if not isinstance(found, dict):
        raise Refused(problem(400, "The body is no object."))
    return found


def _span(value: str | None) -> float | None:
    """`30`, `30s`, `5m`, `1h30m45s`; at least 5 seconds."""
    if value is None:
        return None
    if value.isdigit():
        seconds = int(value)
    elif re.fullmatch(r"(\d+h)?(\d+m)?(\d+s)?", value):
        seconds = sum(int(n) * _UNITS[u] for n, u in re.findall(r"(\d+)([hms])", value))
    else:
        raise Refused(problem(422, "Cancel-After is not a duration."))
    if seconds < 5:
        raise Refused(problem(422, "Cancel-After must be at least 5 seconds."))
    return seconds


def _https(webhook: Any) -> str | None:
    """Only https, as the documentation says; http to this machine, so that a test needs no certificate."""
    if webhook is None or str(webhook).startswith(("https://", "http://127.0.0.1", "http://localhost")):
        return webhook
    raise Refused(problem(422, "- webhook: must be an HTTPS URL\n"))
