"""What a job that was taken over says: nothing of it does more than fail the job."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from shared.core.errors import RetakeError
from shared.media.signing import _Key
from shared.media.signing_identity import Identity
from shared.sandbox.channel import HEAD, decode, encode, length
from shared.sandbox.jobs import _result
from tests.support.fuzz_profile import damaged, fuzzed

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(("result", "error", "ask", "kind", "code", "cause", "x")), inner, max_size=4),
    ),
    max_leaves=12,
)
TOLD_BY_A_JOB = st.dictionaries(st.sampled_from(("result", "error", "ask")), ANYTHING, max_size=3)
TOLD = encode({"error": {"kind": "Permanent", "code": "media_unreadable", "cause": "It is torn.", "recovery": ""}})


@fuzzed(2)
@given(told=TOLD_BY_A_JOB, code=st.integers(-64, 255))
@example(told={"error": {"kind": "RetakeError"}}, code=0)
@example(told={"result": []}, code=0)
def test_an_end_is_a_result_or_an_error_of_ours(told: dict[str, Any], code: int) -> None:
    with suppress(RetakeError):
        assert isinstance(_result(told, code, "last words"), dict)


@fuzzed(2)
@given(raw=st.one_of(damaged(TOLD), st.binary(max_size=64)))
@example(raw=HEAD.pack(1 << 31) + b"{}")
@example(raw=HEAD.pack(200_000) + b"[" * 200_000)
def test_a_message_is_an_object_or_a_value_error(raw: bytes) -> None:
    with suppress(ValueError):
        if len(raw) >= HEAD.size:
            assert isinstance(decode(raw[HEAD.size :][: length(raw[: HEAD.size])]), dict)


@fuzzed()
@given(question=ANYTHING)
@example(question={"sign": "é"})
def test_a_question_that_makes_no_sense_is_not_signed(question: Any) -> None:
    with suppress(RetakeError):
        _Key(Identity(b"", b"", development=False))(question)
        raise AssertionError("there is no key to sign with")
