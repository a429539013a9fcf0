"""Child process: speaks a text with espeak-ng and writes it as 48 kHz mono.

Every sentence is spoken separately, which gives exact times for captions and lets a sentence in another script have a
voice of its own language.
"""

from __future__ import annotations

import re
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

PAUSE_S, PARAGRAPH_PAUSE_S = 0.32, 0.7
# The loudness of narration before it is mixed; the film's mix measures it again.
LOUDNESS_LUFS, PEAK_DBFS = -18.0, -1.5

_ABBREVIATIONS = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|no|z\.b|bzw|usw|nr|sr|sra|mme|т\.е|г)|\b\w)\.$", re.IGNORECASE
)


def split_sentences(text: str) -> list[tuple[str, bool]]:
    """(sentence, whether it ends a paragraph). A line break ends a sentence, an empty line ends a paragraph."""
    sentences: list[tuple[str, bool]] = []
    for paragraph in re.split(r"\n\s*\n", text):
        found: list[str] = []
        for line in paragraph.splitlines():
            sentence = ""
            for piece in re.findall(r".+?(?:[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[」』”’）]*|$)", line.strip()):
                sentence += piece
                if not _ABBREVIATIONS.search(sentence):
                    found.append(sentence.strip())
                    sentence = ""
            found.append(sentence.strip())
        found = [sentence for sentence in found if any(c.isalnum() for c in sentence)]
        sentences += [(sentence, at == len(found) - 1) for at, sentence in enumerate(found)]
    return sentences


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
    """Job: text, language (or null), voice (or null), speed, pitch (semitones), out. Result: see engine.SpokenInfo."""
    text = str(job["text"])
    sentences = split_sentences(text)
    if not sentences:
        raise Permanent(
            "nothing_to_say", "The narration script contains no words.", "Write the script, then regenerate."
        )
    speaker = Speaker()
    main = _main_voice(speaker, text, job["language"])
    variant, warnings = _variant(job["voice"])
    spoken: list[Samples] = []
    result: Job = {"sentences": [], "words": [], "warnings": warnings}
    at = 0.0
    for sentence, ends_paragraph in sentences:
        voice = main if job["language"] else _voice_of(speaker, sentence, text, main)
        if not speaker.set_voice(voice, variant):
            raise Permanent("voice_missing", f"espeak-ng cannot load its voice {voice}.", "Reinstall espeakng-loader.")
        speaker.set_manner(job["speed"], job["pitch"])
        audio, words = speaker.say(sentence)
        audio, cut = trim(audio, speaker.rate)
        length = len(audio) / speaker.rate
        if not length:
            warnings.append(f"The voice {voice} has no sound for: {sentence}")
            continue
        result["sentences"].append({"text": sentence, "start_s": at, "end_s": at + length, "voice": voice})
        result["words"] += _timed(sentence, words, at, cut, length)
        pause = PARAGRAPH_PAUSE_S if ends_paragraph else PAUSE_S
        spoken += [audio, np.zeros(round(pause * speaker.rate), np.float32)]
        at += length + round(pause * speaker.rate) / speaker.rate
    if not spoken:
        raise Permanent(
            "nothing_to_say", f"The voice {main} has no sound for this script.", "Set the narration's language."
        )
    mono = _polish(resample(np.concatenate(spoken[:-1]), speaker.rate))
    audio = level(mono[:, None], LOUDNESS_LUFS, PEAK_DBFS)
    write_audio(Path(job["out"]), audio)
    if main == "ja" and any("\u4e00" <= c <= "\u9fff" for c in text):
        warnings.append("The Japanese voice cannot read kanji; write the script in kana.")
    return result | {"duration_s": len(audio) / SAMPLE_RATE, "language": main, "sample_rate": SAMPLE_RATE}


def _main_voice(speaker: Speaker, text: str, language: str | None) -> str:
    tag = language or guess_language(text)
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
