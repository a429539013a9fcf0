"""Who signs the links to Google Cloud Storage: a pod's service account has no key, and a person cannot sign at all."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from google.auth import compute_engine
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.oauth2.credentials import Credentials as PersonsCredentials

from shared.contracts.topics import Service
from shared.core.errors import Permanent, UserError
from shared.objects import open_objects
from shared.objects.gcs import GcsStore

EMAIL = "films@studio.iam.gserviceaccount.com"


def store(signer: Any, tmp_path: Path) -> GcsStore:
    bucket = storage.Client(project=None, credentials=AnonymousCredentials()).bucket("films")
    endpoint = "https://storage.googleapis.com"
    return GcsStore(bucket, signer, endpoint, "gateway/", Service.GATEWAY, writable=True, work_dir=tmp_path)


class Google:
    """The metadata server of a pod, and IAM, which signs unless `refuses`."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.signed: list[str] = []

    def send(self, _: Any, request: requests.PreparedRequest, **__: Any) -> requests.Response:
        url, status, body = str(request.url), 200, {}
        if "iamcredentials" in url:
            assert url.startswith(
                f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:signBlob"
            )
            assert request.headers["Authorization"] == "Bearer a-token"
            self.signed.append(base64.b64decode(json.loads(request.body or "")["payload"]).decode())
            body = {"signedBlob": base64.b64encode(b"\x01\xff").decode()}
            if self.refuses:
                status, body = 403, {"error": {"code": 403, "status": "PERMISSION_DENIED"}}
        elif url.split("?")[0].endswith("/token"):
            body = {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
        elif "/service-accounts/" in url:
            body = {"email": EMAIL, "scopes": ["cloud-platform"]}
        response = requests.Response()
        response.status_code, response.url, response.request = status, url, request
        response._content = json.dumps(body).encode()
        response.headers.update({"Content-Type": "application/json", "Metadata-Flavor": "Google"})
        return response


async def test_a_pods_service_account_has_its_links_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    google = Google()
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda *a, **k: google.send(*a, **k))
    link = await store(compute_engine.Credentials(), tmp_path).presign(
        "uploads/x", ttl_s=7200, content_type="video/mp4"
    )
    assert link is not None
    parts = urlsplit(link)
    fields = {name: value for name, [value] in parse_qs(parts.query).items()}
    assert (parts.netloc, parts.path) == ("storage.googleapis.com", "/films/gateway/uploads/x")
    assert fields["X-Goog-Credential"].startswith(f"{EMAIL}/")
    assert fields["X-Goog-Expires"] == "7200"
    assert fields["response-content-type"] == "video/mp4"
    assert fields["X-Goog-Signature"] == "01ff"
    [text] = google.signed
    assert text.splitlines()[:2] == ["GOOG4-RSA-SHA256", fields["X-Goog-Date"]]


async def test_a_service_account_that_may_not_sign_is_told_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    google = Google(refuses=True)
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda *a, **k: google.send(*a, **k))
    with pytest.raises(Permanent, match="object_store_denied") as told:
        await store(compute_engine.Credentials(), tmp_path).presign("uploads/x", ttl_s=60)
    assert "roles/iam.serviceAccountTokenCreator" in (told.value.recovery or "")


async def test_a_persons_credentials_sign_nothing_so_the_service_serves_the_bytes(tmp_path: Path) -> None:
    person = PersonsCredentials(token="t", refresh_token="r", client_id="c", client_secret="s", token_uri="x")
    assert await store(person, tmp_path).presign("uploads/x", ttl_s=60) is None


async def test_without_googles_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shared.objects.gcs")
    monkeypatch.setitem(sys.modules, "google.cloud", None)
    with pytest.raises(UserError, match="bad_objects_url") as told:
        async with open_objects("gs://films/x", Service.GATEWAY):
            pass
    assert "retake[gcs]" in told.value.recovery
