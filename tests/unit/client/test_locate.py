"""Finding the gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.errors import ClientError, NotRunning
from client.locate import locate

HERE = "http://127.0.0.1:8081"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.json").write_text(json.dumps({"gateway": HERE, "parts": []}))
    (tmp_path / "token").write_text("local-token\n")
    return tmp_path


def test_the_local_system(data: Path) -> None:
    place = locate(environ={"RETAKE_DATA": str(data)})
    assert (place.url, place.credentials().token, place.data) == (HERE, "local-token", data)


def test_the_environment_comes_before_it(data: Path) -> None:
    environ = {"RETAKE_DATA": str(data), "RETAKE_URL": "https://retake.example/api/v1/", "RETAKE_TOKEN": "mine"}
    place = locate(environ=environ)
    assert (place.url, place.credentials().token) == ("https://retake.example", "mine")
    assert place.token_file is None  # the local token goes to no other gateway


def test_what_the_caller_says_comes_first(data: Path) -> None:
    environ = {"RETAKE_URL": "https://retake.example", "RETAKE_TOKEN": "mine"}
    assert locate("http://localhost:1/", "yours", environ=environ).token == "yours"
    assert locate(data=data, environ={"RETAKE_URL": "https://retake.example"}).url == HERE


def test_the_address_of_the_local_system_brings_its_token(data: Path) -> None:
    assert locate(HERE, data=data, environ={}).credentials().token == "local-token"


@pytest.mark.parametrize("state", [None, "", "not json", "[]", "{}", '{"gateway": null}'])
def test_nothing_runs(tmp_path: Path, state: str | None) -> None:
    if state is not None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "state.json").write_text(state)
    with pytest.raises(NotRunning, match="Retake is not running") as e:
        locate(data=tmp_path, environ={})
    assert "retake up" in e.value.recovery


def test_an_address_that_is_none() -> None:
    with pytest.raises(ClientError, match="not an HTTP URL"):
        locate("localhost:8080", environ={})


def test_the_port_for_operators_comes_from_the_environment_or_with_the_local_system(data: Path) -> None:
    assert locate(HERE, data=data, environ={}).operations_url is None
    (data / "run" / "state.json").write_text(json.dumps({"gateway": HERE, "operations": "http://127.0.0.1:9100"}))
    environ = {"RETAKE_DATA": str(data)}
    assert locate(environ=environ).operations_url == "http://127.0.0.1:9100"
    elsewhere = environ | {"RETAKE_URL": "https://retake.example"}
    assert locate(environ=elsewhere).operations_url is None  # that of another gateway
    named = elsewhere | {"RETAKE_OPERATIONS_URL": "http://10.0.0.7:9100/"}
    assert locate(environ=named).operations_url == "http://10.0.0.7:9100"
