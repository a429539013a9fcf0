"""Child process: speaks a text with espeak-ng and writes it as 48 kHz mono.

Markdown is read as text, and pauses that the script asks for are kept. Every sentence is spoken separately, which gives
exact times for captions and lets a sentence in another script have a voice of its own language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from services.generator.media.worker_process import Job, serve
from services.generator.providers.animatic.audiofile import (
    SAMPLE_RATE,
    Samples,
    fast_length,
    level,
    resample,
    write_audio,
)
from services.generator.providers.animatic.espeak import Speaker, Word, has_variant
from shared.core.errors import Permanent
from shared.media.language import guess_language, main_script
from shared.media.sentences import sentences
from shared.media.speech_marks import Pause, speech_parts, speech_text

PAUSE_S, PARAGRAPH_PAUSE_S = 0.32, 0.7
# The loudness of narration before it is mixed; the film's mix measures it again.
LOUDNESS_LUFS, PEAK_DBFS = -18.0, -1.5


@dataclass(frozen=True)
class Piece:
    """What is spoken in one breath, and the seconds of silence after it."""

    text: str
    pause_s: float


def split_script(script: str, language: str | None = None) -> tuple[float, list[Piece]]:
    """The seconds of silence at the start, and the script's sentences. Pauses that the script asks for replace those
    between sentences; they may stand inside a sentence. A line break ends a sentence, an empty line a paragraph."""
    tag = language or guess_language(script)
    lead = 0.0
    pieces: list[Piece] = []
    asked = False  # the silence so far was asked for
    for part in speech_parts(script):
        if isinstance(part, Pause):
            if not pieces:
                lead += part.seconds
            else:
                pieces[-1] = replace(pieces[-1], pause_s=part.seconds + (pieces[-1].pause_s if asked else 0.0))
            asked = True
            continue
        for paragraph in re.split(r"\n\s*\n", part):
            found = [Piece(sentence, PAUSE_S) for sentence in sentences(paragraph, tag)]
            if found:
                pieces += [*found[:-1], replace(found[-1], pause_s=PARAGRAPH_PAUSE_S)]
                asked = False
    if pieces and not asked:
        pieces[-1] = replace(pieces[-1], pause_s=0.0)
    return lead, pieces


def trim(audio: Samples, rate: int) -> tuple[Samples, float]:
    """The samples without silence at both ends, except for 20 ms, and the number of seconds cut from the start."""
    loud = np.flatnonzero(np.abs(audio) > 0.004)
    if not loud.size:
        return audio[:0], 0.0
    margin = rate // 50
    first, last = max(0, int(loud[0]) - margin), min(len(audio), int(loud[-1]) + margin)
    piece = audio[first:last].copy()
    fade = min(margin // 2, len(piece) // 2)
    if fade:
        piece[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        piece[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return piece, first / rate


def speak(job: Job) -> Job:
    """Job: text, language (or null), guessed (the language to speak if it is null), voice (or null), speed, pitch
    (semitones), out. Result: see engine.SpokenInfo."""
    text = speech_text(str(job["text"]))
    guessed = job["guessed"] or guess_language(text)
    lead, pieces = split_script(str(job["text"]), job["language"] or guessed)
    if not pieces:
        raise Permanent(
            "nothing_to_say", "The narration script contains no words.", "Write the script, then regenerate."
        )
    speaker = Speaker()
    main = _main_voice(speaker, job["language"], guessed)
    variant, warnings = _variant(job["voice"])
    spoken: list[Samples] = [np.zeros(round(lead * speaker.rate), np.float32)]
    result: Job = {"sentences": [], "words": [], "warnings": warnings}
    at = len(spoken[0]) / speaker.rate
    for piece in pieces:
        voice = main if job["language"] else _voice_of(speaker, piece.text, text, main)
        if not speaker.set_voice(voice, variant):
            raise Permanent("voice_missing", f"espeak-ng cannot load its voice {voice}.", "Reinstall espeakng-loader.")
        speaker.set_manner(job["speed"], job["pitch"])
        audio, words = speaker.say(piece.text)
        audio, cut = trim(audio, speaker.rate)
        length = len(audio) / speaker.rate
        if not length:
            warnings.append(f"The voice {voice} has no sound for: {piece.text}")
            continue
        result["sentences"].append({"text": piece.text, "start_s": at, "end_s": at + length, "voice": voice})
        result["words"] += _timed(piece.text, words, at, cut, length)
        silence = np.zeros(round(piece.pause_s * speaker.rate), np.float32)
        spoken += [audio, silence]
        at += length + len(silence) / speaker.rate
    if not result["sentences"]:
        raise Permanent(
            "nothing_to_say", f"The voice {main} has no sound for this script.", "Set the narration's language."
        )
    mono = _polish(resample(np.concatenate(spoken), speaker.rate))
    audio = level(mono[:, None], LOUDNESS_LUFS, PEAK_DBFS)
    write_audio(Path(job["out"]), audio)
    if main == "ja" and any("\u4e00" <= c <= "\u9fff" for c in text):
        warnings.append("The Japanese voice cannot read kanji; write the script in kana.")
    return result | {"duration_s": len(audio) / SAMPLE_RATE, "language": main, "sample_rate": SAMPLE_RATE}


def _main_voice(speaker: Speaker, language: str | None, guessed: str) -> str:
    """The voice of the language that was set, else of the guessed one."""
    tag = language or guessed
    voice = speaker.voice_for(tag)
    if voice is None:
        cause = f"There is no offline voice for the language {tag}."
        raise Permanent("voice_missing", cause, "Choose another language.")
    return voice


def _voice_of(speaker: Speaker, sentence: str, text: str, main: str) -> str:
    """The voice of a sentence, which differs from the text's if the sentence is in another script."""
    script = main_script(sentence)
    if script in ("", main_script(text)):
        return main
    return speaker.voice_for(guess_language(sentence)) or main


def _variant(voice: str | None) -> tuple[str, list[str]]:
    """The voice variant: one of espeak-ng's names, or "female" or "male"."""
    tag = {None: "", "": "", "default": "", "male": "m3", "female": "f2"}.get(voice, voice) or ""
    if not tag:
        return "", []
    safe = re.fullmatch(r"[\w -]{1,40}", tag) is not None
    if safe and has_variant(tag):
        return tag, []
    return "", [f"There is no offline voice named {voice}; the default one speaks."]


def _timed(sentence: str, words: list[Word], at: float, cut: float, length: float) -> list[Job]:
    """Words with times in the whole recording; each lasts until the next one starts. A spelt-out word appears once."""
    words = [w for i, w in enumerate(words) if w.length and (i == 0 or w.start != words[i - 1].start)]
    starts = [min(length, max(0.0, word.at_s - cut)) for word in words]
    ends = [*starts[1:], length]
    return [
        {"text": sentence[w.start : w.start + w.length], "start_s": at + start, "end_s": at + max(start, end)}
        for w, start, end in zip(words, starts, ends, strict=True)
    ]


def _polish(mono: Samples) -> Samples:
    """Reduces rumble and buzz: a high pass at 70 Hz, 4 dB less above 5 kHz, and slightly more low midrange."""
    size = fast_length(len(mono))
    spectrum = np.fft.rfft(mono, size)
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    gain = hz**4 / (hz**4 + 70.0**4)
    gain *= 10 ** (-4 / 20 * (1 / (1 + (5000 / np.maximum(hz, 1)) ** 4)))
    gain *= 10 ** (2 / 20 * np.exp(-(np.log2(np.maximum(hz, 1) / 180) ** 2)))
    return np.fft.irfft(spectrum * gain, size)[: len(mono)].astype(np.float32)


if __name__ == "__main__":
    serve(speak)
