"""The settings of every service, read from environment variables. Each config.py adds its own and sets the prefix."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.core.errors import UserError


class SecurityProtocol(StrEnum):
    """Kafka's `security.protocol`."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def uses_tls(self) -> bool:
        return self in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL)

    @property
    def uses_sasl(self) -> bool:
        return self in (SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL)


class SaslMechanism(StrEnum):
    """Kafka's `sasl.mechanism`; AWS_MSK_IAM is OAUTHBEARER with a token that the AWS credentials sign."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"
    AWS_MSK_IAM = "AWS_MSK_IAM"


_PASSWORD: Final = frozenset({"kafka_sasl_username", "kafka_sasl_password"})
_CLIENT: Final = frozenset({"kafka_oauth_token_url", "kafka_oauth_client_id", "kafka_oauth_client_secret"})
_NEEDS: Final = {
    SaslMechanism.PLAIN: _PASSWORD,
    SaslMechanism.SCRAM_SHA_256: _PASSWORD,
    SaslMechanism.SCRAM_SHA_512: _PASSWORD,
    SaslMechanism.OAUTHBEARER: _CLIENT,
    SaslMechanism.AWS_MSK_IAM: frozenset({"kafka_aws_region"}),
}
_ALLOWS: Final = {SaslMechanism.OAUTHBEARER: frozenset({"kafka_oauth_scope"})}
_OF_ONE_MECHANISM: Final = sorted(_PASSWORD | _CLIENT | {"kafka_oauth_scope", "kafka_aws_region"})
_OF_TLS: Final = ("kafka_ssl_ca", "kafka_ssl_certificate", "kafka_ssl_key")


class KafkaSettings(BaseSettings):
    """How to connect to Kafka. A combination that cannot work is refused, with the variables to change."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    kafka_security_protocol: SecurityProtocol = Field(
        SecurityProtocol.PLAINTEXT, description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: SaslMechanism | None = Field(
        None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER (client credentials) or AWS_MSK_IAM"
    )
    kafka_sasl_username: str | None = Field(None, description="for PLAIN and SCRAM")
    kafka_sasl_password: SecretStr | None = Field(None, description="for PLAIN and SCRAM")
    kafka_ssl_ca: Path | None = Field(
        None, description="PEM file of the authorities that sign the brokers' certificates; none: those of the system"
    )
    kafka_ssl_certificate: Path | None = Field(
        None, description="PEM file with the client's certificate chain, where brokers ask for one"
    )
    kafka_ssl_key: Path | None = Field(None, description="PEM file with the private key of that certificate")
    kafka_oauth_token_url: str | None = Field(None, description="token endpoint, for OAUTHBEARER")
    kafka_oauth_client_id: str | None = Field(None, description="for OAUTHBEARER")
    kafka_oauth_client_secret: SecretStr | None = Field(None, description="for OAUTHBEARER")
    kafka_oauth_scope: str | None = Field(None, description="scopes to ask for, separated by spaces, for OAUTHBEARER")
    kafka_aws_region: str | None = Field(None, description="region of the cluster, for AWS_MSK_IAM")
    kafka_client_rack: str | None = Field(
        None, description="zone of this replica, as in the brokers' `broker.rack`: reads from the copy in that zone"
    )
    kafka_prefix: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="put before the names of topics and groups, for a cluster that is shared; the same in all services",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: object) -> object:
        """As compose files and templates write what is not set."""
        name = getattr(info, "field_name", "") or ""
        unsettable = name in KafkaSettings.model_fields and name != "kafka_prefix"
        return KafkaSettings.model_fields[name].default if unsettable and value == "" else value

    @model_validator(mode="after")
    def _works_together(self) -> Self:
        protocol, mechanism = self.kafka_security_protocol, self.kafka_sasl_mechanism
        if protocol.uses_sasl and mechanism is None:
            raise ValueError(f"{protocol} needs {self._name('kafka_sasl_mechanism')}: {', '.join(SaslMechanism)}")
        if mechanism is not None:
            self._check_mechanism(mechanism)
        allowed = _NEEDS[mechanism] | _ALLOWS.get(mechanism, frozenset()) if mechanism else frozenset()
        if unused := [name for name in _OF_ONE_MECHANISM if name not in allowed and getattr(self, name) is not None]:
            what = f"{mechanism} does not use" if mechanism else "without a SASL mechanism, remove"
            raise ValueError(f"{what} {self._names(unused)}")
        self._check_tls()
        return self

    def _check_mechanism(self, mechanism: SaslMechanism) -> None:
        protocol = self.kafka_security_protocol
        if not protocol.uses_sasl:
            raise ValueError(f"{mechanism} needs {self._name('kafka_security_protocol')} SASL_SSL, not {protocol}")
        if mechanism in (SaslMechanism.OAUTHBEARER, SaslMechanism.AWS_MSK_IAM) and not protocol.uses_tls:
            raise ValueError(
                f"{mechanism} sends a token that anybody on the way could use: "
                f"set {self._name('kafka_security_protocol')} to SASL_SSL"
            )
        if missing := sorted(name for name in _NEEDS[mechanism] if getattr(self, name) is None):
            raise ValueError(f"{mechanism} needs {self._names(missing)}")

    def _check_tls(self) -> None:
        given = [name for name in _OF_TLS if getattr(self, name) is not None]
        if given and not self.kafka_security_protocol.uses_tls:
            raise ValueError(
                f"{self._names(given)}: only with {self._name('kafka_security_protocol')} SSL or SASL_SSL, "
                f"not {self.kafka_security_protocol}"
            )
        if (self.kafka_ssl_certificate is None) != (self.kafka_ssl_key is None):
            raise ValueError(f"set both or none of {self._names(['kafka_ssl_certificate', 'kafka_ssl_key'])}")
        for name in given:
            if not getattr(self, name).is_file():
                raise ValueError(f"{self._name(name)}: there is no file {getattr(self, name)}; mount it or correct it")

    def _name(self, field: str) -> str:
        return f"{self.model_config.get('env_prefix', '')}{field}".upper()

    def _names(self, fields: list[str]) -> str:
        return ", ".join(map(self._name, fields))


def kafka_settings() -> KafkaSettings:
    """An operator's command: from KAFKA_SECURITY_PROTOCOL and so on. Raises UserError with every fault."""
    try:
        return KafkaSettings()
    except ValidationError as error:
        raise UserError(
            "kafka_settings", f"The settings of Kafka are wrong: {faults_of(error)}.", "See settings.md."
        ) from None


def faults_of(error: ValidationError, service: str | None = None) -> str:
    """Each setting by the name of its variable, with what is wrong; none of the values, which may be secret."""
    prefix = f"{service}_" if service else ""
    return "; ".join(_fault(prefix, e) for e in error.errors(include_input=False))


def _fault(prefix: str, error: ErrorDetails) -> str:
    where = [(prefix + str(part)).upper() if i == 0 else str(part) for i, part in enumerate(error["loc"])]
    return ": ".join([*where, error["msg"].removeprefix("Value error, ")])


class Role(StrEnum):
    """What a replica does. Those that only work join no consumer group, so their number may change at any time."""

    ALL = "all"
    EVENTS = "events"
    WORK = "work"

    @property
    def has_events(self) -> bool:
        return self is not Role.WORK

    @property
    def has_work(self) -> bool:
        return self is not Role.EVENTS


class ServiceSettings(KafkaSettings):
    """Frozen; built when the app is created, never at import. For example `GENERATOR_DATABASE_URL`."""

    database_url: str = Field(
        description="postgresql://role:password@host:port/database, with ?sslmode=verify-full&sslrootcert=/tls/ca.crt "
        "for TLS; may lead through a pooler if DATABASE_DIRECT_URL does not"
    )
    database_direct_url: str | None = Field(
        None,
        description="the same database without the pooler, for what needs a session of its own: the relay's lease, "
        "LISTEN and migrations; none: DATABASE_URL is direct",
    )
    kafka_bootstrap: str = Field(description="host:port[,host:port]")
    kafka_embedded: bool = Field(
        False, description="whether the broker is the embedded in-memory one; never in production"
    )
    objects_url: str = Field(
        description="file:///folder, s3://bucket/prefix or gs://bucket/prefix; each service has a prefix below it"
    )
    work_dir: str = Field("/tmp", description="directory for temporary files, which may be lost at any time")
    pool_size: int = 10
    signing_certificate: str | None = Field(
        None, description="certificate chain for Content Credentials: PEM, or its path"
    )
    signing_key: str | None = Field(
        None, description="private key of that certificate (PKCS#8, P-256): PEM, or its path"
    )
    signing_dir: str | None = Field(
        None,
        description="directory for a development certificate, which nobody trusts, in place of a certificate; without "
        "either, services that sign do not start",
    )
    role: Role = Field(
        Role.ALL, description="all, events (consume and publish, but run no jobs) or work (run jobs only)"
    )
    finish_s: float = Field(
        0.0,
        ge=0,
        description="seconds that jobs in hand may take to end at SIGTERM, while no new one is begun; those that do "
        "not are given back without counting as an attempt",
    )
    log_level: str = "INFO"
    log_json: bool = True

    @field_validator("database_direct_url")
    @classmethod
    def _or_none(cls, value: str | None) -> str | None:
        return value or None

    @property
    def direct_url(self) -> str:
        """Where a session lasts as long as its connection."""
        return self.database_direct_url or self.database_url

    @model_validator(mode="after")
    def _embedded_has_no_security(self) -> Self:
        if self.kafka_embedded and self.kafka_security_protocol is not SecurityProtocol.PLAINTEXT:
            raise ValueError("the embedded broker has neither TLS nor logins: use PLAINTEXT")
        if self.kafka_embedded and self.kafka_prefix:
            raise ValueError("the embedded broker has the topics without a prefix")
        return self
