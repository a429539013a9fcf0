"""Parsing of script files, such that every error and warning has a line and a column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from client.errors import ClientError

MAX_BYTES = 1024 * 1024  # the gateway's limit for JSON
MAX_VALUES = 100_000  # YAML aliases can multiply without end

# Byte order marks, which Windows' editors write; the longer ones first.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
_DOCUMENTS = (
    (b"PK\x03\x04", "a Word document or an archive"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0", "an old Word document"),
    (b"<?xml", "an XML file, such as a Final Draft script"),
    (b"<", "a web page or an XML file"),
)

Location = tuple[str | int, ...]
"""The position of a value: keys and indexes from the root."""


@dataclass(frozen=True)
class Finding:
    """An error or warning about a position in a file. `line` and `column` count from 1."""

    path: Path
    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        position = f":{self.line}:{self.column}" if self.line is not None else ""
        return f"{self.path}{position}: {self.message}"


class ScriptError(ClientError):
    """The script is invalid; `findings` has every error."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(str(f) for f in findings), "Correct the script and run the command again.")
        self.findings = findings


@dataclass(frozen=True)
class Source:
    """A parsed script. `marks` has line and column (from 1) of each value; `duplicates` warns of repeated keys."""

    path: Path
    data: Any
    marks: dict[Location, tuple[int, int]] = field(repr=False)
    duplicates: list[Finding] = field(default_factory=list)

    def finding(self, at: Location, message: str) -> Finding:
        """A finding about the value at this location, or about the innermost value around it with a known position."""
        while at and at not in self.marks:
            at = at[:-1]
        line, column = self.marks.get(at, (None, None))
        return Finding(self.path, message, line, column)


class _Loader(yaml.SafeLoader):
    """The scalars of YAML 1.2: `no` and `on` are strings, and so is a date, and `1e3`, which could be a name; `1e-05`,
    as JSON writes it, is a number."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+][0-9]+)$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _decimal(loader: yaml.SafeLoader, node: ScalarNode) -> int:
    """Without the octal numbers of YAML 1.1: 010 is ten."""
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)


def read_source(path: Path) -> Source:
    """Parse a YAML or JSON file. Raises ScriptError with line and column of the error."""
    text = _text(path)
    if path.suffix.lower() == ".json":
        return _json(path, text)
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as e:
        raise ScriptError([_yaml_finding(path, e)]) from e
    except yaml.YAMLError as e:
        raise ScriptError([Finding(path, f"Invalid YAML: {e}")]) from e
    reader = _Reader(path)
    return Source(path, reader.value(root, ()), reader.marks, reader.duplicates)


class _Reader:
    """Converts nodes to plain values and records the position of each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._constructor = _Loader("")
        self.marks: dict[Location, tuple[int, int]] = {}
        self.duplicates: list[Finding] = []

    def value(self, node: Node | None, at: Location) -> Any:
        if node is None:
            return None
        self._count += 1
        if self._count > MAX_VALUES:
            raise ScriptError([self._finding(node, f"The script has more than {MAX_VALUES:,} values.")])
        self.marks.setdefault(at, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, MappingNode):
            return self._mapping(node, at)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*at, i)) for i, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, at: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise ScriptError([self._finding(key_node, "A key must be a string.")])
            key = str(key_node.value)
            if key in found:
                self.duplicates.append(self._finding(key_node, f"Duplicate key {key!r}; the last value is used."))
            self.marks[(*at, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            found[key] = self.value(value_node, (*at, key))
        return found

    def _scalar(self, node: Node) -> Any:
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError) as e:  # a number of thousands of digits
            raise ScriptError([self._finding(node, f"Invalid value: {e}")]) from e

    def _finding(self, node: Node, message: str) -> Finding:
        return Finding(self._path, message, node.start_mark.line + 1, node.start_mark.column + 1)


def _json(path: Path, text: str) -> Source:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as e:
        raise ScriptError([Finding(path, f"Invalid JSON: {e.msg}.", e.lineno, e.colno)]) from e
    except RecursionError as e:
        raise ScriptError([Finding(path, "The script is nested too deeply.")]) from e
    except ValueError as e:
        raise ScriptError([Finding(path, "A number has too many digits; put a text in quotes.")]) from e
    try:
        # JSON is YAML except for tabs, which count as one column.
        reader = _Reader(path)
        reader.value(_compose(text.replace("\t", " ")), ())
    except (yaml.YAMLError, ScriptError):
        return Source(path, data, {})
    return Source(path, data, reader.marks, reader.duplicates)


def _compose(text: str) -> Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    except RecursionError as e:
        raise yaml.YAMLError("nested too deeply") from e
    finally:
        loader.dispose()


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ScriptError([Finding(path, "The script is larger than 1 MiB.")])
        raw = path.read_bytes()
    except OSError as e:
        raise ScriptError([Finding(path, f"The script cannot be read: {e.strerror}.")]) from e
    if kind := next((words for start, words in _DOCUMENTS if raw.startswith(start)), None):
        raise ScriptError([Finding(path, f"This is {kind}. A script is YAML or JSON; see samples/demo.yaml.")])
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as e:
        before = raw[: e.start]
        line, column = before.count(b"\n") + 1, e.start - (before.rfind(b"\n") + 1) + 1
        raise ScriptError(
            [Finding(path, "The script must be UTF-8 text; save it with that encoding.", line, column)]
        ) from e
    for line, column, character in _unprintable(text):
        raise ScriptError([Finding(path, f"Control character U+{ord(character):04X} is not allowed.", line, column)])
    return text


def _unprintable(text: str) -> Iterator[tuple[int, int, str]]:
    """A character that YAML refuses, with its position, which YAML's own error lacks."""
    match = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if match:
        before = text[: match.start()]
        yield before.count("\n") + 1, match.start() - (before.rfind("\n") + 1) + 1, match.group()


def _yaml_finding(path: Path, error: yaml.MarkedYAMLError) -> Finding:
    mark = error.problem_mark or error.context_mark
    message = ", ".join(p for p in (error.context, error.problem) if p)
    position = (mark.line + 1, mark.column + 1) if mark else (None, None)
    return Finding(path, f"Invalid YAML: {message}.", *position)
