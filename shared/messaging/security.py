"""TLS and logins of the connections to Kafka, the same for every client, and why a connection was refused."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import create_conn
from aiokafka.errors import (
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from faststream.security import BaseSecurity, SASLOAuthBearer, SASLPlaintext, SASLScram256, SASLScram512

from shared.core.errors import UserError
from shared.core.settings import KafkaSettings, SaslMechanism, SecurityProtocol

TOKEN_TIMEOUT_S: Final = 10.0
RENEWED_AT: Final = 0.8  # of a token's life
TOKEN_LIFE_S: Final = 300.0  # of a token whose issuer does not say: RFC 6749, section 5.1, only recommends expires_in
DIAGNOSIS_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class KafkaSecurity:
    """What every client is opened with. `tokens` is shared by them, so that each token is asked for once."""

    protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    mechanism: SaslMechanism | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tokens: AbstractTokenProvider | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: KafkaSettings) -> KafkaSecurity:
        """Raises UserError if a certificate's file is none."""
        password = settings.kafka_sasl_password
        return cls(
            settings.kafka_security_protocol,
            _tls(settings),
            settings.kafka_sasl_mechanism,
            settings.kafka_sasl_username,
            password.get_secret_value() if password else None,
            _tokens(settings),
        )

    def options(self) -> dict[str, Any]:
        """Keyword arguments of aiokafka's producer, consumer, admin client and connection."""
        options: dict[str, Any] = {"security_protocol": self.protocol.value, "ssl_context": self.tls}
        match self.mechanism:
            case None:
                return options
            case SaslMechanism.OAUTHBEARER | SaslMechanism.AWS_MSK_IAM:
                return options | {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": self.tokens}
            case SaslMechanism.PLAIN | SaslMechanism.SCRAM_SHA_256 | SaslMechanism.SCRAM_SHA_512:
                return options | {
                    "sasl_mechanism": self.mechanism.value,
                    "sasl_plain_username": self.username,
                    "sasl_plain_password": self.password,
                }

    def broker_options(self) -> dict[str, Any]:
        """The same as keyword arguments of FastStream's KafkaBroker."""
        common: dict[str, Any] = {"ssl_context": self.tls, "use_ssl": self.protocol.uses_tls}
        login: dict[str, Any] = {"username": self.username or "", "password": self.password or ""}
        match self.mechanism:
            case None:
                return {"security": BaseSecurity(**common)}
            case SaslMechanism.PLAIN:
                return {"security": SASLPlaintext(**common, **login)}
            case SaslMechanism.SCRAM_SHA_256:
                return {"security": SASLScram256(**common, **login)}
            case SaslMechanism.SCRAM_SHA_512:
                return {"security": SASLScram512(**common, **login)}
            case SaslMechanism.OAUTHBEARER | SaslMechanism.AWS_MSK_IAM:
                return {"security": SASLOAuthBearer(**common), "sasl_oauth_token_provider": self.tokens}


def _tls(settings: KafkaSettings) -> ssl.SSLContext | None:
    if not settings.kafka_security_protocol.uses_tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_ca)
    except (ssl.SSLError, OSError) as error:
        raise _bad_file("KAFKA_SSL_CA", error) from error
    if settings.kafka_ssl_certificate:
        try:
            context.load_cert_chain(settings.kafka_ssl_certificate, settings.kafka_ssl_key)
        except (ssl.SSLError, OSError) as error:
            raise _bad_file("KAFKA_SSL_CERTIFICATE and _KEY", error) from error
    return context


def _bad_file(setting: str, error: Exception) -> UserError:
    return UserError("kafka_certificate", f"{setting} cannot be used: {error}.", "It must be a file in PEM.")


class TokenUnavailable(ConnectionError):
    """No token for the moment: an unreachable broker to whoever connects, so it is tried again."""


class CachedTokens(AbstractTokenProvider):  # type: ignore[misc]
    """`fetch` returns a token and its life in seconds, or raises TokenUnavailable. A token is used for 80 % of its
    life; callers at the same time wait for one fetch."""

    def __init__(self, fetch: Callable[[], Any], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._token = ""
        self._good_until = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def token(self) -> str:
        async with self._one_at_a_time:
            if self._monotonic() >= self._good_until:
                began = self._monotonic()
                self._token, life_s = await self._fetch()
                self._good_until = began + life_s * RENEWED_AT
            return self._token


def _tokens(settings: KafkaSettings) -> AbstractTokenProvider | None:
    match settings.kafka_sasl_mechanism:
        case SaslMechanism.OAUTHBEARER:
            return CachedTokens(lambda: _client_credentials(settings))
        case SaslMechanism.AWS_MSK_IAM:
            region = settings.kafka_aws_region
            return CachedTokens(lambda: asyncio.to_thread(_signed_by_aws, region))
        case SaslMechanism.PLAIN | SaslMechanism.SCRAM_SHA_256 | SaslMechanism.SCRAM_SHA_512 | None:
            return None


async def _client_credentials(settings: KafkaSettings) -> tuple[str, float]:
    """RFC 6749, section 4.4."""
    url, secret = settings.kafka_oauth_token_url or "", settings.kafka_oauth_client_secret
    form = {"grant_type": "client_credentials"}
    if settings.kafka_oauth_scope:
        form["scope"] = settings.kafka_oauth_scope
    login = (settings.kafka_oauth_client_id or "", secret.get_secret_value() if secret else "")
    try:
        async with httpx.AsyncClient(timeout=TOKEN_TIMEOUT_S) as client:
            answer = await client.post(url, data=form, auth=login)
        if answer.is_error:
            raise TokenUnavailable(f"{url} answered {answer.status_code}: {answer.text[:200]!r}; check KAFKA_OAUTH_*")
        body = answer.json()
        return str(body["access_token"]), float(body.get("expires_in") or TOKEN_LIFE_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TokenUnavailable(f"{url}: {error!r}; check KAFKA_OAUTH_TOKEN_URL") from error
    except (KeyError, TypeError, ValueError) as error:
        raise TokenUnavailable(f"{url} answered without an access token: {error!r}") from error


def _signed_by_aws(region: str | None) -> tuple[str, float]:
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # takes a tenth of a second, which only MSK is worth
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        token, expires_at_ms = MSKAuthTokenProvider.generate_auth_token(region)
    except AttributeError as error:  # the signer takes for granted that there are credentials
        raise TokenUnavailable("there are no AWS credentials; give the service account a role") from error
    except (BotoCoreError, ClientError, ValueError) as error:
        raise TokenUnavailable(f"no token for MSK: {error}; check the AWS credentials") from error
    return str(token), max(0.0, float(expires_at_ms) / 1000 - time.time())


async def refusal(bootstrap: str, security: KafkaSecurity) -> str | None:
    """Why none of these brokers takes a connection, and what to do; None if one does. aiokafka's clients only say that
    they cannot connect."""
    found: list[str] = []
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            async with asyncio.timeout(DIAGNOSIS_TIMEOUT_S):
                connection = await create_conn(
                    host.strip("[]"), int(port), client_id="retake-check", **security.options()
                )
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            found.append(f"{address}: {_explained(error)}")
        else:
            connection.close()
            return None
    return "; ".join(found)


def _explained(error: Exception) -> str:
    text = str(error) or type(error).__name__
    match error:
        case TokenUnavailable():
            return text
        case ssl.SSLCertVerificationError():
            why = error.verify_message or text
            return f"the broker's certificate is refused ({why}); check KAFKA_SSL_CA and the name in KAFKA_BOOTSTRAP"
        case ssl.SSLError():
            return f"no TLS ({text}); check KAFKA_SECURITY_PROTOCOL and the port in KAFKA_BOOTSTRAP"
        case SaslAuthenticationFailed():
            return f"the login is refused ({text}); check KAFKA_SASL_* or KAFKA_OAUTH_*"
        case UnsupportedSaslMechanismError():
            return f"{text.rstrip('.')}; check KAFKA_SASL_MECHANISM"
        case KafkaError():
            return f"{text}; check that KAFKA_SECURITY_PROTOCOL is that of the port in KAFKA_BOOTSTRAP"
        case ValueError():
            return "KAFKA_BOOTSTRAP must be host:port[,host:port]"
        case TimeoutError():
            return f"no answer within {DIAGNOSIS_TIMEOUT_S:.0f} s; check KAFKA_BOOTSTRAP and network policies"
        case _:
            return f"{text}; check KAFKA_BOOTSTRAP and that Kafka runs"
