"""From an order to everything its film is joined from: first the clips and stems, then what their plan asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from services.compiler.commands.pieces import Obtainer
from services.compiler.commands.ports import Pictures, Track
from services.compiler.planning.captions import Caption, captions
from services.compiler.planning.chunks import GAIN_STEP_DB, Level, chunks, corrected, track_key
from services.compiler.planning.film_order import Order, name_of
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
from shared.contracts.events.gateway import PinnedMedia
from shared.contracts.values import AudioConfig, CaptionMode

TOLERANCE_LU = 0.3  # half a step of the gain, and what the encoder adds: further off is told
NEAR_CEILING_DB = 2.0  # peaks that the limiter has held come out a little lower where the encoder would overshoot
NAMED = 8  # of the letters that are lacking: enough to know the script
NOTHING_HEARD = "Nothing is heard in this film: narration, music and the segments' own sound are missing or silent."
TOO_QUIET = "This film's sound is too quiet to be measured: below -70 LUFS throughout."


def clip_recipes(order: Order, encoder: str) -> dict[str, ClipRecipe]:
    """By segment id."""
    return {
        item.segment_id: clip_recipe(
            name_of(item), item.video.object, item.video.media.duration_s, order.output, encoder
        )
        for item in order.items
    }


def stem_recipes(order: Order) -> dict[str, StemRecipe]:
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


async def gather_clips(order: Order, obtainer: Obtainer) -> Pictures:
    """The clips, and the plan that only their lengths allow to make. No windows yet."""
    encoder = await obtainer.workshop.encoder(order.output)
    recipes = clip_recipes(order, encoder)
    pieces = await obtainer.obtain(list(recipes.values()))
    plan = film_plan(order, {segment: pieces[r.key] for segment, r in recipes.items()})
    return Pictures(plan=plan, clips=tuple(pieces[shot.clip.key] for shot in plan.shots), windows=())


async def gather_windows(order: Order, pictures: Pictures, obtainer: Obtainer) -> Pictures:
    windows = planned_windows(order, pictures.plan, {clip.key: clip for clip in pictures.clips})
    rendered = await obtainer.obtain(windows)
    return replace(pictures, windows=tuple(rendered[w.key] for w in windows))


def planned_windows(order: Order, plan: FilmPlan, clips: Mapping[str, Piece]) -> list[WindowRecipe]:
    """`clips` by key."""
    sources = {item.segment_id: item.video.object for item in order.items}
    return window_recipes(plan, clips, sources, order.output)


def film_plan(order: Order, clips: dict[str, Piece]) -> FilmPlan:
    """`clips` by segment id."""
    shots = [
        Shot(item.segment_id, name_of(item), clip_of(clips[item.segment_id]), item.transition_after)
        for item in order.items
    ]
    return plan_film(shots, order.output.fps)


async def gather_sound(order: Order, film: FilmPlan, obtainer: Obtainer) -> Track:
    """The track as it was once made, or its chunks, of which most may be there already."""
    recipes = stem_recipes(order)
    stems = await obtainer.obtain(list(recipes.values()))
    sources = sources_of(recipes, stems)
    plan = plan_sound(film, order.output.fps, sources, order.audio)
    key = track_key(plan, order.audio)
    if made := (await obtainer.find([key])).get(key):
        facts = made.facts
        found = await obtainer.find(facts["chunks"])
        if all(k in found for k in facts["chunks"]):
            obtainer.tally.reused += len(found)
            return _track(order, sources, plan, [found[k] for k in facts["chunks"]], made)
    finding = obtainer.workshop.find_level(plan, stems, order.audio)
    level, told = await obtainer.timed("level", plan.samples / RATE, finding)
    row = await _encoded(plan, level, stems, obtainer)
    loudness, peak = obtainer.workshop.measure(row, plan.samples)
    if order.audio.volume_normalization and not told:
        better = corrected(level, loudness, order.audio.loudness_lufs)
        more = better.gain_db - level.gain_db
        # The limiter takes one more step without being heard; peaks that stand higher would only be crushed.
        if better != level and (more <= GAIN_STEP_DB or peak is None or peak + more <= better.ceiling_dbtp):
            row = await _encoded(plan, better, stems, obtainer)
            loudness, peak = obtainer.workshop.measure(row, plan.samples)
    warnings = list(told) or missed(loudness, peak, order.audio)
    facts = {"chunks": [c.key for c in row], "loudness": loudness, "true_peak": peak, "warnings": warnings}
    track = Piece(key, PieceKind.TRACK, None, facts)
    if token := await obtainer.book.take(key, PieceKind.TRACK):
        await obtainer.book.finish(track, token)
    return _track(order, sources, plan, row, track)


async def _encoded(plan: SoundPlan, level: Level, stems: dict[str, Piece], obtainer: Obtainer) -> list[Piece]:
    wanted: list[Recipe] = chunk_recipes(plan, level, chunks(plan, level), stems)
    pieces = await obtainer.obtain(wanted)
    return [pieces[r.key] for r in wanted]


def _track(order: Order, sources: Sources, plan: SoundPlan, row: list[Piece], track: Piece) -> Track:
    loudness = track.facts["loudness"]
    why = TOO_QUIET if plan.cues else NOTHING_HEARD
    return Track(
        plan=plan,
        chunks=tuple(row),
        loudness=loudness,
        true_peak_dbtp=track.facts["true_peak"],
        unmeasured={} if loudness is not None else dict.fromkeys(("loudness_lufs", "true_peak_dbtp"), why),
        warnings=(*plan.warnings, *track.facts["warnings"], *_unscripted(order, plan)),
        captions=spoken_captions(order, sources, plan),
        language=_language(order, plan),
    )


def spoken_captions(order: Order, sources: Sources, plan: SoundPlan) -> tuple[Caption, ...]:
    return captions(_scripts(order), plan.spoken, _pauses(sources), plan.samples)


def _scripts(order: Order) -> dict[str, str]:
    return {item.segment_id: item.narration.directions for item in order.items if item.narration}


def _language(order: Order, plan: SoundPlan) -> str | None:
    heard = {s.segment_id for s in plan.spoken}
    narrations = [i.narration for i in order.items if i.narration and i.segment_id in heard]
    return spoken_language((n.directions, n.language) for n in narrations)


def _pauses(sources: Sources) -> dict[str, list[tuple[int, int]]]:
    """Counted from the first that is heard of a narration, which is where it begins in the film."""
    return {s: [(a - n.heard[0], b - n.heard[0]) for a, b in n.pauses] for s, n in sources.narration.items()}


def _unscripted(order: Order, plan: SoundPlan) -> list[str]:
    """Only a script says what is spoken: nothing is guessed from sound."""
    if order.captions is CaptionMode.NONE:
        return []
    spoken = {s.segment_id for s in plan.spoken}
    return [
        f"{name_of(i)[0].upper()}{name_of(i)[1:]} has no captions: its narration came without a script."
        for i in order.items
        if i.narration and i.segment_id in spoken and not i.narration.directions.strip()
    ]


async def draw_captions(order: Order, pictures: Pictures, track: Track, obtainer: Obtainer) -> Pictures:
    """The same pictures with captions on them. Only parts during which something is said are rendered again."""
    fonts = await obtainer.workshop.lettering()
    wanted = captioned_recipes(pictures.plan, pictures.clips, pictures.windows, track.captions, order.output, fonts)
    drawn = await obtainer.obtain(list(wanted.values()))
    return replace(pictures, captioned={number: drawn[recipe.key] for number, recipe in wanted.items()})


def undrawn(pictures: Pictures) -> list[str]:
    """Letters that are boxes on the pictures, because the machine that drew them has no font with them."""
    lacking = "".join(dict.fromkeys(c for p in pictures.captioned.values() for c in p.facts.get("undrawn", "")))
    if not lacking:
        return []
    more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
    told = f"The captions on the pictures lack {' '.join(lacking[:NAMED])}{more}: no font of the compiler's machine has"
    return [f"{told} them. Install one (for Chinese, Japanese and Korean: Noto Sans CJK) or choose soft captions."]


def missed(loudness: float | None, peak: float | None, audio: AudioConfig) -> list[str]:
    """Sound whose peaks stand far above the rest cannot be as loud as asked without being crushed."""
    target = audio.loudness_lufs
    if loudness is None or not audio.volume_normalization or abs(loudness - target) <= TOLERANCE_LU:
        return []
    told = f"The film measures {loudness:.1f} LUFS instead of {target:g}"
    if loudness > target or peak is None or peak < audio.true_peak_dbtp - NEAR_CEILING_DB:
        return [f"{told}."]
    return [f"{told}: its peaks reach the ceiling of {audio.true_peak_dbtp:g} dBTP, and more would crush them."]


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
