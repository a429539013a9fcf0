"""Which combinations of Kafka's settings are refused, and how long a token is used."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.review.config import Settings
from shared.core.errors import UserError
from shared.core.settings import KafkaSettings, kafka_settings
from shared.messaging.security import CachedTokens, KafkaSecurity, TokenUnavailable

PASSWORD = {"kafka_sasl_username": "u", "kafka_sasl_password": "p"}
SASL = {"kafka_security_protocol": "SASL_SSL"}
OAUTH = {"kafka_oauth_token_url": "https://x/", "kafka_oauth_client_id": "i", "kafka_oauth_client_secret": "s"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({**SASL}, "SASL_SSL needs KAFKA_SASL_MECHANISM: PLAIN, SCRAM-SHA-256"),
        ({"kafka_sasl_mechanism": "PLAIN", **PASSWORD}, "PLAIN needs KAFKA_SECURITY_PROTOCOL SASL_SSL, not PLAINTEXT"),
        ({**SASL, "kafka_sasl_mechanism": "PLAIN"}, "PLAIN needs KAFKA_SASL_PASSWORD, KAFKA_SASL_USERNAME"),
        ({**SASL, "kafka_sasl_mechanism": "OAUTHBEARER"}, "OAUTHBEARER needs KAFKA_OAUTH_CLIENT_ID"),
        ({**SASL, "kafka_sasl_mechanism": "AWS_MSK_IAM"}, "AWS_MSK_IAM needs KAFKA_AWS_REGION"),
        (
            {**SASL, "kafka_sasl_mechanism": "OAUTHBEARER", **OAUTH, **PASSWORD},
            "OAUTHBEARER does not use KAFKA_SASL_PASSWORD, KAFKA_SASL_USERNAME",
        ),
        ({**PASSWORD}, "without a SASL mechanism, remove KAFKA_SASL_PASSWORD, KAFKA_SASL_USERNAME"),
        (
            {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "OAUTHBEARER", **OAUTH},
            "set KAFKA_SECURITY_PROTOCOL to SASL_SSL",
        ),
        ({"kafka_ssl_ca": "/x"}, "KAFKA_SSL_CA: only with KAFKA_SECURITY_PROTOCOL SSL or SASL_SSL"),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_key": "/x"}, "set both or none of KAFKA_SSL_CERTIFICATE"),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_ca": "/nowhere"}, "there is no file /nowhere"),
        ({"kafka_prefix": "not a name/"}, "kafka_prefix"),
    ],
)
def test_a_combination_that_cannot_work_names_what_to_change(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        KafkaSettings(**given)
    assert said in str(refused.value)


def test_a_service_names_its_own_variables_and_empty_ones_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    required = {"DATABASE_URL": "postgresql://x", "KAFKA_BOOTSTRAP": "x:1", "OBJECTS_URL": "file:///x"}
    for name, value in required.items():
        monkeypatch.setenv(f"REVIEW_{name}", value)
    for name in ("KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "KAFKA_SSL_CA", "KAFKA_PREFIX"):
        monkeypatch.setenv(f"REVIEW_{name}", "")
    assert Settings().kafka_security_protocol == "PLAINTEXT"
    monkeypatch.setenv("REVIEW_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(ValidationError, match="SASL_SSL needs REVIEW_KAFKA_SASL_MECHANISM"):
        Settings()


def test_a_command_tells_every_fault_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "TLS")
    monkeypatch.setenv("KAFKA_PREFIX", "a b")
    with pytest.raises(UserError) as refused:
        kafka_settings()
    assert "KAFKA_SECURITY_PROTOCOL: Input should be 'PLAINTEXT'" in refused.value.cause
    assert "KAFKA_PREFIX" in refused.value.cause


def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(UserError, match="KAFKA_SSL_CA cannot be used"):
        KafkaSecurity.of(KafkaSettings(kafka_security_protocol="SSL", kafka_ssl_ca=tmp_path / "ca.pem"))


async def test_a_token_is_renewed_at_four_fifths_of_its_life_and_again_after_a_failure() -> None:
    now, made = [0.0], 0

    async def fetch() -> tuple[str, float]:
        nonlocal made
        made += 1
        if made == 3:
            raise TokenUnavailable("not now")
        return f"token {made}", 100.0

    tokens = CachedTokens(fetch, monotonic=lambda: now[0])
    assert await tokens.token() == "token 1"
    now[0] = 79.0
    assert await tokens.token() == "token 1"
    now[0] = 80.0
    assert await tokens.token() == "token 2"
    now[0] = 161.0
    with pytest.raises(TokenUnavailable):
        await tokens.token()
    assert await tokens.token() == "token 4"


async def test_msk_gets_a_url_signed_by_the_credentials_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    given = KafkaSettings(**SASL, kafka_sasl_mechanism="AWS_MSK_IAM", kafka_aws_region="eu-west-1")
    options = KafkaSecurity.of(given).options()
    assert options["sasl_mechanism"] == "OAUTHBEARER"
    token = await options["sasl_oauth_token_provider"].token()
    url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert url.startswith("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect")
    assert "X-Amz-Credential=AKIAEXAMPLE" in url
    assert "X-Amz-Signature=" in url


async def test_msk_without_credentials_is_unreachable_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    given = KafkaSettings(**SASL, kafka_sasl_mechanism="AWS_MSK_IAM", kafka_aws_region="eu-west-1")
    with pytest.raises(TokenUnavailable, match="no AWS credentials"):
        await KafkaSecurity.of(given).options()["sasl_oauth_token_provider"].token()
