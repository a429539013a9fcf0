"""The files of a data directory (secrets, token, state, logs), and the checks before the start."""

from __future__ import annotations

import json
import os
import stat
from itertools import islice
from pathlib import Path

import jwt
import pytest

from deploy.local.parts import databases
from deploy.local.parts.assembly import SERVICES
from deploy.local.supervisor import credentials, logs, preflight, token_file
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.process_id import ProcessId
from deploy.local.supervisor.state import PartStatus, State, SystemState, is_locked, lock
from shared.contracts.topics import Service
from shared.core.errors import UserError
from tests.support.clock import FakeClock


def test_secrets_are_made_once_private_and_completed(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = credentials.load_or_create(path, ("review",))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = credentials.load_or_create(path, ("review", "compiler"))
    assert again.roles["review"] == first.roles["review"]
    assert again.jwt == first.jwt
    assert len({first.superuser, first.jwt, first.media, *again.roles.values()}) == 5
    path.write_text("{")
    with pytest.raises(UserError, match="secrets_unreadable"):
        credentials.load_or_create(path, ("review",))


def test_the_token_is_renewed_while_it_is_still_good(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "token"
    tokens_file = token_file.TokenFile(path, "s" * 32, clock)
    first = tokens_file.refresh()
    claims = jwt.decode(first, "s" * 32, ["HS256"], audience=token_file.AUDIENCE, issuer=token_file.ISSUER,
                        options={"verify_exp": False, "verify_iat": False})  # fmt: skip
    assert claims["exp"] - claims["iat"] == 24 * 3600
    assert claims["sub"] == "local"
    clock.move(11 * 3600)
    assert tokens_file.refresh() == first
    clock.move(2 * 3600)
    assert tokens_file.refresh() != first
    assert path.read_text().strip() == tokens_file.refresh()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(first, "x" * 32, ["HS256"], audience=token_file.AUDIENCE)


def test_the_state_is_read_as_it_was_written_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    parts = (PartStatus("postgres", State.READY, ProcessId(1, "a"), "127.0.0.1:5"), PartStatus("broker"))
    state = SystemState(ProcessId(2, "b"), None, "127.0.0.1:9", "/data", parts)
    state.write(path)
    assert SystemState.read(path) == state
    assert not state.ready
    for damaged in ("", "{", "[]", "{}", json.dumps({"parts": [{"name": "x"}]})):
        path.write_text(damaged)
        assert SystemState.read(path) is None
    assert SystemState.read(tmp_path / "none") is None


def test_one_data_directory_has_one_holder(tmp_path: Path) -> None:
    data = DataDir.of(tmp_path)
    preflight.prepare(data)
    assert not is_locked(data)
    with lock(data):
        assert is_locked(data)
        with pytest.raises(UserError, match="already_running"), lock(data):
            pass
    assert not is_locked(data)


def test_a_process_is_not_taken_for_a_later_one_with_its_number() -> None:
    me = ProcessId.of(os.getpid())
    assert me
    assert me.alive
    assert not ProcessId(me.pid, me.started + "0").alive
    assert ProcessId.of(2**22 + 1) is None


def test_a_full_disk_and_an_unusable_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"disk_full: The disk of .* has .* MB free; Retake needs 9000000000 MB"):
        preflight.prepare(DataDir.of(tmp_path / "data"), min_free_bytes=9 * 10**15)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="data_not_writable") as refused:
        preflight.prepare(DataDir.of(tmp_path / "file" / "data"))
    assert "--data" in refused.value.recovery
    with pytest.raises(UserError, match="data_not_writable"):
        preflight.prepare(DataDir.of("/proc/retake"))


def test_a_free_port_is_found_beside_a_taken_one() -> None:
    with preflight.listen(0) as first:
        taken = first.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {taken} .* is taken"):
            preflight.listen(taken)
    with preflight.listen(taken):
        pass
    with preflight.listen(None) as one, preflight.listen(None) as two:
        assert preflight.FIRST_PORT <= one.getsockname()[1] < two.getsockname()[1]


def test_a_log_is_rotated_under_the_writer_and_followed_across_it(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    assert logs.tail(path, 5) == []
    with path.open("a") as writer:
        writer.write("".join(f"line {i}\n" for i in range(100)))
        writer.flush()
        assert logs.tail(path, 2) == ["line 98", "line 99"]
        assert logs.tail(path, 0) == []
        end = logs.size(path)

        def later(_: float) -> None:
            writer.write("naïve\n")
            writer.flush()

        following = logs.follow(path, end, sleep=later)
        assert next(following) == "naïve\n"
        logs.rotate(path, limit=10_000)
        assert logs.size(path) > 0, "it is small still"
        logs.rotate(path, limit=100)
        assert (tmp_path / "part.log.1").read_text().endswith("line 99\nnaïve\n")
        assert list(islice(following, 1)) == ["naïve\n"]
        assert path.read_text() == "naïve\n"


def test_services_are_those_of_the_contracts() -> None:
    assert set(SERVICES) == set(Service)


def test_a_services_url_keeps_the_admins_host_and_options() -> None:
    made = databases.service_url(
        "postgres://me:secret@db:6543/postgres?application_name=x", "review", "p/w@", encrypted=True
    )
    assert made == "postgresql://retake_review:p%2Fw%40@db:6543/retake_review?application_name=x&sslmode=require"
    kept = databases.service_url("postgresql://db/x?sslmode=verify-full", "review", "p", encrypted=False)
    assert kept == "postgresql://retake_review:p@db/retake_review?sslmode=verify-full"
