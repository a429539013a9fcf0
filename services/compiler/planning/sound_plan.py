"""Plans a film's sound: which part of which stem is heard when, how loud, and what is ducked under the voice.

A *stem* is the decoded sound of one source (a narration, the music, a segment's own sound). A *cue* plays part of a
stem at a position in the film. Times are in samples at 48 kHz, levels in decibels; no sample is read here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from services.compiler.planning.film_plan import FilmPlan, Shot
from shared.contracts.frame_rates import Rate
from shared.contracts.messages import message
from shared.contracts.values import AudioConfig, NarrationMix

RATE: Final = 48_000

# Levels in LUFS before the film is normalised. Music lies 6 dB under the voice and, ducked, 16 dB: the usual distance
# at which speech over music is easy to follow.
NARRATION_LUFS: Final = -18.0
MUSIC_LUFS: Final = -24.0
DUCK_DB: Final = -10.0
# A segment's own sound is lowered if it is loud; a quiet one (room tone) is not raised to the level of speech.
OWN_SOUND_LUFS: Final = -20.0
OWN_SOUND_MOST_BOOST_DB: Final = 6.0
LOWERED_DB: Final = -12.0

DUCK_ATTACK: Final = RATE * 3 // 10  # the music begins to fall before the first word
DUCK_RELEASE: Final = RATE * 8 // 10
DUCK_HOLD: Final = RATE * 12 // 10  # the music does not return in shorter pauses
GAP: Final = RATE // 4  # between two narrations if the second has to wait
CLICK_FADE: Final = RATE // 125  # 8 ms at hard edges, against clicks
TAIL_FADE: Final = RATE  # of a narration that is cut off by the film's end
MUSIC_IN: Final = RATE // 10
MUSIC_OUT: Final = 3 * RATE
LOOP_FADE: Final = 2 * RATE
LAST_REPEAT: Final = LOOP_FADE + MUSIC_OUT  # the shortest last repetition: one that comes in before it goes out
SHORTEST_LOOP: Final = RATE  # anything shorter would rattle when repeated
ENDS_TOGETHER: Final = RATE // 10  # music that ends this close to the film's end keeps its own ending
ENDING_FADE: Final = RATE  # over an ending of its own, which has nearly decayed; what stops hard does so no more


@dataclass(frozen=True)
class Stem:
    """A decoded source. `heard`: the samples [first, stop) that contain everything audible; `loudness` in LUFS, None if
    silent.

    `pauses`: silent spans of samples within `heard`. `repeat`: the number of samples after the first audible one at
    which the stem can begin again on its beat; None without a beat.
    """

    key: str
    samples: int
    loudness: float | None
    heard: tuple[int, int]
    pauses: tuple[tuple[int, int], ...] = ()
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
    """Where a segment's narration is actually heard, from which captions take their times.

    `whole`: what `length` would be if the film did not end first.
    """

    segment_id: str
    at: int
    length: int
    whole: int = 0


@dataclass(frozen=True)
class SoundPlan:
    """The whole sound of a film. `speech`: the spans during which ducked cues are lowered, ascending and disjoint."""

    samples: int
    cues: tuple[Cue, ...]
    speech: tuple[tuple[int, int], ...]
    spoken: tuple[Spoken, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """The stems of a film, by segment id; segments without one are missing."""

    narration: dict[str, Stem] = field(default_factory=dict)
    own: dict[str, Stem] = field(default_factory=dict)
    music: Stem | None = None


def sample_of(frame: int, fps: Rate) -> int:
    """The sample at which this frame of the film begins."""
    return frame * RATE // fps


def plan_sound(film: FilmPlan, fps: Rate, sources: Sources, config: AudioConfig) -> SoundPlan:
    """The plan of a film's sound: narrations first, as they determine where other sound is ducked."""
    samples = sample_of(film.frames, fps)
    voices, spoken, warnings = _narrations(film, fps, samples, sources, config)
    stems = {stem.key: stem for stem in sources.narration.values()}
    speech = _merge([span for v in voices for span in _speech_of(v, stems[v.stem])])
    music, remarks = _music(sources.music, samples, config.music_gain_db) if config.background_music else ([], [])
    warnings += remarks
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
    """A narration as requested: to begin at film sample `at`."""

    at: int
    shot: Shot
    stem: Stem
    gain_db: float


def _voices(film: FilmPlan, fps: Rate, sources: Sources, config: AudioConfig) -> tuple[list[_Voice], list[str]]:
    """The audible narrations, each at its segment plus its offset, in the order in which they begin; and warnings."""
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
        requested = sample_of(start, fps) + round(mix.offset * RATE)
        if requested < 0:
            warnings.append(message("warning.narration_early", name=shot.name, seconds=f"{-requested / RATE:.1f}"))
        found.append(_Voice(max(0, requested), shot, stem, NARRATION_LUFS - stem.loudness + mix.gain_db))
    return sorted(
        found, key=lambda voice: voice.at
    ), warnings  # a stable sort: of two that begin together, the earlier segment comes first


def _narrations(
    film: FilmPlan, fps: Rate, samples: int, sources: Sources, config: AudioConfig
) -> tuple[list[Cue], list[Spoken], list[str]]:
    """Each narration at its segment. One that would overlap another waits; one that passes the film's end fades out."""
    voices, warnings = _voices(film, fps, sources, config)
    cues: list[Cue] = []
    spoken: list[Spoken] = []
    free = 0  # where the previous one has ended
    for voice in voices:
        name, (first, stop) = voice.shot.name, voice.stem.heard
        begins = voice.at if voice.at >= free else free + GAP
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


def _overruns(film: FilmPlan, fps: Rate, spoken: Sequence[Spoken]) -> list[str]:
    """Warnings for narrations that are heard over other segments than their own, which is allowed."""
    starts = [sample_of(s, fps) for s in film.starts]
    by_segment = {s.segment_id: s for s in spoken}
    warnings = []
    for (left, right), start in zip(pairwise(enumerate(film.shots)), starts[1:], strict=True):
        voice = by_segment.get(left[1].segment_id)
        if voice is None or voice.at + voice.length - start <= GAP:
            continue
        begins = bisect_right(starts, voice.at) - 1
        ends = bisect_right(starts, voice.at + voice.length - GAP) - 1
        name, first, last = left[1].name, film.shots[begins].name, film.shots[ends].name
        if begins > left[0] and ends > begins:
            warnings.append(message("warning.narration_elsewhere", name=name, first=first, last=last))
        elif begins > left[0]:
            warnings.append(message("warning.narration_moved", name=name, other=first))
        elif ends > right[0]:
            warnings.append(message("warning.narration_over", name=name, other=right[1].name, last=last))
        else:
            seconds = f"{(voice.at + voice.length - start) / RATE:.1f}"
            warnings.append(message("warning.narration_overruns", name=name, other=right[1].name, seconds=seconds))
    return warnings


def _speech_of(voice: Cue, stem: Stem) -> Iterator[tuple[int, int]]:
    """The spans of the film in which a narration speaks, between its pauses."""
    begins, moved = voice.at, voice.at - voice.skip
    for first, stop in stem.pauses:
        if voice.at < first + moved and stop + moved < voice.end:
            yield begins, first + moved
            begins = stop + moved
    yield begins, voice.end


def _merge(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Spans of speech, joined if the pause between them is too short for the music to return."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if merged and start - merged[-1][1] <= DUCK_HOLD:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return tuple(merged)


def _music(stem: Stem | None, samples: int, gain_db: float) -> tuple[list[Cue], list[str]]:
    """Music until the film's end, and remarks: faded out if it is longer than the film, repeated if it is shorter."""
    if stem is None or stem.loudness is None or not samples:
        return [], []
    first, stop = stem.heard
    whole = stop - first
    level = MUSIC_LUFS - stem.loudness + gain_db

    def cue(at: int, length: int, fade_in: int, fade_out: int) -> Cue:
        fade_out = min(fade_out, length - min(fade_in, length // 2))
        return Cue(stem.key, at, first, length, level, min(fade_in, length - fade_out), fade_out, ducked=True)

    earliest = (stem.repeat or whole) // 2
    cues: list[Cue] = []
    at, fade_in = 0, MUSIC_IN
    while whole >= SHORTEST_LOOP and at + whole + ENDS_TOGETHER < samples:
        step = _repeats_after(stem, whole, samples - at)
        overlap = min(LOOP_FADE, whole - step, earliest)
        cues.append(cue(at, step + overlap, fade_in, overlap))
        at, fade_in = at + step, overlap
    length = min(whole, samples - at)
    cues.append(cue(at, length, fade_in, MUSIC_OUT if length < whole else ENDING_FADE))
    return cues, _music_remarks(cues, whole, samples)


def _repeats_after(stem: Stem, whole: int, left: int) -> int:
    """Samples after which music of `whole` samples begins again, `left` samples before the film's end: late in the
    music, but so early that the last repetition is not a mere remainder. On the beat if there is one."""
    latest = stem.repeat or whole - min(LOOP_FADE, whole // 4)
    if left - latest >= LAST_REPEAT:
        return latest
    if stem.repeat:  # music that resembles itself after 2 L samples was found by what it does after L
        return stem.repeat // 2
    return max(whole // 2, min(latest, left - LAST_REPEAT))


def _music_remarks(cues: Sequence[Cue], whole: int, samples: int) -> list[str]:
    last = cues[-1]
    if len(cues) > 1:
        return [message("warning.music_repeated", seconds=f"{whole / RATE:.1f}", film=f"{samples / RATE:.1f}")]
    if whole - last.length > ENDS_TOGETHER:
        return [message("warning.music_cut", seconds=f"{(whole - last.length) / RATE:.1f}")]
    if samples - last.end > ENDS_TOGETHER:
        return [message("warning.music_short", seconds=f"{last.end / RATE:.1f}", least=f"{SHORTEST_LOOP / RATE:g}")]
    return []


def _own_sound(film: FilmPlan, fps: Rate, sources: Sources, config: AudioConfig) -> list[Cue]:
    """The sound of the segments' videos, crossfaded where their pictures are blended."""
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
