"""Content Credentials (C2PA): a signed manifest in the file itself that says what made it, and from what.

The key comes from the environment or a mounted file. Without one, a development certificate is made once and kept in
the data directory: files signed with it say so, and nobody else trusts it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import c2pa
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.core.errors import Permanent, Retryable
from shared.core.settings import ServiceSettings
from shared.media.file_type import Form, sniff

log = structlog.get_logger(__name__)

SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"  # IPTC's vocabulary, which C2PA refers to
NOT_AI: Final = ("animatic/",)  # drawn and computed by rules: nothing was trained
OPENED: Final = "c2pa.opened"  # of a file that was brought: its only parent is what it was before
GENERATOR: Final = {"name": "Retake", "version": "0.1.0"}
DEVELOPMENT: Final = "Retake development certificate"
_NO_THUMBNAILS: Final = {"builder": {"thumbnail": {"enabled": False}}}  # most of a manifest's size, and of its time
_YEARS: Final = timedelta(days=3650)
_making: Final = threading.Lock()

_MIMES: Final = {
    Form.MP4: "video/mp4", Form.MATROSKA: "video/x-matroska", Form.AVI: "video/avi", Form.WAV: "audio/wav",
    Form.MP3: "audio/mpeg", Form.FLAC: "audio/flac", Form.AAC: "audio/aac", Form.OGG: "audio/ogg",
}  # fmt: skip
_PICTURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG", "image/png"), (b"RIFF", "image/webp"), (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"), (b"MM\x00*", "image/tiff"), (b"BM", "image/bmp"),
)  # fmt: skip
_ISO_MEDIA: Final = ("video/mp4", "audio/mp4", "video/quicktime", "video/x-m4v")  # one form of file
_UNREAD: Final = "application/octet-stream"


@dataclass(frozen=True)
class Ingredient:
    """A file that went into another. `path` is read for its own manifest; without it, or unreadable, it is named.

    `mime` is what somebody said of it: where the bytes tell otherwise they count.
    """

    title: str
    mime: str
    path: Path | None = None
    relationship: str = "componentOf"  # or parentOf, inputTo
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """`source_type`: IPTC's word for how it was made (trainedAlgorithmicMedia, algorithmicMedia, composite, ...);
    None where nobody told us, as of an upload, whose `action` is `OPENED`. `facts` are ours: model, version, who
    approved. No prompts."""

    title: str
    mime: str
    source_type: str | None
    software: str | None = None
    action: str = "c2pa.created"
    facts: dict[str, Any] = field(default_factory=dict)
    ingredients: Sequence[Ingredient] = ()


@dataclass(frozen=True)
class Identity:
    """`chain` PEM, the signer's certificate first; `key` PEM, an unencrypted PKCS#8 key on P-256."""

    chain: bytes
    key: bytes
    development: bool


def identity_from(certificate: str | None, key: str | None, data_dir: Path) -> Identity:
    """`certificate` and `key`: PEM text or the paths of PEM files. Neither: the development certificate.

    Raises Permanent `signing_key_unreadable`.
    """
    if bool(certificate) != bool(key):
        raise Permanent("signing_key_unreadable", "Signing needs both a certificate chain and a key.", "Set both.")
    if certificate and key:
        return Identity(_pem(certificate), _pem(key), development=False)
    return _development(data_dir)


def identity_of(settings: ServiceSettings, folder: Path) -> Identity:
    """A service's; a development certificate is kept in `folder` if the settings name no place for all services."""
    kept = Path(settings.signing_dir) if settings.signing_dir else folder / "signing"
    return identity_from(settings.signing_certificate, settings.signing_key, kept)


def is_ai(model: str | None) -> bool:
    return bool(model) and not str(model).startswith(NOT_AI)


def can_sign(mime: str) -> bool:
    return mime in c2pa.Builder.get_supported_mime_types()


def form_of(path: Path, told: str) -> str:
    """The content type of a file by its bytes; what was told of it where they do not say more."""
    form = sniff(path)
    if form is Form.MP4 and told in _ISO_MEDIA:
        return told
    if form is not Form.PICTURE:
        return _MIMES.get(form, told)
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return "image/avif" if head[8:11] == b"avi" else "image/heic"
    return next((mime for start, mime in _PICTURES if head.startswith(start)), told)


def sign(source: Path, target: Path, claim: Claim, identity: Identity) -> None:
    """Write `target`: the source with a manifest. Blocks (hashes the whole file): call it in a thread.

    An ingredient that cannot be read is named instead. Raises Retryable `signing_failed`, Permanent
    `signing_unsupported` for a format that can carry no manifest.
    """
    try:
        claim = replace(claim, mime=form_of(source, claim.mime))
        if not can_sign(claim.mime):
            raise Permanent("signing_unsupported", f"{claim.mime} cannot carry Content Credentials.")
        _sign(source, target, claim, identity)
    except (c2pa.C2paError, OSError) as error:
        target.unlink(missing_ok=True)
        raise Retryable("signing_failed", f"The file could not be signed: {error}") from error


def _sign(source: Path, target: Path, claim: Claim, identity: Identity) -> None:
    info = c2pa.C2paSignerInfo(
        alg=c2pa.C2paSigningAlg.ES256, sign_cert=identity.chain, private_key=identity.key, ta_url=None
    )
    with (
        c2pa.Signer.from_info(info) as signer,
        c2pa.Context(c2pa.Settings.from_dict(_NO_THUMBNAILS)) as context,
        c2pa.Builder.from_json(_manifest(claim, identity), context) as builder,
    ):
        for number, ingredient in enumerate(claim.ingredients):
            if ingredient.path is not None:
                _add(builder, ingredient, ingredient.path, number)
        with source.open("rb") as read, target.open("w+b") as write:
            builder.sign(signer, claim.mime, read, write)


def _add(builder: c2pa.Builder, ingredient: Ingredient, path: Path, number: int) -> None:
    """With the manifest it carries; as a file of no known form where that cannot be read."""
    mime = form_of(path, ingredient.mime)
    told = json.dumps(_named(ingredient, mime) | {"label": str(number)})
    for form in (mime, _UNREAD) if can_sign(mime) else (_UNREAD,):
        with path.open("rb") as stream, suppress(c2pa.C2paError):
            builder.add_ingredient_from_stream(told, form, stream)
            return
    log.warning("ingredient.unreadable", title=ingredient.title, content_type=mime)


def _named(ingredient: Ingredient, mime: str) -> dict[str, Any]:
    return {"title": ingredient.title, "format": mime, "relationship": ingredient.relationship}


def _manifest(claim: Claim, identity: Identity) -> str:
    action: dict[str, Any] = {"action": claim.action, "softwareAgent": GENERATOR}
    if claim.software:
        action["softwareAgent"] = {"name": claim.software}
    if claim.source_type:
        action["digitalSourceType"] = SOURCE_TYPE + claim.source_type
    if claim.action == OPENED:
        parents = [str(n) for n, i in enumerate(claim.ingredients) if i.relationship == "parentOf"]
        action["parameters"] = {"ingredientIds": parents}
    facts = claim.facts | {"signed_for_development": identity.development}
    facts["ingredients"] = [{"title": i.title, "relationship": i.relationship, **i.facts} for i in claim.ingredients]
    return json.dumps({
        "claim_generator_info": [GENERATOR],
        "title": claim.title,
        "format": claim.mime,
        "ingredients": [_named(i, i.mime) for i in claim.ingredients if i.path is None],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
            {"label": "org.retake.facts", "data": facts},
        ],
    })  # fmt: skip


def _pem(given: str) -> bytes:
    if given.lstrip().startswith("-----BEGIN"):
        return given.encode()
    try:
        return Path(given).read_bytes()
    except OSError as error:
        recovery = "Mount the file where the setting says."
        raise Permanent("signing_key_unreadable", f"{given} cannot be read: {error.strerror}.", recovery) from error


def _development(data_dir: Path) -> Identity:
    """Made by whichever process comes first; the others find it. One file, so that chain and key always match."""
    kept = data_dir / "development-certificate.pem"
    with _making:
        if not kept.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            chain, key = _make_development()
            made = kept.with_name(f".{kept.name}.{os.getpid()}")
            made.touch(0o600)
            made.write_bytes(key + chain)
            with suppress(FileExistsError):  # another process was first; a rename would replace what it made
                os.link(made, kept)
            made.unlink()
    key, marker, rest = kept.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
    return Identity(marker + rest, key, development=True)


def _make_development() -> tuple[bytes, bytes]:
    """A leaf and its authority (C2PA refuses self-signed leaves), on P-256."""
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
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + _YEARS)
    )  # fmt: skip


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(digital_signature=signs, content_commitment=False, key_encipherment=False,
                         data_encipherment=False, key_agreement=False, key_cert_sign=not signs, crl_sign=not signs,
                         encipher_only=False, decipher_only=False)  # fmt: skip
