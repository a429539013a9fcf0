"""The demo, from the start of a temporary system to the report."""

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
from pydantic import ValidationError

from client.api import AsyncRetake
from client.cleanup import best_effort
from client.cli import formatting
from client.cli.command import execute
from client.cli.episodes import parse_output
from client.cli.exit_codes import UsageError, WorkFailed
from client.cli.film_plan import make_plan
from client.cli.local_system import STOP_S, reset_system, start_system, stop_system
from client.cli.provenance import read
from client.cli.session import Session
from client.models import Compilation, Episode, Version
from client.script.document import Document, Output, Segment, Transition
from client.script.pictures import Photograph, check, expand
from deploy.local.demo.checks import Check, CheckResult, check_film, difference
from deploy.local.demo.decode import Picture, picture_at
from deploy.local.demo.photographs import SCRIPT, credits, photographs
from deploy.local.demo.sheet import contact_sheet, frames_of
from deploy.local.demo.story import Objection, Story, move_of
from deploy.local.demo.timeline import Timeline, timeline

ROCKET = Objection(3, "The move is too timid for a launch.", "Push in quickly and tilt up.")
OWN = Objection(1, "The move does not suit this picture.", "Pan quickly to the left and pull back.")
VISIBLE = 3.0
"""Difference in percent of the last frames of two versions from which on their moves count as different."""


def run(photos: Path | None, out: Path, size: str | None = None) -> None:
    """Run the demo, with a film of this frame size ("640x360"). Whatever happens, nothing that it started is left
    running."""
    session = Session()
    code = execute(session, lambda: _demo(session, photos, out.absolute(), size))
    if code:
        raise typer.Exit(code)
    # The last line is for the caller, so it bypasses Rich, which would wrap and colour it.
    sys.stdout.write(f"film: {out.absolute() / 'film.mp4'}\n")
    sys.stdout.flush()


async def _demo(session: Session, photos: Path | None, out: Path, size: str | None) -> None:
    began = time.monotonic()
    document, pictures, objection, left_out = _plan(photos)
    if size is not None:
        document = _of_size(document, size)
    for remark in left_out:
        session.warn(remark)
    session.line("Photographs", style="bold")
    for line in [str(p.path) for p in pictures.values()] if photos else credits():
        session.line(f"  {line}", style="dim")
    film, data = out / "film.mp4", out / "data"
    await _clear(out, data)
    try:
        with session.console.status("Starting Retake: PostgreSQL, Kafka broker, four services..."):
            started = time.monotonic()
            gateway, token = await start_system(data)
        start_s = round(time.monotonic() - started, 2)
        session.line(f"Retake is running at {gateway} (started in {start_s:.1f} s)\n")
        async with AsyncRetake(gateway, token) as client:
            story = Story(session, client, objection)
            story.record.seconds["start"] = start_s
            episode, compilation = await story.play(document, pictures, film)
            with session.console.status("Checking the film..."), story.record.timed("check"):
                plan = timeline(document)
                before, after = await _last_frames(client, story)
                result = await _check_film(client, story, plan, film)
        change = round(difference(before, after), 1)
        await asyncio.to_thread(_write_contact_sheet, out, plan, result, episode)
        _report(session, out, story, result, compilation, episode, change, time.monotonic() - began)
    finally:
        with session.console.status("Stopping Retake..."):
            await best_effort(stop_system(data), STOP_S)


def _plan(photos: Path | None) -> tuple[Document, dict[int, Photograph], Objection, list[str]]:
    """The demo's script and photographs, or a script for the user's own and what was left out of their folder."""
    if photos is None:
        plan = make_plan(photographs(), SCRIPT, None, False, None, 5.0, None, None)
        return plan.document, plan.pictures, ROCKET, []
    files, left_out = expand([photos])
    if not files:
        raise UsageError(f"{photos} has no photographs.", "Give a folder of JPEG, PNG or WebP files.")
    plan = make_plan(files, None, "Hopeful and calm", False, photos.name, 5.0, None, None)
    segments = [_with_narration(s, i, len(files)) for i, s in enumerate(plan.document.segments)]
    return plan.document.model_copy(update={"segments": segments}), dict(enumerate(check(files))), OWN, left_out


def _with_narration(segment: Segment, index: int, count: int) -> Segment:
    """The segment with a sentence of narration and a dissolve to the next segment."""
    assert segment.directions
    directions = segment.directions.model_copy(update={"narration": f"Photograph {index + 1} of {count}."})
    after = Transition(style="dissolve", duration=0.5) if index + 1 < count else None
    return segment.model_copy(update={"directions": directions, "transition_after": after})


def _of_size(document: Document, size: str) -> Document:
    """The document with this frame size. Raises UsageError for what is none."""
    given = document.output.model_dump(exclude_none=True) if document.output else {}
    try:
        output = Output.model_validate(given | parse_output(size, None))
    except ValidationError as e:
        raise UsageError(f"--size {size!r} is not a frame size.", "Width and height are 36 to 3840 pixels.") from e
    return document.model_copy(update={"output": output})


async def _clear(out: Path, data: Path) -> None:
    """Stop the system of an earlier demo and delete its results. Raises UsageError if `out` cannot be created."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"{out} cannot be created: {e.strerror}.", "Choose another --out.") from e
    if data.exists():
        await reset_system(data)
    for name in ("film.mp4", "contact-sheet.png", "report.json"):
        (out / name).unlink(missing_ok=True)


async def _last_frames(client: AsyncRetake, story: Story) -> tuple[Picture, Picture]:
    """The last frames of the rejected and of the regenerated version."""
    assert story.record.rejected
    assert story.record.regenerated
    before, after = story.record.rejected.versions[0], story.record.regenerated.versions[0]
    return await _frame(client, before, -1), await _frame(client, after, -1)


async def _frame(client: AsyncRetake, version: Version, frame: int) -> Picture:
    """A frame of a version; -1 is the last one. Raises WorkFailed if there is no such frame."""
    fresh = await client.versions.get(version.id)
    if not fresh.url or not fresh.duration or not fresh.fps:
        raise WorkFailed(f"Version {version.number} of segment {version.segment_number} is not a video.")
    number = frame if frame >= 0 else round(fresh.duration * fresh.fps) - 1
    with tempfile.TemporaryDirectory(prefix="retake-demo-") as folder:
        path = Path(folder) / "version.mp4"
        await client.download(fresh.url, path)
        found = await asyncio.to_thread(picture_at, path, number, fresh.fps)
    if found is None:
        raise WorkFailed(f"Version {version.number} of segment {version.segment_number} has no frame {number}.")
    return found


async def _check_film(client: AsyncRetake, story: Story, plan: Timeline, film: Path) -> CheckResult:
    """Compare the film with the script's frame counts and with frames of the accepted versions."""
    accepted = {
        shot.middle: await _frame(client, story.record.accepted[shot.number], shot.frames // 2) for shot in plan.shots
    }
    result = await asyncio.to_thread(check_film, film, plan, accepted, keep=frames_of(plan))
    return replace(result, checks=(*result.checks, await asyncio.to_thread(_check_signature, film)))


def _check_signature(film: Path) -> Check:
    found = read(film)
    signer = f"signed by {found['signer']['name']}" if found["signer"] else "none"
    return Check("Content Credentials", found["state"] in ("valid", "trusted"), f"{signer}, {found['state']}", "valid")


def _write_contact_sheet(out: Path, plan: Timeline, result: CheckResult, episode: Episode) -> None:
    if result.pictures:
        facts = f"{len(plan.shots)} segments · {formatting.clock(plan.seconds)} · {plan.width}x{plan.height}"
        contact_sheet(out / "contact-sheet.png", plan, result.pictures, episode.title, facts)


def _report(
    session: Session,
    out: Path,
    story: Story,
    result: CheckResult,
    compilation: Compilation,
    episode: Episode,
    change: float,
    total_s: float,
) -> None:
    """Write report.json and print the essentials. Raises WorkFailed if a check failed."""
    film, facts, record = out / "film.mp4", result.facts, story.record
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
        "checks": [{"name": c.name, "ok": c.ok, "found": c.found, "wanted": c.wanted} for c in result.checks],
        "rejection": _rejection(story, change),
        "warnings": compilation.warnings,
        "seconds": {**record.seconds, "total": round(total_s, 2)},
        "episode_id": episode.id,
        "data": str(out / "data"),
    }
    (out / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    for check_ in result.checks:
        mark, style = ("✓", "green") if check_.ok else ("✗", "bold red")
        expected = "" if check_.ok else f" (expected: {check_.wanted})"
        session.line(f"{mark} {check_.name}: {check_.found}{expected}", style=style)
    difference_text = f"last frame of the regenerated segment: {change:.0f}% different from the rejected version"
    session.line(f"{'✓' if visible else '✗'} {difference_text}", style="green" if visible else "bold red")
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in record.seconds.items())
    session.line(f"\n{total_s:.0f} s in total: {stages}", style="dim")
    if result.failed or not visible:
        names = ", ".join(c.name for c in result.failed) or "difference of the regenerated segment"
        raise WorkFailed(f"The film failed these checks: {names}.", f"See {out / 'report.json'}; the film is {film}.")
    loudness = f"{facts.loudness_lufs:.1f} LUFS" if facts.loudness_lufs is not None else "silent"
    session.line(
        f"{report['duration']:.1f} s, {report['resolution']}, {formatting.size(report['size'])}, {loudness}",
        style="bold green",
    )
    session.line(f"contact sheet: {out / 'contact-sheet.png'}")
    session.line(f"restart this system: retake up --data {out / 'data'}")


def _rejection(story: Story, change: float) -> dict[str, Any]:
    record = story.record
    assert record.rejected
    assert record.regenerated
    before, after = record.rejected.versions[0], record.regenerated.versions[0]
    return {
        "segment_number": record.rejected.segment_number,
        "runs": [record.rejected.id, record.regenerated.id],
        "directions": [before.directions, after.directions],
        "moves": [move_of(before), move_of(after)],
        "last_picture_differs_percent": change,
    }
