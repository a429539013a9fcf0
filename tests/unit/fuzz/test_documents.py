"""Scripts and bodies as anybody may write them: read, or refused with their place."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from client.script.document import ScriptError
from client.script.source import read_source
from services.gateway.api import yaml_worker
from services.gateway.domain.documents import MAX_WARNINGS, EpisodePlan, parse_document, parse_segment
from services.gateway.domain.errors import Refusal
from services.gateway.domain.json_bounds import MAX_DEPTH, json_problem
from tests.support.fuzz_profile import damaged, fuzzed

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=20,
)
NAMES = ("title", "description", "output", "directions", "segments", "type", "scene_info", "duration", "starting_image",
         "transition_after", "characters", "dialogue", "upload_id", "url", "width", "fps", "style", "text", "video",
         "music", "scene_number", "location")  # fmt: skip
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(SCALARS, st.sampled_from(("scene", "fade", "Harbour", 1, 24, 600.0))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)),
    max_leaves=25,
)
SCRIPT = b"""title: Harbour # a comment
output: {width: 1920, height: 1080, fps: 24}
segments:
  - scene_info: {description: "Fog \\u00e9", characters: [Ann, Bo]}
    duration: 5
    directions:
      video: |
        Pan left
      narration: 'Once'
    transition_after: {style: fade, duration_s: 0.5}
  - scene_info: {dialogue: [{character: Ann, text: Hm}]}
    starting_image: {url: https://example.org/a.png}
"""
MARKS = (
    *(b"[", b"{", b"- ", b"? ", b": ", b"&a ", b"*a ", b"!!int ", b"'", b'"', b"\n", b"|\n", b"#", b"1", b"9" * 30),
    *(b".inf", b"~", b"%YAML 9.9\n", b"---\n", b"\t", b"\xc2\x85"),
)
YAML = st.one_of(damaged(SCRIPT), st.binary(max_size=200), st.lists(st.sampled_from(MARKS), max_size=40).map(b"".join))


@fuzzed(2)
@given(raw=YAML)
@example(raw=b"[" * 5000)
@example(raw=b"a: &x [1]\nb: *x\n")
@example(raw=b"a: " + b"9" * 5000)
@example(raw=b"? [1]\n: 2\n")
@example(raw=b"--- 1\n--- 2\n")
def test_yaml_is_plain_values_or_refused(raw: bytes) -> None:
    try:
        found = yaml_worker.read(raw.decode(errors="replace"))
    except yaml_worker.Refused:
        return
    assert json.loads(json.dumps(found)) == found
    assert _depth(found) <= MAX_DEPTH + 1


@fuzzed()
@given(raw=YAML, name=st.sampled_from(("script.yaml", "script.json")))
@example(raw=b"[" * 20_000, name="script.yaml")
@example(raw=b"[" * 200_000, name="script.json")
@example(raw=b"a: " + b"9" * 5000, name="script.yaml")
@example(raw=b'{"a": ' + b"9" * 5000 + b"}", name="script.json")
@example(raw=b'{"a": 1e999}', name="script.json")
def test_the_commands_own_reader_names_the_place(raw: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(raw)
    with suppress(ScriptError):
        read_source(path)


@fuzzed()
@given(value=VALUES)
@example(value=1e-05)
@example(value=1e16)
def test_what_json_can_say_yaml_reads_alike(value: Any) -> None:
    """JSON is YAML, but for what neither of them needs: numbers without an end, half characters, and the line breaks
    of YAML 1.1 (NEL, LS, PS), which are folded as any other."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False) if _is_finite(value) else "null"
    text = text.translate(dict.fromkeys((0x85, 0x2028, 0x2029), "_"))
    expected = json.loads(text)
    try:
        assert yaml_worker.read(text) == expected
    except yaml_worker.Refused:
        assert not _is_plain(expected)


@fuzzed(2)
@given(document=DOCUMENTS, strict=st.booleans())
@example(document={"title": "x", "segments": [{"duration": float("nan")}]}, strict=True)
@example(document={"title": "x", "segments": [{"scene_info": {"scene_number": 10**400}}]}, strict=True)
@example(document={"title": "x", "output": {"width": 10**400, "height": True, "fps": "24"}}, strict=True)
def test_a_document_is_a_plan_or_refused_by_pointers(document: Any, strict: bool) -> None:
    for read in (lambda: parse_document(document, strict=strict), lambda: parse_segment(document)):
        try:
            plan = read()
        except Refusal as e:
            errors = e.extensions["errors"]
            assert all(error["detail"] and error["pointer"][:1] in ("", "/") for error in errors)
            json.dumps(errors)
            continue
        json.dumps(getattr(plan, "scene_info", {}), allow_nan=False)
        assert not isinstance(plan, EpisodePlan) or (plan.title and len(plan.warnings) <= MAX_WARNINGS + 1)


BODIES = st.one_of(
    st.binary(max_size=300),
    VALUES.map(lambda value: json.dumps(value).encode()),
    damaged(json.dumps({"a": [{"b": '\\"'}]}).encode()),
)


@fuzzed()
@given(body=BODIES)
@example(body=b'"' + b"\\" * 10_001)
@example(body=b'["' + b'\\"[' * 1000 + b'"]')
def test_what_json_is_let_through_is_no_deeper_than_it_may_be(body: bytes) -> None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        json_problem(body)
        return
    if json_problem(body) is None:
        assert _depth(found) <= MAX_DEPTH


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(part) for part in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(part) for part in value), default=0)
    return 0


def _is_finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _is_plain(value: Any) -> bool:
    """Whether YAML has all of these characters, and the numbers are as short as a script's are."""
    text = json.dumps(value, ensure_ascii=False)
    numbers = [len(part) for part in json.dumps(value).replace(",", " ").replace("]", " ").replace("}", " ").split()]
    return text.isprintable() and max(numbers, default=0) <= 18 and text.isascii()
