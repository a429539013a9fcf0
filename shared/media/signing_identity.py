"""The key and certificates that sign Content Credentials: from the environment, a mounted file, or for development.

Without a configured key, a development certificate is created once and kept in SIGNING_DIR. Files that are
signed with it say so, and nobody else trusts it.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.core.errors import Permanent
from shared.core.settings import ServiceSettings
from shared.observability.metrics import SIGNING_EXPIRES

DEVELOPMENT: Final = "Retake development certificate"
_VALIDITY: Final = timedelta(days=3650)
_creating: Final = threading.Lock()


@dataclass(frozen=True)
class Identity:
    """`chain`: PEM, with the signer's certificate first; `key`: PEM, an unencrypted PKCS#8 key on P-256."""

    chain: bytes
    key: bytes
    development: bool


def identity_from(certificate: str | None, key: str | None, data_dir: Path) -> Identity:
    """`certificate` and `key`: PEM text or paths of PEM files. With neither, the development certificate.

    Raises Permanent `signing_key_unreadable`.
    """
    if bool(certificate) != bool(key):
        raise Permanent("signing_key_unreadable", "Signing needs both a certificate chain and a key.", "Set both.")
    if certificate and key:
        return Identity(_pem(certificate), _pem(key), development=False)
    return _development(data_dir)


def identity_of(settings: ServiceSettings, folder: Path) -> Identity:
    """A service's identity. A development certificate is made only where the settings name a directory for it: in
    production nobody would notice that films are signed by a certificate that nobody trusts.

    Raises Permanent `signing_key_missing`.
    """
    if not (settings.signing_certificate or settings.signing_key or settings.signing_dir):
        raise Permanent(
            "signing_key_missing",
            "There is no certificate to sign Content Credentials with.",
            "Set SIGNING_CERTIFICATE and SIGNING_KEY; or, outside of production, SIGNING_DIR for a development one.",
        )
    found = identity_from(settings.signing_certificate, settings.signing_key, Path(settings.signing_dir or folder))
    try:
        ends = x509.load_pem_x509_certificate(found.chain).not_valid_after_utc
    except ValueError as error:
        raise Permanent(
            "signing_key_unreadable", f"SIGNING_CERTIFICATE is none: {error}.", "It must be PEM."
        ) from error
    SIGNING_EXPIRES.set(ends.timestamp())
    return found


def _pem(text_or_path: str) -> bytes:
    if text_or_path.lstrip().startswith("-----BEGIN"):
        return text_or_path.encode()
    try:
        return Path(text_or_path).read_bytes()
    except OSError as error:
        recovery = "Mount the file at the configured path."
        raise Permanent(
            "signing_key_unreadable", f"{text_or_path} cannot be read: {error.strerror}.", recovery
        ) from error


def _development(data_dir: Path) -> Identity:
    """Created by the first process that needs it and then shared. One file, so that chain and key always match."""
    kept = data_dir / "development-certificate.pem"
    with _creating:
        if not kept.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            chain, key = _create_development()
            created = kept.with_name(f".{kept.name}.{os.getpid()}")
            created.touch(0o600)
            created.write_bytes(key + chain)
            with suppress(FileExistsError):  # another process was first; a rename would replace its file
                os.link(created, kept)
            created.unlink()
    key, marker, rest = kept.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
    return Identity(marker + rest, key, development=True)


def _create_development() -> tuple[bytes, bytes]:
    """A leaf and its authority (C2PA refuses self-signed leaves), on P-256. Returns chain and key."""
    now = datetime.now(UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name(f"{DEVELOPMENT} authority")
    ca = (
        _certificate(ca_name, ca_name, ca_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        _certificate(_name(DEVELOPMENT), ca_name, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return leaf.public_bytes(pem) + ca.public_bytes(pem), private


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Retake (development, not trusted)"),
                      x509.NameAttribute(NameOID.COMMON_NAME, common)])  # fmt: skip


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + _VALIDITY)
    )  # fmt: skip


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(digital_signature=signs, content_commitment=False, key_encipherment=False,
                         data_encipherment=False, key_agreement=False, key_cert_sign=not signs, crl_sign=not signs,
                         encipher_only=False, decipher_only=False)  # fmt: skip
