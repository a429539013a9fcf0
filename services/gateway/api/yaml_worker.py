"""Child process: reads a YAML document from stdin and writes it as JSON to stdout. `yaml_documents` starts it.

The values are built from the parser's events and not by PyYAML's composer, which recurses, follows aliases and
resolves every plain scalar with a dozen patterns. The scalars are those of YAML 1.2, as in the command's own reader:
`no`, `1:30` and a date are texts.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from services.gateway.domain.json_bounds import MAX_DEPTH, MAX_VALUES

REFUSED: Final = 3
"""The exit code when stdout says what is wrong, as {"problem": predicate}."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is 50 times as fast
_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOL: Final = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(
    r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]{1,3})?|[0-9]+[eE][-+][0-9]{1,3})"  # 1e-05, as JSON; not 1e3
)
_LONGEST_NUMBER: Final = 18  # characters; more is no number of a script


class Refused(Exception):
    """What is wrong, as a predicate of the text."""


def read(text: str) -> Any:
    """The document's value: dicts, lists, strings, numbers, booleans and None. Raises Refused."""
    root: list[Any] = []
    containers: list[list[Any] | dict[str, Any]] = [root]
    keys: list[str | None] = [None]  # of each container, the key that waits for its value
    documents = count = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _refused(event, "there must be one document only")
            elif isinstance(event, CollectionEndEvent):
                containers.pop()
                keys.pop()
            elif isinstance(event, AliasEvent | ScalarEvent | CollectionStartEvent):
                count += 1
                if count > MAX_VALUES:
                    raise Refused(f"must have at most {MAX_VALUES} values; send it in parts")
                value = _value(event)
                _add(containers[-1], keys, event, value)
                if isinstance(event, CollectionStartEvent):
                    if len(containers) > MAX_DEPTH:
                        raise _refused(event, f"it is nested more than {MAX_DEPTH} levels deep")
                    containers.append(value)
                    keys.append(None)
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise Refused(f"is not YAML: {where}{e.problem or e.context}") from None
    except (yaml.YAMLError, ValueError) as e:
        raise Refused(f"is not YAML: {' '.join(str(e).split())[:300]}") from None
    return root[0] if root else None


def _add(container: list[Any] | dict[str, Any], keys: list[str | None], event: Event, value: Any) -> None:
    """Adds a value, or keeps a key until its value comes."""
    if isinstance(container, list):
        container.append(value)
    elif keys[-1] is not None:
        container[keys[-1]] = value
        keys[-1] = None
    elif isinstance(event, ScalarEvent):
        keys[-1] = str(event.value)
    else:
        raise _refused(event, "a key must be a string")


def _value(event: AliasEvent | ScalarEvent | CollectionStartEvent) -> Any:
    if isinstance(event, AliasEvent):
        raise _refused(event, "aliases are not supported; write the value again")
    if event.anchor is not None:
        raise _refused(event, "anchors are not supported; write the value again")
    if event.tag is not None and event.tag != "!":
        raise _refused(event, "tags are not supported; remove it")
    if isinstance(event, ScalarEvent):
        return _scalar(event) if event.implicit[0] else event.value
    return {} if isinstance(event, MappingStartEvent) else []


def _scalar(event: ScalarEvent) -> Any:
    """A plain scalar by YAML 1.2's core schema."""
    text = event.value
    if _NULL.fullmatch(text):
        return None
    if found := _BOOL.fullmatch(text):
        return found.group(1) is not None
    number = int if _INT.fullmatch(text) else float if _FLOAT.fullmatch(text) else None
    if number is None:
        return text
    if len(text) > _LONGEST_NUMBER:
        raise _refused(event, f"a number has at most {_LONGEST_NUMBER} characters; put a text in quotes")
    return number(text)


def _refused(event: Event, problem: str) -> Refused:
    mark: Any = event.start_mark  # None only for events that no parser made
    return Refused(f"is not taken: line {mark.line + 1}, column {mark.column + 1}: {problem}")


def main() -> int:
    try:
        found = read(sys.stdin.buffer.read().decode())
    except Refused as e:
        print(json.dumps({"problem": str(e)}))
        return REFUSED
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
