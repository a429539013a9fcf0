"""What a file's Content Credentials (C2PA) state, and whether they still hold."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

import c2pa

from shared.media.signing_identity import DEVELOPMENT

State = Literal["none", "invalid", "valid", "trusted"]
"""`invalid`: the file was changed after it was signed; `valid`: it was not, but nobody here vouches for the signer."""

_SETTINGS: Final = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}  # it could name any address
_UNTRUSTED: Final = "signingCredential.untrusted"


@dataclass(frozen=True)
class StatedIngredient:
    """`relationship`: componentOf, parentOf or inputTo; `facts` are Retake's own."""

    title: str | None
    relationship: str | None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Credentials:
    """`source_type`: IPTC's term for how the file was made; `made_by`: the model or the program that it names."""

    state: State
    signer: str | None = None
    organisation: str | None = None
    made_by: str | None = None
    source_type: str | None = None
    problems: tuple[str, ...] = ()
    ingredients: tuple[StatedIngredient, ...] = ()

    @property
    def development(self) -> bool:
        return self.signer == DEVELOPMENT

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """From its fields, as another process writes them."""
        ingredients = tuple(StatedIngredient(**i) for i in stored["ingredients"])
        return cls(**{**stored, "problems": tuple(stored["problems"]), "ingredients": ingredients})


def read(path: Path, content_type: str) -> Credentials:
    """Blocks: hashes the whole file. It reads untrusted bytes, so services call it in a confined process."""
    try:
        with (
            path.open("rb") as file,
            c2pa.Context(c2pa.Settings.from_dict(_SETTINGS)) as context,
            c2pa.Reader(content_type, file, context=context) as reader,
        ):
            stored, state = json.loads(reader.json()), reader.get_validation_state() or "Invalid"
            checks = (reader.get_validation_results() or {}).get("activeManifest", {}).get("failure", [])
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return Credentials("none")
    except c2pa.C2paError as error:
        return Credentials("invalid", problems=(str(error),))
    manifest = stored.get("manifests", {}).get(stored.get("active_manifest"))
    if manifest is None:
        return Credentials("invalid", problems=("The manifest is damaged.",))
    assertions = {a["label"]: a["data"] for a in manifest.get("assertions", [])}
    action: dict[str, Any] = next(iter(assertions.get("c2pa.actions.v2", {}).get("actions", [])), {})
    told = (assertions.get("org.retake.facts") or {}).get("ingredients") or manifest.get("ingredients", [])
    signature = manifest.get("signature_info", {})
    return Credentials(
        _STATES.get(state, "invalid"),
        signature.get("common_name"),
        signature.get("issuer"),
        (action.get("softwareAgent") or {}).get("name"),
        str(action.get("digitalSourceType") or "").rpartition("/")[2] or None,
        tuple(c["explanation"] for c in checks if c["code"] != _UNTRUSTED),
        tuple(_ingredient(each) for each in told),
    )


_STATES: Final[dict[str, State]] = {"Valid": "valid", "Trusted": "trusted", "Invalid": "invalid"}


def _ingredient(told: dict[str, Any]) -> StatedIngredient:
    facts = {name: told[name] for name in ("version_id", "model", "approved_by") if told.get(name)}
    return StatedIngredient(told.get("title"), told.get("relationship"), facts)
