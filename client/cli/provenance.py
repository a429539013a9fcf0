"""`retake provenance`: what a file's Content Credentials (C2PA) say, read without any running system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from client.cli.codes import Code
from client.errors import RetakeError

_DEVELOPMENT: Final = "Retake development certificate"


def provenance(
    file: Annotated[Path, typer.Argument(help="A film, or a version's file.", exists=True, dir_okay=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable, with the whole manifest.")] = False,
) -> None:
    """Read who made FILE, with what, and whether it was changed since.

    Exit code 0: signed and unchanged. 5: changed after it was signed. 6: no Content Credentials.
    """
    found = read(file)
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else "\n".join(_lines(found)))
    if found["state"] == "none":
        raise typer.Exit(Code.UNSIGNED)
    if found["state"] == "invalid":
        raise typer.Exit(Code.CHANGED)


def read(file: Path) -> dict[str, Any]:
    """`state` is none, invalid, valid or trusted; `signer` and `facts` are null without a manifest."""
    import c2pa  # 30 MB that no other command needs

    nothing: dict[str, Any] = {"file": str(file), "state": "none", "signer": None, "development": False, "problems": [],
               "made_by": None, "source_type": None, "facts": None, "ingredients": [], "manifest": None}  # fmt: skip
    try:
        with c2pa.Reader(file) as reader:
            stored, state = json.loads(reader.json()), (reader.get_validation_state() or "Invalid").lower()
            checks = (reader.get_validation_results() or {}).get("activeManifest", {}).get("failure", [])
    except c2pa.C2paError.ManifestNotFound:
        return nothing
    except c2pa.C2paError.NotSupported:
        return nothing | {"problems": ["Files of this kind carry no Content Credentials."]}
    except c2pa.C2paError as error:
        raise RetakeError(f"{file} cannot be read: {error}") from error
    manifest = stored["manifests"][stored["active_manifest"]]
    assertions = {a["label"]: a["data"] for a in manifest.get("assertions", [])}
    action: dict[str, Any] = next(iter(assertions.get("c2pa.actions.v2", {}).get("actions", [])), {})
    facts = assertions.get("org.retake.facts")
    signature = manifest.get("signature_info", {})
    return nothing | {
        "state": state,
        "signer": {"name": signature.get("common_name"), "organisation": signature.get("issuer")},
        "development": signature.get("common_name") == _DEVELOPMENT,
        "problems": [c["explanation"] for c in checks if c["code"] != "signingCredential.untrusted"],
        "made_by": (action.get("softwareAgent") or {}).get("name"),
        "source_type": str(action.get("digitalSourceType") or "").rpartition("/")[2] or None,
        "facts": facts,
        "ingredients": (facts or {}).get("ingredients")
        or [{"title": i.get("title"), "relationship": i.get("relationship")} for i in manifest.get("ingredients", [])],
        "manifest": stored,
    }


_SOURCES: Final = {
    "trainedAlgorithmicMedia": "made by an AI model",
    "compositeWithTrainedAlgorithmicMedia": "put together, with parts made by AI models",
    "algorithmicMedia": "computed by rules, without AI",
    "composite": "put together from other files; none of them made by AI as far as Retake knows",
}


def _lines(found: dict[str, Any]) -> list[str]:
    if found["state"] == "none":
        return [f"{found['file']} carries no Content Credentials.", *found["problems"]]
    if found["state"] == "invalid":
        return [f"{found['file']} was CHANGED after it was signed: nothing in it can be relied on.",
                *(f"  {p}" for p in found["problems"])]  # fmt: skip
    who = f"{found['signer']['name']} ({found['signer']['organisation']})"
    if found["development"]:
        trust = "A development certificate: it shows that nothing was changed, not who signed."
    elif found["state"] == "trusted":
        trust = "The certificate is trusted."
    else:
        trust = "Nobody whom this computer trusts vouches for the certificate."
    lines = [f"{found['file']} is as it was signed.", f"Signed by   {who}", f"            {trust}"]
    kind = _SOURCES.get(found["source_type"] or "", found["source_type"] or "not told: uploaded or imported")
    lines.append(f"Made        {kind}" + (f" ({found['made_by']})" if found["made_by"] else ""))
    for part in found["ingredients"]:
        told = [f"model {part['model']}"] if part.get("model") else []
        told += [f"approved by {part['approved_by']}"] if part.get("approved_by") else []
        lines.append(f"From        {part['title']}" + (f": {', '.join(told)}" if told else ""))
    return lines
