"""The film's sound as a plan: which piece of which stem is heard when, how loud, and what gives way to the voice.

A *stem* is the decoded sound of one source (a narration, the music, a segment's own sound). A *cue* plays part of
a stem at a place in the film. Times are samples at 48 kHz, levels decibels; nothing here touches a sample's value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from services.compiler.planning.film_plan import FilmPlan, Shot
from shared.contracts.messages import message
from shared.contracts.values import AudioConfig, NarrationMix

RATE: Final = 48_000

# Levels before the film's own normalisation, LUFS. Music rests 6 dB under the voice and, ducked, 16 dB: the usual
# distance at which speech over music stays easy to follow.
NARRATION_LUFS: Final = -18.0
MUSIC_LUFS: Final = -24.0
DUCK_DB: Final = -10.0
# A segment's own sound keeps its loudness between these: loud ones come down, quiet ones (a room's tone) are not
# pulled up to speech.
OWN_SOUND_LUFS: Final = -20.0
OWN_SOUND_MOST_BOOST_DB: Final = 6.0
LOWERED_DB: Final = -12.0

DUCK_ATTACK: Final = RATE * 3 // 10  # the music begins to sink before the first word
DUCK_RELEASE: Final = RATE * 8 // 10
DUCK_HOLD: Final = RATE * 12 // 10  # pauses shorter than this do not bring the music back
BREATH: Final = RATE // 4  # between two narrations when the second has to wait
CLICK_FADE: Final = RATE // 125  # 8 ms at hard edges: no click
TAIL_FADE: Final = RATE  # of a narration that the film's end cuts off
MUSIC_IN: Final = RATE // 10
MUSIC_OUT: Final = 3 * RATE
LOOP_FADE: Final = 2 * RATE
SHORTEST_LOOP: Final = RATE  # repeated, anything shorter is a rattle
MUSIC_MAY_END_EARLY: Final = 2 * RATE  # a piece of music that ends this close to the film's end is not looped


@dataclass(frozen=True)
class Stem:
    """`heard`: the samples [first, stop) between which anything is audible; `loudness` is None when nothing is.

    `repeat`: samples after the first that is heard at which it may begin again on its beat; None where it has none.
    """

    key: str
    samples: int
    loudness: float | None
    heard: tuple[int, int]
    pauses: tuple[tuple[int, int], ...] = ()  # within what is heard: samples of the stem
    repeat: int | None = None


@dataclass(frozen=True)
class Cue:
    """Samples [skip, skip + length) of a stem, heard from film sample `at`; fades are equal-power, in samples."""

    stem: str
    at: int
    skip: int
    length: int
    gain_db: float
    fade_in: int
    fade_out: int
    ducked: bool

    @property
    def end(self) -> int:
        return self.at + self.length


@dataclass(frozen=True)
class Spoken:
    """Where a segment's narration is really heard; captions take their times from here."""

    segment_id: str
    at: int
    length: int
    whole: int = 0  # what `length` would be if the film did not end before


@dataclass(frozen=True)
class SoundPlan:
    """Everything that is heard. `speech` are the spans that the music gives way to, ascending and apart."""

    samples: int
    cues: tuple[Cue, ...]
    speech: tuple[tuple[int, int], ...]
    spoken: tuple[Spoken, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """The stems of a film: by segment id, or None where a segment has none."""

    narration: dict[str, Stem] = field(default_factory=dict)
    own: dict[str, Stem] = field(default_factory=dict)
    music: Stem | None = None


def sample_of(frame: int, fps: int) -> int:
    """The sample that is heard when this frame of the film begins."""
    return frame * RATE // fps


def plan_sound(film: FilmPlan, fps: int, sources: Sources, config: AudioConfig) -> SoundPlan:
    """The plan of a film's sound: narrations first, as they decide where music and the segments' own sound give way."""
    samples = sample_of(film.frames, fps)
    voices, spoken, warnings = _narrations(film, fps, samples, sources, config)
    stems = {stem.key: stem for stem in sources.narration.values()}
    speech = _merge([span for v in voices for span in _said(v, stems[v.stem])])
    music = _music(sources.music, samples, config.music_gain_db) if config.background_music else []
    if config.background_music and sources.music and sources.music.loudness is None:
        warnings.append(message("warning.music_silent"))
    return SoundPlan(
        samples=samples,
        cues=(*voices, *music, *_own_sound(film, fps, sources, config)),
        speech=speech,
        spoken=tuple(spoken),
        warnings=tuple(warnings),
    )


@dataclass(frozen=True)
class _Voice:
    """A narration as it was asked for: to begin at film sample `at`."""

    at: int
    shot: Shot
    stem: Stem
    gain_db: float


def _voices(film: FilmPlan, fps: int, sources: Sources, config: AudioConfig) -> tuple[list[_Voice], list[str]]:
    """The narrations that can be heard, each at its segment and its offset, in the order in which they begin."""
    found: list[_Voice] = []
    warnings: list[str] = []
    for shot, start in zip(film.shots, film.starts, strict=True):
        stem = sources.narration.get(shot.segment_id)
        if stem is None:
            continue
        if stem.loudness is None:
            warnings.append(message("warning.narration_silent", name=shot.name))
            continue
        mix = config.narration.get(shot.segment_id, NarrationMix())
        asked = sample_of(start, fps) + round(mix.offset * RATE)
        if asked < 0:
            warnings.append(message("warning.narration_early", name=shot.name, seconds=f"{-asked / RATE:.1f}"))
        found.append(_Voice(max(0, asked), shot, stem, NARRATION_LUFS - stem.loudness + mix.gain_db))
    return sorted(found, key=lambda voice: voice.at), warnings  # stable: of two at one time the earlier segment's first


def _narrations(
    film: FilmPlan, fps: int, samples: int, sources: Sources, config: AudioConfig
) -> tuple[list[Cue], list[Spoken], list[str]]:
    """Each narration at its segment; one that would talk over another waits; what passes the end fades out."""
    voices, warnings = _voices(film, fps, sources, config)
    cues: list[Cue] = []
    spoken: list[Spoken] = []
    free = 0  # where the one before has ended
    for voice in voices:
        name, (first, stop) = voice.shot.name, voice.stem.heard
        begins = voice.at if voice.at >= free else free + BREATH
        if begins > voice.at:
            late = f"{(begins - voice.at) / RATE:.1f}"
            warnings.append(message("warning.narration_waits", name=name, seconds=late))
        if begins >= samples:
            warnings.append(message("warning.narration_after_end", name=name))
            continue
        length = min(stop - first, samples - begins)
        cut = length < stop - first
        if cut:
            lost = f"{(stop - first - length) / RATE:.1f}"
            warnings.append(message("warning.narration_cut", name=name, seconds=lost))
        fade_in, fade_out = min(CLICK_FADE, length // 2), min(TAIL_FADE if cut else CLICK_FADE, length // 2)
        cues.append(Cue(voice.stem.key, begins, first, length, voice.gain_db, fade_in, fade_out, ducked=False))
        spoken.append(Spoken(voice.shot.segment_id, begins, length, stop - first))
        free = begins + length
    return cues, spoken, [*warnings, *_overruns(film, fps, spoken)]


def _overruns(film: FilmPlan, fps: int, spoken: Sequence[Spoken]) -> list[str]:
    """A narration that is heard over other segments than its own is allowed, and told of."""
    starts = [sample_of(s, fps) for s in film.starts]
    heard = {s.segment_id: s for s in spoken}
    found = []
    for (left, right), start in zip(pairwise(enumerate(film.shots)), starts[1:], strict=True):
        voice = heard.get(left[1].segment_id)
        if voice is None or voice.at + voice.length - start <= BREATH:
            continue
        begins = bisect_right(starts, voice.at) - 1
        ends = bisect_right(starts, voice.at + voice.length - BREATH) - 1
        said = f"The narration of {left[1].name} runs"
        if begins > left[0]:
            where = film.shots[begins].name
            found.append(f"{said} in {where}" + (f" and on into {film.shots[ends].name}." if ends > begins else "."))
        elif ends > right[0]:
            found.append(f"{said} over {right[1].name} and into {film.shots[ends].name}.")
        else:
            found.append(f"{said} {(voice.at + voice.length - start) / RATE:.1f} s into {right[1].name}.")
    return found


def _said(voice: Cue, stem: Stem) -> Iterator[tuple[int, int]]:
    """The parts of the film in which a narration speaks, between its pauses."""
    begins, moved = voice.at, voice.at - voice.skip
    for first, stop in stem.pauses:
        if voice.at < first + moved and stop + moved < voice.end:
            yield begins, first + moved
            begins = stop + moved
    yield begins, voice.end


def _merge(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Spans of speech, joined where the pause between them is too short for the music to come back."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if merged and start - merged[-1][1] <= DUCK_HOLD:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return tuple(merged)


def _music(stem: Stem | None, samples: int, gain_db: float) -> list[Cue]:
    """Music to the film's end: faded out where it is longer, repeated on its beat where it is shorter."""
    if stem is None or stem.loudness is None or not samples:
        return []
    first, stop = stem.heard
    whole = stop - first
    level = MUSIC_LUFS - stem.loudness + gain_db
    step = stem.repeat or whole - min(LOOP_FADE, whole // 4)
    overlap = min(LOOP_FADE, whole - step)
    cues: list[Cue] = []
    at = 0
    while True:
        is_last = at + whole + MUSIC_MAY_END_EARLY >= samples or whole < SHORTEST_LOOP
        length = min(whole if is_last else step + overlap, samples - at)
        if not is_last:
            fade_out = overlap
        elif length < whole:
            fade_out = min(MUSIC_OUT, length // 2)
        else:
            fade_out = min(CLICK_FADE, length // 2)
        fade_in = overlap if cues else min(MUSIC_IN, length // 2)
        cues.append(Cue(stem.key, at, first, length, level, min(fade_in, length - fade_out), fade_out, ducked=True))
        if is_last:
            return cues
        at += step


def _own_sound(film: FilmPlan, fps: int, sources: Sources, config: AudioConfig) -> list[Cue]:
    """What the segments' videos sound like themselves, crossfaded where their pictures are."""
    if config.segment_sound == "mute":
        return []
    lowered = config.segment_sound == "lower"
    overlaps = [0, *(b.frames for b in film.boundaries), 0]
    cues: list[Cue] = []
    for i, (shot, start) in enumerate(zip(film.shots, film.starts, strict=True)):
        stem = sources.own.get(shot.segment_id)
        if stem is None or stem.loudness is None:
            continue
        level = min(OWN_SOUND_MOST_BOOST_DB, OWN_SOUND_LUFS - stem.loudness) + (LOWERED_DB if lowered else 0)
        at = sample_of(start, fps)
        length = min(stem.samples, sample_of(start + shot.clip.frames, fps) - at)
        fades = [min(max(CLICK_FADE, sample_of(n, fps)), length // 2) for n in overlaps[i : i + 2]]
        cues.append(Cue(stem.key, at, 0, length, level, fades[0], fades[1], ducked=lowered))
    return cues
