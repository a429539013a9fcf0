"""Content Credentials: what was signed is read back, and a changed byte shows."""

from __future__ import annotations

import json
from pathlib import Path

import c2pa
import pytest
from typer.testing import CliRunner

from client.cli.main import build
from client.cli.provenance import read
from shared.core.errors import Permanent, Retryable
from shared.core.settings import ServiceSettings
from shared.media.c2pa import Claim, Ingredient, sign
from shared.media.signing_identity import Identity, identity_from, identity_of
from tests.support import films


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture by a model, and a video made from it by rules."""
    made = tmp_path_factory.mktemp("signed")
    identity = identity_from(None, None, made / "signing")
    films.video(made / "plain.mp4", seconds=0.5)
    films.ffmpeg("-i", made / "plain.mp4", "-frames:v", "1", "-update", "1", made / "plain.png")
    sign(made / "plain.png", made / "card.png",
         Claim("Card", "image/png", "trainedAlgorithmicMedia", "bytedance/seedream-4"), identity)  # fmt: skip
    start = Ingredient("Starting image", "image/png", made / "card.png", "inputTo", {"model": "bytedance/seedream-4"})
    claim = Claim("Segment 1", "video/mp4", "algorithmicMedia", "animatic/camera", ingredients=[start])
    sign(made / "plain.mp4", made / "film.mp4", claim, identity)
    return made


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(build(["provenance"]), ["provenance", *arguments])
    return done.exit_code, done.output


def test_what_was_signed_is_read_back(folder: Path) -> None:
    found = read(folder / "film.mp4")
    assert (found["state"], found["development"], found["problems"]) == ("valid", True, [])
    assert (found["made_by"], found["source_type"]) == ("animatic/camera", "algorithmicMedia")
    assert found["ingredients"] == [
        {"title": "Starting image", "relationship": "inputTo", "model": "bytedance/seedream-4"}
    ]
    assert len(found["manifest"]["manifests"]) == 2  # the picture's own goes along
    assert len(films.watch_pictures(folder / "film.mp4")) == 12


def test_the_command_prints_text_and_json(folder: Path) -> None:
    code, output = run(str(folder / "film.mp4"))
    assert code == 0
    assert (
        "is unchanged since it was signed" in output and "development certificate" in output and "without AI" in output
    )
    code, output = run(str(folder / "film.mp4"), "--json")
    assert (code, json.loads(output)["state"]) == (0, "valid")


def test_an_ingredient_counts_as_what_its_bytes_are_and_is_named_if_nobody_can_read_it(
    folder: Path, tmp_path: Path
) -> None:
    """Labels are what strangers say: none of them keeps a file from being signed."""
    films.tone(tmp_path / "voice.wav", seconds=0.2)
    (tmp_path / "torn.mp4").write_bytes(b"\0\0\0\x08ftyp but no more")
    (tmp_path / "music.ogg").write_bytes(b"OggS and nothing else")
    (tmp_path / "empty").touch()
    told = {"voice.wav": "video/mp4", "torn.mp4": "video/mp4", "music.ogg": "audio/mpeg", "empty": "image/png"}
    parts = [Ingredient(name, mime, tmp_path / name) for name, mime in told.items()]
    parts += [Ingredient("card", "video/mp4", folder / "card.png"), Ingredient("gone", "audio/wav")]
    identity = identity_from(None, None, tmp_path / "signing")
    claim = Claim("Film", "audio/wav", "composite", ingredients=parts)  # the label of the file itself is wrong, too
    sign(folder / "plain.mp4", tmp_path / "film.mp4", claim, identity)
    found = read(tmp_path / "film.mp4")
    assert (found["state"], found["problems"]) == ("valid", [])
    assert [i["title"] for i in found["ingredients"]] == [*told, "card", "gone"]
    stored = found["manifest"]
    active = stored["manifests"][stored["active_manifest"]]
    assert {i["title"]: i["format"] for i in active["ingredients"]} == {
        "voice.wav": "audio/wav", "torn.mp4": "video/mp4", "music.ogg": "audio/ogg", "empty": "image/png",
        "card": "image/png", "gone": "audio/wav",
    }  # fmt: skip
    assert len(stored["manifests"]) == 2, "the card's own goes along, whatever it was called"


def test_a_changed_byte_shows(folder: Path) -> None:
    changed = bytearray((folder / "film.mp4").read_bytes())
    changed[-50] ^= 1
    (folder / "changed.mp4").write_bytes(changed)
    code, output = run(str(folder / "changed.mp4"))
    assert code == 5 and "CHANGED" in output


def test_a_manifest_that_is_named_and_not_there_is_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the library reports a file whose labels were changed."""
    monkeypatch.setattr(c2pa.Reader, "json", lambda reader: json.dumps({"active_manifest": "urn:x", "manifests": {}}))
    found = read(folder / "film.mp4")
    assert (found["state"], found["problems"]) == ("invalid", ["The manifest is damaged."])


def test_an_unsigned_file_is_reported(folder: Path) -> None:
    code, output = run(str(folder / "plain.mp4"))
    assert code == 6 and "has no Content Credentials" in output


def test_the_development_certificate_is_made_once(folder: Path, tmp_path: Path) -> None:
    first = identity_from(None, None, tmp_path)
    assert first == identity_from(None, None, tmp_path) and first.development
    assert (tmp_path / "development-certificate.pem").stat().st_mode & 0o077 == 0
    assert [p.name for p in tmp_path.iterdir()] == ["development-certificate.pem"]
    given = identity_from(first.chain.decode(), first.key.decode(), tmp_path)
    assert (given.chain, given.key, given.development) == (first.chain, first.key, False)


def test_without_a_certificate_a_service_that_signs_does_not_start(tmp_path: Path) -> None:
    given = ServiceSettings(database_url="postgresql://x", kafka_bootstrap="x:1", objects_url="file:///x")
    with pytest.raises(Permanent, match="no certificate") as refused:
        identity_of(given, tmp_path)
    assert "SIGNING_DIR" in refused.value.recovery
    assert identity_of(given.model_copy(update={"signing_dir": str(tmp_path)}), tmp_path / "x").development


def test_what_cannot_be_signed_is_told_apart(folder: Path, tmp_path: Path) -> None:
    broken = Identity(b"no chain", b"no key", development=False)
    with pytest.raises(Retryable, match="could not be signed"):
        sign(folder / "plain.mp4", tmp_path / "out.mp4", Claim("x", "video/mp4", None), broken)
    assert not (tmp_path / "out.mp4").exists()
    (tmp_path / "plain.ogg").write_bytes(b"OggS")
    with pytest.raises(Permanent, match="cannot carry"):
        sign(tmp_path / "plain.ogg", tmp_path / "out.ogg", Claim("x", "audio/ogg", None), broken)
    with pytest.raises(Permanent, match="both"):
        identity_from("chain.pem", None, tmp_path)
    with pytest.raises(Permanent, match="cannot be read"):
        identity_from(str(tmp_path / "absent"), str(tmp_path / "absent"), tmp_path)
