"""From an order to everything its film is joined from: first clips and stems, then what their plan needs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from services.compiler.commands.pieces import PieceBuilder
from services.compiler.planning.captions import Caption, captions
from services.compiler.planning.chunks import GAIN_STEP_DB, Level, chunks, corrected, track_key
from services.compiler.planning.film_order import FilmOrder, name_of
from services.compiler.planning.film_parts import FilmPictures, FilmSound
from services.compiler.planning.film_plan import FilmPlan, Shot, plan_film
from services.compiler.planning.language import spoken_language
from services.compiler.planning.pieces import (
    ClipRecipe,
    Piece,
    PieceKind,
    Recipe,
    StemRecipe,
    WindowRecipe,
    captioned_recipes,
    chunk_recipes,
    clip_of,
    clip_recipe,
    stem_of,
    stem_recipe,
    window_recipes,
)
from services.compiler.planning.sound_plan import RATE, SoundPlan, Sources, plan_sound
from services.compiler.planning.subtitles import letters_per_row
from shared.contracts.events.gateway import PinnedMedia
from shared.contracts.messages import message
from shared.contracts.values import AudioConfig, CaptionMode

TOLERANCE_LU: Final = 0.3  # half a step of the gain, and what the encoder adds; a larger miss is reported
NEAR_CEILING_DB: Final = 2.0  # limited peaks come out a little lower where the encoder would overshoot
GLYPHS_NAMED: Final = 8  # of the missing ones: enough to recognise the script


def clip_recipes(order: FilmOrder, encoder: str) -> dict[str, ClipRecipe]:
    """By segment id."""
    return {
        item.segment_id: clip_recipe(
            name_of(item), item.video.object, item.video.media.duration_s, order.output, encoder
        )
        for item in order.items
    }


def stem_recipes(order: FilmOrder) -> dict[str, StemRecipe]:
    """By role: `narration:<segment>`, `own:<segment>`, `music`. Videos without a sound track have no stem."""
    wanted: dict[str, tuple[str, PinnedMedia]] = {}
    for item in order.items:
        if item.narration:
            wanted[f"narration:{item.segment_id}"] = f"the narration of {name_of(item)}", item.narration
        if item.video.media.audio_codec and order.audio.segment_sound != "mute":
            wanted[f"own:{item.segment_id}"] = f"the sound of {name_of(item)}", item.video
    if order.music and order.audio.background_music:
        wanted["music"] = "the music", order.music
    return {role: stem_recipe(name, m.object, m.media.duration_s) for role, (name, m) in wanted.items()}


async def assemble_clips(order: FilmOrder, builder: PieceBuilder) -> FilmPictures:
    """The clips, and the film plan, which depends on their lengths. No windows yet."""
    encoder = await builder.renderer.encoder(order.output)
    recipes = clip_recipes(order, encoder)
    pieces = await builder.build(list(recipes.values()))
    plan = film_plan(order, {segment: pieces[r.key] for segment, r in recipes.items()})
    return FilmPictures(plan=plan, clips=tuple(pieces[shot.clip.key] for shot in plan.shots), windows=())


async def assemble_windows(order: FilmOrder, pictures: FilmPictures, builder: PieceBuilder) -> FilmPictures:
    """The same pictures with their transition windows."""
    windows = planned_windows(order, pictures.plan, {clip.key: clip for clip in pictures.clips})
    rendered = await builder.build(windows)
    return replace(pictures, windows=tuple(rendered[w.key] for w in windows))


def planned_windows(order: FilmOrder, plan: FilmPlan, clips: Mapping[str, Piece]) -> list[WindowRecipe]:
    """`clips` by key."""
    sources = {item.segment_id: item.video.object for item in order.items}
    return window_recipes(plan, clips, sources, order.output)


def film_plan(order: FilmOrder, clips: dict[str, Piece]) -> FilmPlan:
    """`clips` by segment id."""
    shots = [
        Shot(item.segment_id, name_of(item), clip_of(clips[item.segment_id]), item.transition_after)
        for item in order.items
    ]
    return plan_film(shots, order.output.rate)


async def assemble_sound(order: FilmOrder, film: FilmPlan, builder: PieceBuilder) -> FilmSound:
    """The whole track if this one was made before, else its chunks, many of which may exist already."""
    recipes = stem_recipes(order)
    stems = await builder.build(list(recipes.values()))
    sources = sources_of(recipes, stems)
    plan = plan_sound(film, order.output.rate, sources, order.audio)
    key = track_key(plan, order.audio)
    if track := (await builder.find([key])).get(key):
        found = await builder.find(track.facts["chunks"])
        if all(k in found for k in track.facts["chunks"]):
            builder.tally.reused += len(found)
            return await asyncio.to_thread(
                _film_sound, order, sources, plan, [found[k] for k in track.facts["chunks"]], track
            )
    finding = builder.renderer.find_level(plan, stems, order.audio)
    level, level_warnings = await builder.timed("level", plan.samples / RATE, finding)
    encoded = await _encode(plan, level, stems, builder)
    loudness, peak = builder.renderer.measure(encoded, plan.samples)
    if order.audio.volume_normalization and not level_warnings:
        better = corrected(level, loudness, order.audio.loudness_lufs)
        more = better.gain_db - level.gain_db
        # The limiter takes one more step inaudibly; peaks that stand higher would only be crushed.
        if better != level and (more <= GAIN_STEP_DB or peak is None or peak + more <= better.ceiling_dbtp):
            encoded = await _encode(plan, better, stems, builder)
            loudness, peak = builder.renderer.measure(encoded, plan.samples)
    warnings = list(level_warnings) or loudness_warnings(loudness, peak, order.audio)
    facts = {"chunks": [c.key for c in encoded], "loudness": loudness, "true_peak": peak, "warnings": warnings}
    track = Piece(key, PieceKind.TRACK, None, facts)
    if token := await builder.piece_store.claim(key, PieceKind.TRACK):
        await builder.piece_store.finish(track, token)
    return await asyncio.to_thread(_film_sound, order, sources, plan, encoded, track)


async def _encode(plan: SoundPlan, level: Level, stems: dict[str, Piece], builder: PieceBuilder) -> list[Piece]:
    wanted: list[Recipe] = chunk_recipes(plan, level, chunks(plan, level), stems)
    pieces = await builder.build(wanted)
    return [pieces[r.key] for r in wanted]


def _film_sound(order: FilmOrder, sources: Sources, plan: SoundPlan, encoded: list[Piece], track: Piece) -> FilmSound:
    """Reads every script, which takes minutes for the longest films: call it in a thread."""
    loudness = track.facts["loudness"]
    reason = message("warning.unmeasurable" if plan.cues else "warning.nothing_heard")
    return FilmSound(
        plan=plan,
        chunks=tuple(encoded),
        loudness=loudness,
        true_peak_dbtp=track.facts["true_peak"],
        unmeasured={} if loudness is not None else dict.fromkeys(("loudness_lufs", "true_peak_dbtp"), reason),
        warnings=(*plan.warnings, *track.facts["warnings"], *_unscripted(order, plan)),
        captions=spoken_captions(order, sources, plan),
        burned=_burned_captions(order, sources, plan),
        language=_language(order, plan),
    )


def spoken_captions(order: FilmOrder, sources: Sources, plan: SoundPlan) -> tuple[Caption, ...]:
    return captions(_scripts(order), plan.spoken, _pauses(sources), plan.samples)


def _burned_captions(order: FilmOrder, sources: Sources, plan: SoundPlan) -> tuple[Caption, ...]:
    if order.captions is not CaptionMode.BURNED:
        return ()
    return captions(_scripts(order), plan.spoken, _pauses(sources), plan.samples, letters_per_row(order.output))


def _scripts(order: FilmOrder) -> dict[str, str]:
    return {item.segment_id: item.narration.directions for item in order.items if item.narration}


def _language(order: FilmOrder, plan: SoundPlan) -> str | None:
    heard = {s.segment_id for s in plan.spoken}
    narrations = [i.narration for i in order.items if i.narration and i.segment_id in heard]
    return spoken_language((n.directions, n.language) for n in narrations)


def _pauses(sources: Sources) -> dict[str, list[tuple[int, int]]]:
    """Counted from a narration's first audible sample, which is where it begins in the film."""
    return {s: [(a - n.heard[0], b - n.heard[0]) for a, b in n.pauses] for s, n in sources.narration.items()}


def _unscripted(order: FilmOrder, plan: SoundPlan) -> list[str]:
    """Warnings for narrations without a script: captions come from scripts only, never from speech recognition."""
    if order.captions is CaptionMode.NONE:
        return []
    spoken = {s.segment_id for s in plan.spoken}
    return [
        message("warning.no_captions", name=f"{name_of(i)[0].upper()}{name_of(i)[1:]}")
        for i in order.items
        if i.narration and i.segment_id in spoken and not i.narration.directions.strip()
    ]


async def draw_captions(
    order: FilmOrder, pictures: FilmPictures, sound: FilmSound, builder: PieceBuilder
) -> FilmPictures:
    """The same pictures with captions drawn on them. Only parts with narration are rendered again."""
    fonts = await builder.renderer.fonts()
    wanted = captioned_recipes(pictures.plan, pictures.clips, pictures.windows, sound.burned, order.output, fonts)
    captioned = await builder.build(list(wanted.values()))
    return replace(pictures, captioned={number: captioned[recipe.key] for number, recipe in wanted.items()})


def missing_glyph_warnings(pictures: FilmPictures) -> list[str]:
    """A warning about characters that were drawn as boxes because no font on that machine has them."""
    missing = "".join(dict.fromkeys(c for p in pictures.captioned.values() for c in p.facts.get("undrawn", "")))
    if not missing:
        return []
    more = f" and {len(missing) - GLYPHS_NAMED} more" if len(missing) > GLYPHS_NAMED else ""
    return [message("warning.missing_glyphs", characters=f"{' '.join(missing[:GLYPHS_NAMED])}{more}")]


def loudness_warnings(loudness: float | None, peak: float | None, audio: AudioConfig) -> list[str]:
    """A warning if the track misses its target: sound whose peaks stand far above the rest cannot reach it without
    crushing them. `loudness` in LUFS, `peak` in dBTP."""
    target = audio.loudness_lufs
    if loudness is None or not audio.volume_normalization or abs(loudness - target) <= TOLERANCE_LU:
        return []
    figures = {"measured": f"{loudness:.1f}", "target": f"{target:g}"}
    if loudness > target or peak is None or peak < audio.true_peak_dbtp - NEAR_CEILING_DB:
        return [message("warning.loudness", **figures)]
    return [message("warning.loudness_peaks", **figures, ceiling=f"{audio.true_peak_dbtp:g}")]


def sources_of(recipes: dict[str, StemRecipe], stems: dict[str, Piece]) -> Sources:
    """`recipes` by role, `stems` by key."""
    sources = Sources(music=stem_of(stems[recipes["music"].key]) if "music" in recipes else None)
    for role, recipe in recipes.items():
        kind, _, segment = role.partition(":")
        if kind == "narration":
            sources.narration[segment] = stem_of(stems[recipe.key])
        elif kind == "own":
            sources.own[segment] = stem_of(stems[recipe.key])
    return sources
