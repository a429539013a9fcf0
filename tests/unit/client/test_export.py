"""`retake export`: its files, its errors, and that an interrupted export leaves nothing behind."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from client.api import AsyncRetake
from client.cli.exit_codes import WorkFailed
from client.cli.export import media_of
from client.cli.main import build
from client.cli.session import Session
from tests.unit.client.fake import Frames, Gateway, ok, refusal

FILM, EPISODE = "0195d3a0-0000-7000-8000-000000000001", "0195d3a0-0000-7000-8000-000000000002"


def document(*files: tuple[str, str]) -> bytes:
    references = [
        {"OTIO_SCHEMA": "ExternalReference.1", "target_url": file, "metadata": {"retake": {"version_id": version}}}
        for file, version in files
    ]
    return json.dumps({"OTIO_SCHEMA": "Timeline.1", "children": [{"media_references": r} for r in references]}).encode()


class Stored:
    """A gateway with a film: its responses by path."""

    def __init__(self) -> None:
        self.film: dict[str, Any] = {
            "id": FILM, "episode_id": EPISODE, "status": "completed", "output_video_url": "/media/x?sig=1",
            "timeline_url": "/media/t?sig=1", "captions_url": "/media/c?sig=1",
        }  # fmt: skip
        self.files = {
            f"/media/films/{FILM}/timeline.otio": document(
                ("media/segment-01.mp4", "v1"), ("media/music.mp3", "m1"), ("media/segment-01.mp4", "v1")
            ),
            f"/media/films/{FILM}/captions.vtt": b"WEBVTT",
            "/media/versions/v1/content": b"pictures",
            "/media/versions/m1/content": b"music",
            "/media/x": b"film",
        }

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if path == f"/compilation-jobs/{FILM}":
            return ok(self.film)
        if path == f"/episodes/{EPISODE}":
            return ok({"id": EPISODE, "title": "T"})
        if path == f"/episodes/{EPISODE}/compilation-jobs":
            return ok({"data": [self.film], "next_cursor": None})
        if path in self.files:
            return httpx.Response(200, stream=Frames([self.files[path]]))
        return refusal(404, "not-found")


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stored:
    monkeypatch.chdir(tmp_path)
    there = Stored()

    @asynccontextmanager
    async def connect(_: Session) -> AsyncIterator[AsyncRetake]:
        yield Gateway(then=there.answer).client()

    monkeypatch.setattr(Session, "connect", connect)
    return there


def export(*arguments: str) -> Any:
    return CliRunner().invoke(build(["export"], added=[]), ["export", *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("what", [FILM, EPISODE])
def test_a_folder_has_the_timeline_and_what_it_names(stored: Stored, tmp_path: Path, what: str) -> None:
    done = export(what, "-o", "out", "--with-film")
    assert done.exit_code == 0, done.output
    assert contents(tmp_path) == {
        "out/timeline.otio": stored.files[f"/media/films/{FILM}/timeline.otio"],
        "out/media/segment-01.mp4": b"pictures", "out/media/music.mp3": b"music",
        "out/captions.vtt": b"WEBVTT", "out/film.mp4": b"film",
    }  # fmt: skip
    assert "4/4 film.mp4" in done.output


def test_an_archive_has_the_same_and_is_overwritten_only_if_told(stored: Stored, tmp_path: Path) -> None:
    assert export(FILM, "-o", "out.zip").exit_code == 0
    with zipfile.ZipFile("out.zip") as archive:
        assert sorted(archive.namelist()) == [
            "captions.vtt", "media/music.mp3", "media/segment-01.mp4", "timeline.otio"
        ]  # fmt: skip
    before = Path("out.zip").read_bytes()
    stored.files["/media/versions/m1/content"] = b"other music"
    refused = export(FILM, "-o", "out.zip")
    assert (refused.exit_code, Path("out.zip").read_bytes()) == (2, before)
    assert "--force" in refused.stderr
    assert export(FILM, "-o", "out.zip", "--force").exit_code == 0
    with zipfile.ZipFile("out.zip") as archive:
        assert archive.read("media/music.mp3") == b"other music"
    assert [p.name for p in tmp_path.iterdir()] == ["out.zip"]


def test_what_is_gone_is_named_and_leaves_nothing_behind(stored: Stored, tmp_path: Path) -> None:
    del stored.files["/media/versions/m1/content"]
    done = export(FILM, "-o", "out")
    assert done.exit_code == 1
    assert "music.mp3 is no longer available" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"status": "processing"}, "This film is processing."), ({"timeline_url": None}, "retake compile")],
)
def test_a_film_without_a_timeline_is_refused(stored: Stored, changed: dict[str, Any], message: str) -> None:
    stored.film |= changed
    done = export(FILM, "-o", "out")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize("file", ["../x.mp4", "/etc/x", "a/../../x", "c:\\x", "file:///x", "..\\x"])
def test_a_document_cannot_reach_out_of_its_folder(file: str) -> None:
    with pytest.raises(WorkFailed, match="outside its folder"):
        media_of(document((file, "v1")))


@pytest.mark.parametrize("broken", [b"{", b'{"OTIO_SCHEMA": "ExternalReference.1"}'])
def test_a_document_that_is_none_is_told(broken: bytes) -> None:
    with pytest.raises(WorkFailed, match="cannot be read"):
        media_of(broken)
