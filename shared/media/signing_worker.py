"""Within a job: adds Content Credentials to an untrusted file. `signing` orders it, and has the key."""

from __future__ import annotations

import base64
from pathlib import Path

from shared.media.c2pa import Claim, Ingredient, sign
from shared.media.signing_identity import Identity
from shared.sandbox.channel import Job
from shared.sandbox.server import ask


def work(job: Job) -> Job:
    """Job: the paths `source` and `target`, the fields of the `claim`, the certificate `chain` and whether it is for
    `development`."""
    fields = job["claim"]
    parts = [Ingredient(**{**i, "path": i["path"] and Path(i["path"])}) for i in fields["ingredients"]]
    claim = Claim(**{**fields, "ingredients": parts})
    identity = Identity(job["chain"].encode(), b"", job["development"])
    sign(Path(job["source"]), Path(job["target"]), claim, identity, _signature)
    return {}


def _signature(data: bytes) -> bytes:
    return base64.b64decode(ask({"sign": base64.b64encode(data).decode()})["signature"])
