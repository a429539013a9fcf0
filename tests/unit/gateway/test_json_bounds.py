"""The shape of a body, told from its bytes as a parser would tell it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.json_bounds import MAX_DEPTH, MAX_VALUES, json_problem

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(value=ANY_JSON, levels=st.integers(0, MAX_DEPTH + 5), ascii_only=st.booleans())
def test_nesting_is_told_exactly(value: Any, levels: int, ascii_only: bool) -> None:
    for n in range(levels):
        value = [value, "]"] if n % 2 else {'[{"\\': value}
    body = json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    problem = json_problem(body)
    assert (problem is not None) == (depth(value) > MAX_DEPTH)


@given(body=st.binary(max_size=200))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    json_problem(body)


def test_values_are_counted() -> None:
    assert json_problem(json.dumps(["a,b:[{"] * (MAX_VALUES - 2)).encode()) is None
    assert "at most" in str(json_problem(json.dumps([1] * (MAX_VALUES + 1)).encode()))
    assert "at most" in str(json_problem(json.dumps({str(n): 1 for n in range(MAX_VALUES)}).encode()))


@pytest.mark.parametrize(
    "body",
    [b"[" * 1_000_000, b"[]," * 340_000, b'"",' * 340_000, b'"' + b'\\"' * 500_000, b'"' * 1_000_000, b"[" * 40_000],
)
def test_a_megabyte_takes_milliseconds(body: bytes) -> None:
    started = time.process_time()
    json_problem(body)
    assert time.process_time() - started < 0.3
