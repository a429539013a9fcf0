"""A presigned link says how long it works: never longer than the credentials that signed it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import AioSession

from shared.contracts.topics import Service
from shared.objects.s3 import S3Store

HOUR = 3600


@pytest.mark.parametrize(("lives_s", "link_s"), [(12 * HOUR, 2 * HOUR), (HOUR, HOUR)])
async def test_a_link_ends_with_the_session_that_signed_it(lives_s: int, link_s: int, tmp_path: Path) -> None:
    async def renew() -> dict[str, str]:
        raise AssertionError("far from its end")

    session = AioSession()
    ends = datetime.now(UTC) + timedelta(seconds=lives_s)
    session._credentials = AioRefreshableCredentials("id", "secret", "token", ends, renew, "test")
    async with session.create_client(
        "s3", region_name="eu-west-1", config=AioConfig(signature_version="s3v4")
    ) as client:
        store = S3Store(client, client, "films", "gateway/", Service.GATEWAY, writable=True, work_dir=tmp_path)
        url = await store.presign("uploads/x", ttl_s=2 * HOUR)
    assert url is not None
    stated = int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])
    assert link_s - 60 <= stated <= link_s
