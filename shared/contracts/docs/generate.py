"""Writes the JSON Schemas, examples, AsyncAPI document and event reference.

`python -m shared.contracts.docs.generate`, run by `make contracts`. `--check` only compares. `--release VERSION` also
freezes the current schemas and examples: every later change is checked against them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from shared.contracts.docs.asyncapi import document, schema_of
from shared.contracts.docs.reference import events_reference
from shared.contracts.docs.samples import SAMPLES
from shared.contracts.topics import TOPICS

HERE: Final = Path(__file__).parents[1]
DOCS: Final = HERE.parent.parent / "docs" / "events"
VERSION: Final = "0.1.0"


def contracts() -> dict[Path, str]:
    """The path and content of every generated file."""
    files: dict[Path, str] = {DOCS / "asyncapi.json": _text(document(VERSION))}
    files[DOCS / "README.md"] = events_reference()
    for topic in TOPICS.values():
        files[HERE / "schemas" / f"{topic.name}.v1.json"] = _text(schema_of(topic))
        example = json.loads(SAMPLES[topic.name].model_dump_json())
        files[HERE / "examples" / f"{topic.name}.v1.json"] = _text(example)
    return files


def differing() -> list[Path]:
    """The files on disk that differ from what the models generate."""
    return [path for path, text in contracts().items() if not path.exists() or path.read_text("utf-8") != text]


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 if a file differs from the models")
    parser.add_argument("--release", metavar="VERSION", help="freeze the current schemas and examples")
    args = parser.parse_args()
    if args.check:
        if stale := differing():
            sys.exit("run `make contracts`; these differ from the models:\n" + "\n".join(map(str, stale)))
        return
    files = contracts()
    _write(files)
    if args.release:
        frozen = HERE / "released" / args.release
        _write({frozen / path.relative_to(HERE): text for path, text in files.items() if path.is_relative_to(HERE)})
    print(f"{len(files)} files written")


if __name__ == "__main__":
    main()
