"""Signs files from untrusted sources: they are read in a confined process, which never has the key."""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from shared.contracts.messages import message
from shared.core.confinement import Files
from shared.core.errors import Permanent, Retryable
from shared.core.processes import ResourceLimits
from shared.media.c2pa import Claim
from shared.media.signing_identity import Identity
from shared.sandbox.channel import Message
from shared.sandbox.jobs import run_job

TIMEOUT_S: Final = 900.0  # an hour of 2160p is hashed twice, from a slow disk
_LIMITS: Final = ResourceLimits(memory=4 << 30, cpu_s=600, file_size=16 << 30)
_HALF: Final = 32  # bytes of r and of s on P-256


async def sign_safely(source: Path, target: Path, claim: Claim, identity: Identity) -> None:
    """`c2pa.sign` in a confined process. Raises Retryable `signing_failed`, also for a file that its reader cannot
    stand; Permanent `signing_unsupported`."""
    parts = [{**asdict(i), "path": i.path and str(i.path.absolute())} for i in claim.ingredients]
    job = {
        "source": str(source.absolute()), "target": str(target.absolute()), "development": identity.development,
        "claim": {**asdict(claim), "ingredients": parts}, "chain": identity.chain.decode(errors="replace"),
    }  # fmt: skip
    files = Files(read=(source, *(i.path for i in claim.ingredients if i.path)), write=(target.parent,))
    try:
        await run_job(
            "shared.media.signing_worker", job, timeout_s=TIMEOUT_S, limits=_LIMITS, files=files, answer=_Key(identity)
        )
    except (Permanent, Retryable) as error:
        if error.code not in ("worker_failed", "worker_killed", "worker_timeout"):
            raise
        target.unlink(missing_ok=True)
        raise Retryable("signing_failed", message("problem.signing_failed", reason=error.cause)) from error


class _Key:
    """Signs once: what a process asks for beside its one claim is not ours."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._used = False

    def __call__(self, question: Message) -> Message:
        if self._used:
            raise Retryable("signing_failed", message("problem.signing_failed", reason="It asked twice."))
        self._used = True
        try:
            data = base64.b64decode(question["sign"])
        except (KeyError, TypeError, ValueError) as error:
            raise Retryable("signing_failed", message("problem.signing_failed", reason="It asked nonsense.")) from error
        return {"signature": base64.b64encode(self._sign(data)).decode()}

    def _sign(self, data: bytes) -> bytes:
        try:
            key = serialization.load_pem_private_key(self._identity.key, None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
        except (ValueError, TypeError, AssertionError) as error:
            cause = message("problem.signing_failed", reason="SIGNING_KEY is no key on P-256")
            raise Retryable("signing_failed", cause) from error
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_HALF) + s.to_bytes(_HALF)
