"""Quality from pixels: what was made worse scores lower, in every way; what is not measured says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from deploy.local.demo.photographs import photographs
from services.generator.media.base import ComparisonFiles
from services.generator.media.inspection import FfmpegMediaProcessor
from shared.contracts.values import AssetKind, Quality
from tests.support.films import ffmpeg

PHOTOGRAPH = photographs()[0]
ALONE = ComparisonFiles()
PAN = "scale=800:-2,crop=640:360:x='n*3':y=60,format=yuv420p"


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second and a half over a photograph."""
    path = tmp_path_factory.mktemp("clean") / "clean.mp4"
    ffmpeg("-loop", "1", "-i", PHOTOGRAPH, "-t", "1.5", "-r", "24", "-vf", PAN, "-c:v", "libx264", "-crf", "16", path)
    return path


async def measured(
    path: Path, work: Path, *, kind: AssetKind = AssetKind.VIDEO, beside: ComparisonFiles = ALONE
) -> Quality:
    work.mkdir(exist_ok=True)
    return (await FfmpegMediaProcessor().inspect(path, kind, work, beside)).quality


def again(filters: str, *options: str) -> Callable[[Path, Path], None]:
    def make(source: Path, out: Path) -> None:
        ffmpeg("-i", source, "-vf", f"{filters},format=yuv420p", "-c:v", "libx264", *(options or ("-crf", "16")), out)

    return make


WORSE = {
    "blurred": (again("gblur=sigma=4"), "sharpness", 1),
    "blocky": (again("null", "-crf", "45", "-x264-params", "no-deblock=1"), "blockiness", 1),
    "flashing": (again("negate=enable='lt(mod(n,5),3)',eq=contrast=1.5"), "flicker", 1),
    "black for half of it": (again("drawbox=t=fill:c=black:enable='gte(n,18)'"), "black_share", 1),
    "frozen": (again("loop=loop=35:size=1:start=0,trim=end_frame=36"), "frozen_share", 1),
}


@pytest.mark.parametrize("how", WORSE)
async def test_what_is_worse_scores_lower(how: str, clean: Path, tmp_path: Path) -> None:
    make, measure, direction = WORSE[how]
    worse = tmp_path / "worse.mp4"
    make(clean, worse)
    good, bad = await measured(clean, tmp_path / "good"), await measured(worse, tmp_path / "bad")
    one, other = good.measures[measure], bad.measures[measure]
    assert one is not None
    assert other is not None
    assert (other - one) * direction > 0, (one, other)
    assert good.visual_quality is not None
    assert bad.visual_quality is not None
    assert bad.visual_quality < good.visual_quality - 0.05, (good, bad)
    assert bad.overall_score == bad.visual_quality  # there was nothing to be consistent with
    assert good.measures["formula"] == 2


async def test_the_first_frame_is_compared_with_the_starting_image(clean: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jpg"
    Image.linear_gradient("L").resize((640, 360)).save(other)
    like = await measured(clean, tmp_path / "a", beside=ComparisonFiles(starting_image=PHOTOGRAPH))
    unlike = await measured(clean, tmp_path / "b", beside=ComparisonFiles(starting_image=other))
    none = await measured(clean, tmp_path / "c")
    assert (like.consistency_score or 0) > (unlike.consistency_score or 0) + 0.2
    assert (like.overall_score or 0) > (unlike.overall_score or 0)
    assert none.consistency_score is None
    assert none.reasons["consistency_score"] == "No starting image was used."


async def test_a_segment_that_goes_on_where_the_last_one_ended_is_continuous(clean: Path, tmp_path: Path) -> None:
    backwards = tmp_path / "backwards.mp4"
    ffmpeg("-i", clean, "-vf", "reverse", "-c:v", "libx264", backwards)  # ends where the clean one begins
    goes_on = await measured(clean, tmp_path / "a", beside=ComparisonFiles(previous=backwards))
    jumps = await measured(clean, tmp_path / "b", beside=ComparisonFiles(previous=clean))
    assert (goes_on.measures["continuity_previous"] or 0) > 0.98
    assert (jumps.measures["continuity_previous"] or 0) < (goes_on.measures["continuity_previous"] or 0)


async def test_the_last_frame_that_was_kept_tells_as_much_as_the_whole_video(clean: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    kept = (await FfmpegMediaProcessor().inspect(clean, AssetKind.VIDEO, before, ALONE)).last_frame
    by_video = await measured(clean, tmp_path / "a", beside=ComparisonFiles(previous=clean))
    by_frame = await measured(clean, tmp_path / "b", beside=ComparisonFiles(previous=kept))
    one, other = by_video.measures["continuity_previous"], by_frame.measures["continuity_previous"]
    assert one and other and one < 0.98  # the clip moves: its first frame would not do
    assert other == pytest.approx(one, abs=0.01)


async def test_pictures_and_sound_say_what_is_not_measured(clean: Path, tmp_path: Path) -> None:
    picture = await measured(PHOTOGRAPH, tmp_path / "p", kind=AssetKind.STARTING_IMAGE)
    assert picture.visual_quality is not None
    assert picture.consistency_score is None
    assert picture.reasons["consistency_score"]
    plain = tmp_path / "plain.png"
    Image.new("RGB", (320, 180), (90, 90, 90)).save(plain)
    nothing = await measured(plain, tmp_path / "q", kind=AssetKind.IMAGE)
    assert (nothing.overall_score, bool(nothing.reasons["overall_score"])) == (None, True)
    tone = tmp_path / "tone.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tone)
    sound = await measured(tone, tmp_path / "s", kind=AssetKind.NARRATION)
    assert sound.overall_score is None
    assert set(sound.reasons) == {"overall_score", "consistency_score", "visual_quality"}


async def test_a_black_video_is_worth_nothing_and_a_strange_folder_is_no_trouble(tmp_path: Path) -> None:
    black = tmp_path / "black.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=black:s=160x90:d=1:r=24", "-c:v", "libx264", black)
    found = await measured(black, tmp_path / "it's [a], strange; folder: 100%")
    assert (found.visual_quality, found.overall_score) == (0.0, 0.0)


async def test_flashes_of_a_video_without_edges_are_counted_and_score_nothing(tmp_path: Path) -> None:
    flashing, calm = tmp_path / "flashing.mp4", tmp_path / "calm.mp4"
    for path, hertz in ((flashing, 5), (calm, 2)):
        white = f"color=black:s=160x90:d=2:r=30,negate=enable='lt(mod(t*{hertz},1),0.5)'"
        ffmpeg("-f", "lavfi", "-i", white, "-c:v", "libx264", path)
    found = await measured(flashing, tmp_path / "f")
    assert (found.measures["flashes_per_second"], found.measures["red_flashes_per_second"]) == (5, 0)
    assert (found.visual_quality, found.overall_score) == (0, 0)
    found = await measured(calm, tmp_path / "c")
    assert found.measures["flashes_per_second"] == 2
    assert found.overall_score is None


async def test_where_a_video_is_black_frozen_or_cut_is_told(tmp_path: Path) -> None:
    video = tmp_path / "parts.mp4"
    parts = "testsrc2=s=320x180:r=24:d=3,drawbox=t=fill:c=black:enable='between(t,1,1.99)',format=yuv420p"
    ffmpeg("-f", "lavfi", "-i", parts, "-c:v", "libx264", "-crf", "20", video)
    events = (await measured(video, tmp_path / "work")).events
    for kind in ("black", "frozen"):
        [part] = [e for e in events if e.kind == kind]
        assert (part.start, part.end) == pytest.approx((1, 2), abs=0.09), kind
    cuts = [(e.start, e.value) for e in events if e.kind == "cut"]
    assert [at for at, _ in cuts] == pytest.approx([1, 2], abs=0.09)
    assert all(value is not None and value >= 10 for _, value in cuts)
    assert not [e for e in events if e.kind == "flash"]
