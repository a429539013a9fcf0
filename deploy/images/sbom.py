"""Writes what an image contains as CycloneDX 1.6 (JSON): Python packages, Debian packages, Retake itself.

    python sbom.py --python /opt/retake/lib/python3.12/site-packages --version 0.1.0 > sbom.cdx.json

Needs nothing but the standard library: it runs while the image is built, where nothing else is.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

DPKG: Final = Path("/var/lib/dpkg/status")
NAME: Final = "retake"
LICENCE: Final = "Apache-2.0"
_LONGEST: Final = 200  # characters of a licence's name; some packages put its whole text there

Component = dict[str, Any]


def bill_of_materials(site_packages: list[str], version: str, dpkg: Path = DPKG) -> dict[str, Any]:
    """`site_packages` are the folders of installed packages; `dpkg` is Debian's list of its own, if there is one."""
    found = [_python(distribution) for distribution in distributions(path=site_packages)]
    by_reference = {component["bom-ref"]: component for component in [*found, *_debian(dpkg)]}
    itself = {
        "type": "application",
        "bom-ref": f"pkg:generic/{NAME}@{version}",
        "name": NAME,
        "version": version,
        "licenses": [{"license": {"id": LICENCE}}],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": itself},
        "components": sorted(by_reference.values(), key=lambda component: str(component["bom-ref"])),
    }


def _python(distribution: Distribution) -> Component:
    about = distribution.metadata
    name = re.sub(r"[-_.]+", "-", about["Name"]).lower()  # PEP 503
    purl = f"pkg:pypi/{name}@{quote(distribution.version, safe='.+-')}"
    component: Component = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": distribution.version,
        "purl": purl,
    }
    if licence := _licence(distribution):
        component["licenses"] = [licence]
    return component


def _licence(distribution: Distribution) -> dict[str, Any] | None:
    about = distribution.metadata
    if "License-Expression" in about:
        return {"expression": about["License-Expression"]}
    kinds = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or [] if c.startswith("License :: ")]
    (text, *_) = about.get_all("License") or [""]
    name = " / ".join(kinds) or (text.strip().splitlines() or [""])[0]
    return {"license": {"name": name[:_LONGEST]}} if name else None


def _debian(dpkg: Path) -> list[Component]:
    if not dpkg.exists():
        return []
    found = []
    for paragraph in dpkg.read_text(errors="replace").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][A-Za-z-]*: ", line))
        if fields.get("Status") != "install ok installed":
            continue
        version, architecture = fields["Version"], fields.get("Architecture", "all")
        purl = f"pkg:deb/debian/{fields['Package']}@{quote(version, safe='.+-~')}?arch={architecture}"
        found.append({"type": "library", "bom-ref": purl, "name": fields["Package"], "version": version, "purl": purl})
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Bill of materials of an image, as CycloneDX JSON.")
    parser.add_argument("--python", action="append", required=True, metavar="FOLDER", help="site-packages")
    parser.add_argument("--version", required=True, help="of Retake")
    options = parser.parse_args(arguments)
    json.dump(bill_of_materials(options.python, options.version), sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
