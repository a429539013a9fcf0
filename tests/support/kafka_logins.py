"""A listener of Apache Kafka with TLS and every kind of login, its certificates, and settings that connect to it."""

from __future__ import annotations

import base64
import ipaddress
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.local.parts.kafka.node import Listener

USER: Final = "retake"
PASSWORD: Final = 's3cret, with a " and a ,'
PLAIN_PASSWORD: Final = "plain-secret"
_MODULES: Final = "org.apache.kafka.common.security"


def listener(directory: Path) -> Listener:
    """Writes ca.pem, other-ca.pem (which signed nothing) and server.pem into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    key, authority = _authority("Test authority")
    (directory / "ca.pem").write_bytes(_pem(authority))
    (directory / "other-ca.pem").write_bytes(_pem(_authority("Another authority")[1]))
    server_key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (_builder("127.0.0.1", authority.subject, server_key).add_extension(names, critical=False)).sign(
        key, hashes.SHA256()
    )
    private = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "server.pem").write_bytes(private + _pem(certificate) + _pem(authority))
    scram = f"{_MODULES}.scram.ScramLoginModule required;"
    return Listener(
        "SASL_SSL",
        {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(directory / "server.pem"),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            "plain.sasl.jaas.config": f'{_MODULES}.plain.PlainLoginModule required user_{USER}="{PLAIN_PASSWORD}";',
            "scram-sha-256.sasl.jaas.config": scram,
            "scram-sha-512.sasl.jaas.config": scram,
            # Without a key set Kafka takes unsigned tokens, which is enough to see that ours arrive.
            "oauthbearer.sasl.jaas.config": (
                f'{_MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="{USER}";'
            ),
        },
    )


def create_user(bootstrap: str) -> None:
    """USER with PASSWORD for both kinds of SCRAM, by the listener that asks for no login."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):  # both at once are refused
        change = UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
        admin.alter_user_scram_credentials([change])[USER].result()


def unsigned_token(life_s: float = 300) -> str:
    """A JSON Web Token without a signature."""
    now = time.time()
    parts = ({"alg": "none"}, {"sub": USER, "iat": now, "exp": now + life_s})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, ""])


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, subject, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
