"""Every version's file says what it is: by which model, from which starting image, or that it was uploaded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from client.cli.provenance import read
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.media.signing import Origin, VersionSigner
from services.generator.providers.animatic import provider as animatic_provider
from services.generator.providers.base import Provider
from shared.contracts.values import AssetKind, ObjectRef, Output, ProjectSettings
from shared.media.c2pa import Claim, sign
from shared.media.probe import probe
from shared.media.signing_identity import Identity, identity_from
from tests.support import films
from tests.support.generator import Bench, emptied_database, open_bench, put_upload
from tests.support.postgres import Postgres

SMALL = ProjectSettings(output=Output(width=160, height=90, fps=24))


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return identity_from(None, None, tmp_path / "signing")


@pytest_asyncio.fixture
async def bench(postgres: Postgres, tmp_path: Path, identity: Identity) -> AsyncIterator[Bench]:
    async with open_bench(await emptied_database(postgres), tmp_path, media=FfmpegMediaProcessor()) as opened:
        provider = Provider(animatic_provider.lane, animatic_provider.AnimaticProvider())
        opened.rewire(providers={"animatic": provider}, signer=VersionSigner(identity))
        yield opened


async def found(bench: Bench, ref: ObjectRef) -> dict[str, Any]:
    path = bench.root / ref.key.replace("/", "-")
    await bench.objects.own.fetch(ref, path)
    return read(path) | {"path": path}


async def test_a_video_names_its_model_and_carries_the_manifest_of_its_starting_image(bench: Bench) -> None:
    card = (await bench.committed(project_settings=SMALL, overrides={"directions": "A lighthouse", "seed": 3})).version
    drawn = await found(bench, card.object)
    assert (drawn["state"], drawn["source_type"], drawn["problems"]) == ("valid", "algorithmicMedia", [])
    assert card.info["provenance"] == "signed"
    preview = await bench.preview(
        asset_kind=AssetKind.VIDEO,
        project_settings=SMALL,
        starting_image_version_id=card.version_id,
        overrides={"directions": "A secret plan: pan left", "duration": 1, "seed": 5},
    )
    version = preview.candidates[0]
    told = await found(bench, version.object)
    assert (told["state"], told["made_by"], told["problems"]) == ("valid", "animatic/camera", [])
    (start,) = told["ingredients"]
    assert (start["title"], start["version_id"]) == ("Starting image", card.version_id)
    assert len(told["manifest"]["manifests"]) == 2, "the starting image's own goes along"
    facts = told["facts"]
    assert (facts["version_id"], facts["run_id"], facts["seed"]) == (version.version_id, preview.run_id, 5)
    assert "secret" not in str(told["manifest"]), "what people write stays here"
    assert films.watch_pictures(told["path"]).shape[0] == 24
    assert version.object.size == told["path"].stat().st_size


async def test_an_upload_keeps_its_own_manifest(bench: Bench, identity: Identity, tmp_path: Path) -> None:
    plain, photo = tmp_path / "plain.jpg", tmp_path / "photo.jpg"
    Image.effect_noise((320, 180), 40).convert("RGB").save(plain)
    sign(plain, photo, Claim("Camera", "image/jpeg", "digitalCapture", "A camera"), identity)
    upload = await put_upload(bench.root, photo.read_bytes())
    preview = await bench.preview(source="upload", input_object=upload, overrides={})
    told = await found(bench, preview.candidates[0].object)
    assert (told["state"], told["source_type"], told["made_by"]) == ("valid", None, "Retake")
    assert told["ingredients"] == [{"title": "As it was uploaded", "relationship": "parentOf"}]
    assert told["facts"]["source"] == "upload"
    manifests = told["manifest"]["manifests"]
    assert any("digitalCapture" in str(m) for m in manifests.values()), "the camera's own goes along"


KINDS = {
    "video/mp4": ("a.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")),
    "audio/mpeg": ("a.mp3", ("-vn",)),
    "audio/wav": ("a.wav", ("-vn",)),
    "audio/flac": ("a.flac", ("-vn",)),
    "audio/mp4": ("a.m4a", ("-vn", "-c:a", "aac")),
}
SILENT_ON = {"audio/ogg": b"OggS", "video/x-matroska": b"\x1aE\xdf\xa3"}  # formats with no place for a manifest


@pytest.mark.parametrize("content_type", KINDS)
async def test_a_signed_file_plays_as_before(content_type: str, identity: Identity, tmp_path: Path) -> None:
    name, options = KINDS[content_type]
    path = tmp_path / name
    films.ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=64x36:rate=12:d=0.5", "-f", "lavfi", "-i", "sine=d=0.5", *options, path
    )
    before, size = probe(path), path.stat().st_size
    told = "video/mp4" if content_type == "audio/wav" else content_type  # what a provider says is not always so
    origin = Origin("Segment 1", "bytedance/seedance-1-lite", {})
    assert await VersionSigner(identity).sign(path, told, origin) is None
    assert read(path)["state"] == "valid"
    assert read(path)["source_type"] == "trainedAlgorithmicMedia"
    assert probe(path) == before
    films.ffmpeg("-xerror", "-i", path, "-f", "null", "-")
    assert path.stat().st_size < size + 20_000


@pytest.mark.parametrize("content_type", SILENT_ON)
async def test_a_format_without_a_place_for_it_stays_as_it_is(
    content_type: str, identity: Identity, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(start := SILENT_ON[content_type])
    why = await VersionSigner(identity).sign(path, content_type, Origin("Music", "a/b", {}))
    assert path.read_bytes() == start
    assert why == f"Files of this type ({content_type}) cannot carry Content Credentials."


async def test_no_version_is_lost_for_its_signature(identity: Identity, tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes(b"\0\0\0\x08ftyp but no more")
    uploaded = tmp_path / "uploaded"
    uploaded.write_bytes(path.read_bytes())
    why = await VersionSigner(identity).sign(path, "video/mp4", Origin("Segment 1", None, {}, uploaded=uploaded))
    assert why is not None and why.startswith("Content Credentials could not be added. ")
    assert path.read_bytes() == uploaded.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["odd.mp4", "signing", "uploaded"]
