"""Migrations since the last release let its services go on, and hold no table for long."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from shared.migrate import SOURCE_ROOT
from tests.support.migration_rules import complaints

RELEASED: Final = {"shared": "0000", "gateway": "0016", "generator": "0008", "review": "0001", "compiler": "0002"}
"""The newest migration of each folder in the last release. Raise them when a release is made."""

RELEASES: Final = {p.name for p in (SOURCE_ROOT / "shared" / "contracts" / "released").iterdir() if p.is_dir()}


def _folder(owner: str) -> Path:
    return SOURCE_ROOT / ("shared/migrations" if owner == "shared" else f"services/{owner}/migrations")


@pytest.mark.parametrize("owner", RELEASED)
def test_new_migrations_only_add_and_hold_no_table(owner: str) -> None:
    new = [p for p in sorted(_folder(owner).glob("*.sql")) if p.name[:4] > RELEASED[owner]]
    assert [c for path in new for c in complaints(path, RELEASES)] == []


@pytest.mark.parametrize("owner", RELEASED)
def test_the_released_ones_are_there_and_numbers_have_no_hole(owner: str) -> None:
    numbers = [int(p.name[:4]) for p in sorted(_folder(owner).glob("*.sql"))]
    assert int(RELEASED[owner]) in numbers
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


GOOD: Final = (
    "create table a (id uuid primary key, b text not null);\ncreate index a_b on a (b);",
    "create table a (b text);\nalter table a add check (b > '');",
    "alter table runs add column note text;",
    "alter table runs add column x integer not null default 0, add column y text;",
    "alter table runs add constraint c check (number > 0) not valid;",
    "alter table runs validate constraint c;",
    "alter table runs alter column number drop not null;",
    "alter table runs drop constraint c, add constraint c check (kind in ('a', 'drop table')) not valid;",
    "create function f() returns trigger language plpgsql as $$ begin drop table x; end $$;",
    "update runs set number = 1;  -- rename nothing",
)
BAD: Final = {
    "drop table runs;": "drops",
    "alter table runs drop column number;": "drops",
    "alter table runs drop number;": "drops",
    "drop index runs_project;": "drops",
    "alter table runs rename column number to place;": "renames",
    "alter table runs rename to attempts;": "renames",
    "alter table runs alter column number type bigint;": "changes a type",
    "alter table runs alter number set not null;": "may still write null",
    "alter table runs add column x integer not null;": "give it a default",
    "alter table runs add column a text, add column x integer not null;": "give it a default",
    "alter table runs add column x integer unique;": "concurrently",
    "alter table runs add column x uuid default gen_random_uuid();": "rewrites",
    "create index runs_x on runs (number);": "concurrently",
    "create unique index runs_x on runs (number);": "concurrently",
    "create index concurrently runs_x on runs (number);": "outside a transaction",
    "alter table runs add constraint c check (number > 0);": "not valid",
    "alter table runs add foreign key (batch_id) references batches;": "not valid",
    "truncate runs;": "empties",
    "lock table runs;": "locks",
    "-- contract: unused since 9.9.9\ndrop table runs;": "not a release",
}


def _written(folder: Path, up: str, first: str = "-- migrate:up") -> Path:
    path = folder / "0099_it.sql"
    path.write_text(f"{first}\n{up}\n-- migrate:down\ndrop table x;\n")
    return path


@pytest.mark.parametrize("up", GOOD)
def test_what_only_adds_is_taken(up: str, tmp_path: Path) -> None:
    assert complaints(_written(tmp_path, up), {"0.1.0"}) == []


@pytest.mark.parametrize("up", BAD)
def test_what_would_stop_the_last_release_is_refused_and_says_why(up: str, tmp_path: Path) -> None:
    assert BAD[up] in "\n".join(complaints(_written(tmp_path, up), {"0.1.0"}))


def test_what_no_release_uses_any_more_may_go(tmp_path: Path) -> None:
    assert complaints(_written(tmp_path, "-- contract: unused since 0.1.0\ndrop table runs;"), {"0.1.0"}) == []


def test_an_index_is_built_concurrently_alone(tmp_path: Path) -> None:
    index, first = "create index concurrently runs_x on runs (number);", "-- migrate:up transaction:false"
    assert complaints(_written(tmp_path, index, first), {"0.1.0"}) == []
    assert "one statement" in "\n".join(
        complaints(_written(tmp_path, f"{index}\nupdate runs set x = 1;", first), set())
    )
