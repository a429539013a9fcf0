"""Content Credentials (C2PA): a signed manifest in a media file that states what made it, and from what."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import c2pa
import structlog

from shared.contracts.messages import message
from shared.core.errors import Permanent, Retryable
from shared.media.file_type import Form, sniff
from shared.media.signing_identity import Identity

log = structlog.get_logger(__name__)

SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"  # IPTC's vocabulary, to which C2PA refers
NOT_AI: Final = ("animatic/",)  # drawn and computed by rules: no trained model
OPENED: Final = "c2pa.opened"  # for an uploaded file, whose only parent is its original
GENERATOR: Final = {"name": "Retake", "version": "0.1.0"}
_SETTINGS: Final = {
    "builder": {"thumbnail": {"enabled": False}},  # they would be most of a manifest's size and of the time to write it
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},  # an ingredient could name any address
}

_MIMES: Final = {
    Form.MP4: "video/mp4", Form.MATROSKA: "video/x-matroska", Form.AVI: "video/avi", Form.WAV: "audio/wav",
    Form.MP3: "audio/mpeg", Form.FLAC: "audio/flac", Form.AAC: "audio/aac", Form.OGG: "audio/ogg",
}  # fmt: skip
_PICTURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG", "image/png"), (b"RIFF", "image/webp"), (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"), (b"MM\x00*", "image/tiff"), (b"BM", "image/bmp"),
)  # fmt: skip
_ISO_MEDIA: Final = ("video/mp4", "audio/mp4", "video/quicktime", "video/x-m4v")  # variants of one format
_UNREAD: Final = "application/octet-stream"


Signature = Callable[[bytes], bytes]
"""The signature (ES256, r and s of 32 bytes each) of some bytes."""


@dataclass(frozen=True)
class Ingredient:
    """A file that became part of another. `path` is read for its own manifest; an ingredient without a readable path is
    only named.

    `mime` is the declared content type; the file's bytes take precedence. `relationship`: componentOf, parentOf or
    inputTo.
    """

    title: str
    mime: str
    path: Path | None = None
    relationship: str = "componentOf"
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """What a manifest states.

    `source_type`: IPTC's term for how the file was made (trainedAlgorithmicMedia, algorithmicMedia, composite, ...);
    None if unknown, as for an upload, whose `action` is `OPENED`. `facts` are Retake's own: model, version, who
    approved it. They contain no prompts.
    """

    title: str
    mime: str
    source_type: str | None
    software: str | None = None
    action: str = "c2pa.created"
    facts: dict[str, Any] = field(default_factory=dict)
    ingredients: Sequence[Ingredient] = ()


def is_ai(model: str | None) -> bool:
    return bool(model) and not str(model).startswith(NOT_AI)


def can_sign(mime: str) -> bool:
    return mime in c2pa.Builder.get_supported_mime_types()


def content_type_of(path: Path, declared: str) -> str:
    """The content type of a file by its bytes; the declared one if they do not determine it."""
    form = sniff(path)
    if form is Form.MP4 and declared in _ISO_MEDIA:
        return declared
    if form is not Form.PICTURE:
        return _MIMES.get(form, declared)
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return "image/avif" if head[8:11] == b"avi" else "image/heic"
    return next((mime for start, mime in _PICTURES if head.startswith(start)), declared)


def sign(source: Path, target: Path, claim: Claim, identity: Identity, signature: Signature | None = None) -> None:
    """Writes `target`: the source with a manifest. Blocks (hashes the whole file). It reads the source and its
    ingredients, so services call `signing.sign_safely` instead.

    `signature` signs in place of the identity's key.

    An ingredient that cannot be read is only named. Raises Retryable `signing_failed`, Permanent
    `signing_unsupported` for a format that cannot contain a manifest.
    """
    try:
        claim = replace(claim, mime=content_type_of(source, claim.mime))
        if not can_sign(claim.mime):
            raise Permanent("signing_unsupported", message("problem.signing_unsupported", mime=claim.mime))
        _sign(source, target, claim, identity, signature)
    except (c2pa.C2paError, OSError) as error:
        target.unlink(missing_ok=True)
        raise Retryable("signing_failed", message("problem.signing_failed", reason=str(error))) from error


def _sign(source: Path, target: Path, claim: Claim, identity: Identity, signature: Signature | None) -> None:
    with (
        _signer(identity, signature) as signer,
        c2pa.Context(c2pa.Settings.from_dict(_SETTINGS)) as context,
        c2pa.Builder.from_json(_manifest(claim, identity), context) as builder,
    ):
        for number, ingredient in enumerate(claim.ingredients):
            if ingredient.path is not None:
                _add(builder, ingredient, ingredient.path, number)
        with source.open("rb") as read, target.open("w+b") as write:
            builder.sign(signer, claim.mime, read, write)


def _signer(identity: Identity, signature: Signature | None) -> c2pa.Signer:
    algorithm = c2pa.C2paSigningAlg.ES256
    if signature is not None:
        return c2pa.Signer.from_callback(signature, algorithm, identity.chain.decode())
    info = c2pa.C2paSignerInfo(alg=algorithm, sign_cert=identity.chain, private_key=identity.key, ta_url=None)
    return c2pa.Signer.from_info(info)


def _add(builder: c2pa.Builder, ingredient: Ingredient, path: Path, number: int) -> None:
    """Adds an ingredient with its manifest, or as a file of unknown format if its manifest cannot be read."""
    mime = content_type_of(path, ingredient.mime)
    description = json.dumps(_named(ingredient, mime) | {"label": str(number)})
    for form in (mime, _UNREAD) if can_sign(mime) else (_UNREAD,):
        with path.open("rb") as stream, suppress(c2pa.C2paError):
            builder.add_ingredient_from_stream(description, form, stream)
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
