"""The demo from its start to its report."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from client.api import AsyncRetake
from client.cleanup import quietly
from client.cli import show
from client.cli.codes import UsageError, WorkFailed
from client.cli.command import execute
from client.cli.local import STOP_S, erase_system, start_system, stop_system
from client.cli.plan import make_plan
from client.cli.provenance import read
from client.cli.session import Session
from client.models import Compilation, Episode, Version
from client.script.document import Document, Segment, Transition
from client.script.pictures import Photograph, check, expand
from deploy.local.demo.checks import Check, Verdict, check_film, difference
from deploy.local.demo.decode import Picture, picture_at
from deploy.local.demo.photographs import SCRIPT, credits, photographs
from deploy.local.demo.sheet import contact_sheet, frames_of
from deploy.local.demo.story import Objection, Story, move_of
from deploy.local.demo.timeline import Timeline, timeline

ROCKET = Objection(3, "The move is too timid for a launch.", "Push in quickly and tilt up.")
OWN = Objection(1, "The move does not suit this picture.", "Pan quickly to the left and pull back.")
VISIBLE = 3.0
"""Percent by which the last picture of a version must differ for its move to count as changed."""


def run(photos: Path | None, out: Path) -> None:
    """Play the demo; whatever happens, nothing that it started is left running."""
    session = Session()
    code = execute(session, lambda: _demo(session, photos, out.absolute()))
    if code:
        raise typer.Exit(code)
    # The last line is for whoever called us: written past Rich, which would wrap and colour it.
    sys.stdout.write(f"film: {out.absolute() / 'film.mp4'}\n")
    sys.stdout.flush()


async def _demo(session: Session, photos: Path | None, out: Path) -> None:
    began = time.monotonic()
    document, pictures, objection = _script(photos)
    session.line("Photographs", style="bold")
    for line in [str(p.path) for p in pictures.values()] if photos else credits():
        session.line(f"  {line}", style="dim")
    film, data = out / "film.mp4", out / "data"
    await _fresh(out, data)
    try:
        with session.console.status("Starting Retake: PostgreSQL, Kafka broker, four services..."):
            started = time.monotonic()
            gateway, token = await start_system(data)
        start_s = round(time.monotonic() - started, 2)
        session.line(f"Retake runs at {gateway} (started in {start_s:.1f} s)\n")
        async with AsyncRetake(gateway, token) as client:
            story = Story(session, client, objection)
            story.told.seconds["start"] = start_s
            episode, made = await story.play(document, pictures, film)
            with session.console.status("Checking the film..."), story.told.timed("check"):
                plan = timeline(document)
                before, after = await _compared(client, story)
                verdict = await _checked(client, story, plan, film)
        change = round(difference(before, after), 1)
        await asyncio.to_thread(_sheet, out, plan, verdict, episode)
        _report(session, out, story, verdict, made, episode, change, time.monotonic() - began)
    finally:
        with session.console.status("Stopping Retake..."):
            await quietly(stop_system(data), STOP_S)


def _script(photos: Path | None) -> tuple[Document, dict[int, Photograph], Objection]:
    """The demo's own script and photographs, or a plain script for the user's."""
    if photos is None:
        plan = make_plan(photographs(), SCRIPT, None, False, None, 5.0, None, None)
        return plan.document, plan.pictures, ROCKET
    files = expand([photos])
    if not files:
        raise UsageError(f"There are no photographs in {photos}.", "Give a folder of JPEG, PNG or WebP files.")
    plan = make_plan(files, None, "Hopeful and calm", False, photos.name, 5.0, None, None)
    segments = [_spoken(s, i, len(files)) for i, s in enumerate(plan.document.segments)]
    return plan.document.model_copy(update={"segments": segments}), dict(enumerate(check(files))), OWN


def _spoken(segment: Segment, index: int, count: int) -> Segment:
    """A dissolve to the next, and a sentence to hear."""
    directions = segment.directions
    assert directions
    told = directions.model_copy(update={"narration": f"Photograph {index + 1} of {count}."})
    after = Transition(style="dissolve", duration=0.5) if index + 1 < count else None
    return segment.model_copy(update={"directions": told, "transition_after": after})


async def _fresh(out: Path, data: Path) -> None:
    """Nothing of an earlier demo, running or lying about, can be taken for this one's."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"{out} cannot be made: {e.strerror}.", "Choose another --out.") from e
    if data.exists():
        await erase_system(data)
    for name in ("film.mp4", "contact-sheet.png", "report.json"):
        (out / name).unlink(missing_ok=True)


async def _compared(client: AsyncRetake, story: Story) -> tuple[Picture, Picture]:
    """The last pictures of the rejected and the new version, which differ visibly."""
    assert story.told.rejected
    assert story.told.remade
    before, after = story.told.rejected.versions[0], story.told.remade.versions[0]
    pictures = [await _picture(client, v, frame=-1) for v in (before, after)]
    return pictures[0], pictures[1]


async def _picture(client: AsyncRetake, version: Version, frame: int) -> Picture:
    """A frame of a version; -1 is its last."""
    fresh = await client.versions.get(version.id)
    if not fresh.url or not fresh.duration or not fresh.fps:
        raise WorkFailed(f"Version {version.number} of segment {version.segment_number} cannot be played.")
    number = frame if frame >= 0 else round(fresh.duration * fresh.fps) - 1
    with tempfile.TemporaryDirectory(prefix="retake-demo-") as folder:
        path = Path(folder) / "version.mp4"
        await client.download(fresh.url, path)
        found = await asyncio.to_thread(picture_at, path, number, fresh.fps)
    if found is None:
        raise WorkFailed(f"Version {version.number} of segment {version.segment_number} has no frame {number}.")
    return found


async def _checked(client: AsyncRetake, story: Story, plan: Timeline, film: Path) -> Verdict:
    """Held against the script's frame counts and the accepted versions' pictures."""
    accepted = {
        shot.middle: await _picture(client, story.told.accepted[shot.number], shot.frames // 2) for shot in plan.shots
    }
    verdict = await asyncio.to_thread(check_film, film, plan, accepted, keep=frames_of(plan))
    return replace(verdict, checks=(*verdict.checks, await asyncio.to_thread(_signed, film)))


def _signed(film: Path) -> Check:
    found = read(film)
    who = f"signed by {found['signer']['name']}" if found["signer"] else "none"
    return Check("Content Credentials", found["state"] in ("valid", "trusted"), f"{who}, {found['state']}", "valid")


def _sheet(out: Path, plan: Timeline, verdict: Verdict, episode: Episode) -> None:
    if verdict.pictures:
        facts = f"{len(plan.shots)} segments · {show.clock(plan.seconds)} · {plan.width}x{plan.height}"
        contact_sheet(out / "contact-sheet.png", plan, verdict.pictures, episode.title, facts)


def _report(
    session: Session,
    out: Path,
    story: Story,
    verdict: Verdict,
    made: Compilation,
    episode: Episode,
    change: float,
    total_s: float,
) -> None:
    """Write report.json, show the essentials. Raises WorkFailed if the film is not what it should be."""
    film, facts, told = out / "film.mp4", verdict.facts, story.told
    visible = change >= VISIBLE
    report: dict[str, Any] = {
        "film": str(film),
        "contact_sheet": str(out / "contact-sheet.png"),
        "title": episode.title,
        "duration": round(facts.frames / facts.fps, 3) if facts.fps else 0,
        "frames": facts.frames,
        "size": film.stat().st_size,
        "resolution": f"{facts.width}x{facts.height}",
        "fps": facts.fps,
        "loudness_lufs": facts.loudness_lufs,
        "true_peak_dbtp": facts.true_peak_dbtp,
        "checks": [{"name": c.name, "ok": c.ok, "found": c.found, "wanted": c.wanted} for c in verdict.checks],
        "rejection": _rejection(story, change),
        "warnings": made.warnings,
        "seconds": {**told.seconds, "total": round(total_s, 2)},
        "episode_id": episode.id,
        "data": str(out / "data"),
    }
    (out / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    for check_ in verdict.checks:
        mark, style = ("✓", "green") if check_.ok else ("✗", "bold red")
        missed = "" if check_.ok else f" (wanted: {check_.wanted})"
        session.line(f"{mark} {check_.name}: {check_.found}{missed}", style=style)
    told_change = f"the new version looks different from the rejected one: its last picture by {change:.0f}%"
    session.line(f"{'✓' if visible else '✗'} {told_change}", style="green" if visible else "bold red")
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in told.seconds.items())
    session.line(f"\n{total_s:.0f} s in all: {stages}", style="dim")
    if verdict.wrong or not visible:
        names = ", ".join(c.name for c in verdict.wrong) or "the rejected segment's new version"
        raise WorkFailed(f"The film is wrong: {names}.", f"See {out / 'report.json'}; the film is {film}.")
    loudness = f"{facts.loudness_lufs:.1f} LUFS" if facts.loudness_lufs is not None else "silent"
    session.line(
        f"{report['duration']:.1f} s, {report['resolution']}, {show.size(report['size'])}, {loudness}",
        style="bold green",
    )
    session.line(f"contact sheet: {out / 'contact-sheet.png'}")
    session.line(f"look around: retake up --data {out / 'data'}")


def _rejection(story: Story, change: float) -> dict[str, Any]:
    told = story.told
    assert told.rejected
    assert told.remade
    before, after = told.rejected.versions[0], told.remade.versions[0]
    return {
        "segment_number": told.rejected.segment_number,
        "runs": [told.rejected.id, told.remade.id],
        "directions": [before.directions, after.directions],
        "moves": [move_of(before), move_of(after)],
        "last_picture_differs_percent": change,
    }
