"""The demo's checks detect every kind of wrong film that they name."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from client.script.document import Document
from deploy.local.demo.checks import CheckResult, check_film, difference
from deploy.local.demo.decode import Picture, picture_at, probe
from deploy.local.demo.sheet import contact_sheet, frames_of
from deploy.local.demo.timeline import timeline

DOCUMENT = Document.model_validate(
    {
        "title": "T",
        "output": {"width": 320, "height": 180, "fps": 24},
        "segments": [
            {"duration": 2, "transition_after": {"style": "dissolve", "duration": 0.5}},
            {"duration": 2, "transition_after": {"style": "cut"}},
            {"duration": 2, "transition_after": {"style": "fade"}},
        ],
    }
)
PLAN = timeline(DOCUMENT)
MOVING = "testsrc2=s=320x180:r=24"
NOISE = "anoisesrc=c=pink:r=48000:a=0.3:s=1,loudnorm=I=-16:TP=-2,aresample=48000"
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A film of these filters with `frames` frames; rendered once for each set of arguments."""
    folder = tmp_path_factory.mktemp("films")
    made: dict[tuple[object, ...], Path] = {}

    def film(
        video: str = MOVING, audio: str | None = NOISE, frames: int = PLAN.frames, seconds: float = PLAN.seconds
    ) -> Path:
        key = (video, audio, frames, seconds)
        if key not in made:
            made[key] = folder / f"{len(made)}.mp4"
            sound = ["-f", "lavfi", "-t", str(seconds), "-i", audio, "-c:a", "aac"] if audio else []
            subprocess.run(
                [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", video, *sound,
                 "-frames:v", str(frames), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
                 str(made[key])],
                check=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        return made[key]

    return film


@pytest.fixture(scope="module")
def accepted(make: Make) -> dict[int, Picture]:
    """The frames of the good film in the middle of each segment."""
    film = make()
    found = {shot.middle: picture_at(film, shot.middle, PLAN.fps) for shot in PLAN.shots}
    assert all(p is not None for p in found.values())
    return {frame: picture for frame, picture in found.items() if picture is not None}


def failed(verdict: CheckResult) -> list[str]:
    return [c.name for c in verdict.failed]


def test_frames_are_counted_from_the_script() -> None:
    assert [(s.start, s.frames, s.middle) for s in PLAN.shots] == [(0, 48, 24), (36, 48, 60), (84, 48, 108)]
    assert (PLAN.frames, PLAN.seconds) == (132, 5.5)
    demo = timeline(
        Document.model_validate({"title": "T", "segments": [{"transition_after": "fade"}, {"duration": 5}]})
    )
    assert (demo.frames, demo.width, demo.height, demo.fps) == (228, 1920, 1080, 24)


def test_the_right_film_passes(make: Make, accepted: dict[int, Picture]) -> None:
    verdict = check_film(make(), PLAN, accepted, keep=frames_of(PLAN))
    assert failed(verdict) == []
    assert verdict.facts.frames == 132
    assert verdict.facts.loudness_lufs == pytest.approx(-16, abs=1)
    assert frames_of(PLAN) <= verdict.pictures.keys()


def test_a_picture_is_found_by_its_number(make: Make) -> None:
    film, seen = make(), {}
    from deploy.local.demo.decode import decode

    decode(film, lambda number, picture: seen.update({number: picture.copy()}))
    for number in (0, 1, 47, 48, 131):
        picture = picture_at(film, number, PLAN.fps)
        assert picture is not None
        assert difference(picture, seen[number]) < 0.05
    assert picture_at(film, 132, PLAN.fps) is None


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"frames": 131}, "frames"),
        ({"frames": 133}, "frames"),
        ({"video": "testsrc2=s=320x178:r=24"}, "size"),
        ({"video": "testsrc2=s=320x180:r=25"}, "frame rate"),
        ({"video": MOVING + ",trim=end_frame=60,tpad=stop=-1:stop_mode=clone"}, "longest frozen picture"),
        ({"video": MOVING + ",drawbox=t=fill:c=black:enable='between(n,30,40)'"}, "longest black picture"),
        ({"audio": None}, "duration of the sound"),
        ({"audio": None}, "loudness"),
        ({"audio": "anullsrc=r=48000"}, "loudness"),
        ({"audio": NOISE + ",volume=-6dB"}, "loudness"),
        ({"audio": "anoisesrc=c=pink:r=48000:a=1,volume=12dB"}, "true peak"),
        ({"seconds": 4.0}, "duration of the sound"),
        ({"video": MOVING + ",trim=end_frame=132,reverse"}, "frame 60 matches the accepted version"),
        ({"video": MOVING + ",hflip"}, "frame 24 matches the accepted version"),
    ],
)
def test_a_wrong_film_is_found_out(make: Make, accepted: dict[int, Picture], how: dict[str, str], found: str) -> None:
    assert found in failed(check_film(make(**how), PLAN, accepted))


def test_a_film_one_frame_off_is_not_the_accepted_one(make: Make, accepted: dict[int, Picture]) -> None:
    shifted = make(video=MOVING + ",trim=start_frame=1,setpts=PTS-STARTPTS")
    assert "frame 108 matches the accepted version" in failed(check_film(shifted, PLAN, accepted))


@pytest.mark.parametrize("damage", ["cut", "scratched", "empty", "missing"])
def test_a_damaged_film_is_found_out(make: Make, tmp_path: Path, damage: str) -> None:
    film = tmp_path / "film.mp4"
    data = bytearray(make().read_bytes())
    if damage == "scratched":
        middle = len(data) // 3
        data[middle : middle + 3000] = bytes(3000)
    if damage != "missing":
        film.write_bytes({"cut": data[: len(data) // 2], "scratched": data, "empty": b""}[damage])
    verdict = check_film(film, PLAN, {})
    assert "decodes without errors" in failed(verdict)
    assert verdict.facts.errors


def test_the_contact_sheet_shows_every_segment_and_transition(make: Make, tmp_path: Path) -> None:
    verdict = check_film(make(), PLAN, {}, keep=frames_of(PLAN))
    contact_sheet(tmp_path / "sheet.png", PLAN, verdict.pictures, "Title", "facts")
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    assert pixels.shape[1] > 3 * 480
    assert pixels.std() > 40
    assert len(frames_of(PLAN)) == 9


def test_a_long_film_has_a_sheet_of_bearable_length() -> None:
    long = timeline(Document.model_validate({"title": "T", "segments": [{"duration": 5}] * 40}))
    assert len(frames_of(long)) == 24
    assert max(frames_of(long)) == long.frames - 1


def test_what_is_no_film_says_so(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("hello")
    assert probe(tmp_path / "film.mp4").errors


def test_frames_beyond_a_short_film_are_missing_from_its_sheet(make: Make, tmp_path: Path) -> None:
    short = make(frames=60)
    verdict = check_film(short, PLAN, {}, keep=frames_of(PLAN))
    contact_sheet(tmp_path / "sheet.png", PLAN, verdict.pictures, "T", "f")
    assert (tmp_path / "sheet.png").stat().st_size > 1000
