"""The bill of materials of an image."""

from __future__ import annotations

import json
import re
import sysconfig
from importlib.metadata import version
from pathlib import Path

import aiokafka
import pytest

from deploy.images.sbom import bill_of_materials, main

SITE_PACKAGES = str(Path(aiokafka.__file__).parents[1])
DPKG = """Package: dash
Status: install ok installed
Architecture: amd64
Version: 0.5.12-2
Description: shell
 more: of it

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1:2.0
"""


def test_it_has_every_package_once_with_its_licence(tmp_path: Path) -> None:
    (tmp_path / "status").write_text(DPKG)
    bill = bill_of_materials([SITE_PACKAGES, SITE_PACKAGES], "0.1.0", tmp_path / "status")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    found = {component["bom-ref"]: component for component in bill["components"]}
    assert len(found) == len(bill["components"])
    assert all(c["type"] == "library" and c["purl"] == ref and c["version"] for ref, c in found.items())
    asyncpg = found[f"pkg:pypi/asyncpg@{version('asyncpg')}"]
    assert "Apache" in json.dumps(asyncpg["licenses"])
    assert "pkg:deb/debian/dash@0.5.12-2?arch=amd64" in found
    assert not [ref for ref in found if "gone" in ref]
    assert all(re.fullmatch(r"pkg:(pypi|deb/debian)/[a-z0-9.+-]+@\S+", ref) for ref in found)


def test_it_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--python", sysconfig.get_path("purelib"), "--version", "9.9"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"]["component"]["version"] == "9.9"
