"""Child process: speaks a text with espeak-ng (GPL, so it is loaded only here) and writes it as 48 kHz mono.

Every sentence is spoken by itself: that gives exact times for captions, and a sentence in another script gets a voice
of its own language.
"""

from __future__ import annotations

import ctypes
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np

from services.generator.adapters.providers.animatic.audiofile import (
    SAMPLE_RATE,
    Samples,
    fast_length,
    level,
    resample,
    write_audio,
)
from services.generator.adapters.providers.animatic.languages import guess_language, main_script
from services.generator.adapters.providers.animatic.worker import Job, serve
from shared.errors import Permanent

# espeak-ng's speak_lib.h, version 1.52.
_SYNCHRONOUS, _DONT_EXIT, _UTF8, _POSITION_CHARACTER = 2, 0x8000, 1, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END_OF_LIST, _EVENT_WORD = 0, 1
# espeak-ng keeps its data path in a buffer of 160 bytes.
_PATH_MOST = 120

# Words per minute at speed 1: a narrator's pace, a little under espeak-ng's default of 175.
WORDS_PER_MINUTE = 160
PAUSE_S, PARAGRAPH_PAUSE_S = 0.32, 0.7
# Narration sits at this loudness before it is mixed; the film's mix measures it again.
LOUDNESS_LUFS, PEAK_DBFS = -18.0, -1.5

# Voices that espeak-ng lists under another tag, and plain tags whose first match is a dialect.
_TAGS = {
    "zh": "cmn", "zh-cn": "cmn", "zh-sg": "cmn", "zh-tw": "cmn", "zh-hans": "cmn", "zh-hant": "cmn", "zh-cmn": "cmn",
    "zh-hk": "yue", "zh-mo": "yue", "zh-yue": "yue", "en": "en-us", "fr": "fr-fr", "no": "nb", "nn": "nb", "iw": "he",
    "sh": "sr", "es-us": "es-419", "pt-pt": "pt",
}  # fmt: skip


class _Voice(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("languages", ctypes.POINTER(ctypes.c_ubyte)), ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte), ("age", ctypes.c_ubyte), ("variant", ctypes.c_ubyte), ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int), ("spare", ctypes.c_void_p),
    ]  # fmt: skip


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", ctypes.c_char * 8),
    ]  # fmt: skip


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Word:
    """A word of a sentence: where it stands in the text, and when it begins, in seconds of the sentence."""

    start: int
    length: int
    at_s: float


def _load() -> Any:
    """The library with its argument types: sizes and pointers are wider than the int that ctypes assumes."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_SetSynthCallback.argtypes = [_Callback]
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetParameter.argtypes = [ctypes.c_int] * 3
    library.espeak_ListVoices.argtypes = [ctypes.c_void_p]
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
        ctypes.POINTER(ctypes.c_uint), ctypes.c_void_p,
    ]  # fmt: skip
    return library


class Speaker:
    """espeak-ng with its voices. One per process: the library keeps global state."""

    def __init__(self) -> None:
        self._library = _load()
        data = self._reachable(espeakng_loader.get_data_path())
        self.rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _DONT_EXIT)
        if self.rate <= 0:
            raise Permanent("speech_unavailable", "espeak-ng could not be started.", "Reinstall espeakng-loader.")
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        self._voices = dict(self._list_voices())
        self._identifiers = dict(self._voices.values())
        self._pieces: list[Samples] = []
        self._words: list[Word] = []

    def _reachable(self, path: str) -> str:
        if len(path) <= _PATH_MOST:
            return path
        self._link = tempfile.TemporaryDirectory(prefix="espeak-")
        link = Path(self._link.name) / "espeak-ng-data"
        link.symlink_to(path)
        return str(link)

    def _list_voices(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """(language tag, (its voice's first tag, its voice)); the first voice of a tag stays."""
        listed = self._library.espeak_ListVoices(None)
        found: list[tuple[str, tuple[str, str]]] = []
        index = 0
        while listed[index]:
            voice = listed[index].contents
            tags = _read_tags(voice.languages)
            found += [(tag, (tags[0], voice.identifier.decode())) for tag in tags]
            index += 1
        yield from reversed(found)  # a dict keeps the last

    def voice_for(self, language: str) -> str | None:
        """The tag of the voice for a BCP 47 tag, or for its language alone; None when nobody speaks it."""
        tag = language.strip().casefold().replace("_", "-")
        while tag:
            for candidate in (_TAGS.get(tag, tag), tag):
                if candidate in self._voices:
                    return self._voices[candidate][0]
            tag = tag.rpartition("-")[0]
        return None

    def set_voice(self, tag: str, variant: str = "") -> bool:
        """Speak as the voice of a tag from `voice_for` from now on. False when espeak-ng does not know it."""
        name = self._identifiers[tag] + (f"+{variant}" if variant else "")
        return bool(self._library.espeak_SetVoiceByName(name.encode()) == 0)

    def set_manner(self, speed: float, semitones: float) -> None:
        """`speed` 1 is normal. espeak-ng's pitch runs from 0 to 100, an octave either side of 50."""
        words = round(min(450, max(80, WORDS_PER_MINUTE * speed)))
        self._library.espeak_SetParameter(_RATE, words, 0)
        self._library.espeak_SetParameter(_PITCH, round(min(100, max(0, 50 + semitones * 50 / 12))), 0)
        self._library.espeak_SetParameter(_RANGE, 58, 0)

    def say(self, text: str) -> tuple[Samples, list[Word]]:
        """Samples in -1..1 at `rate`, and the words' times."""
        self._pieces, self._words = [], []
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        audio = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)
        return audio, self._words

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            heard = np.ctypeslib.as_array(samples, (count,)).astype(np.float32)
            self._pieces.append(heard / np.float32(32768))
        index = 0
        while events and events[index].type != _EVENT_END_OF_LIST:
            event = events[index]
            if event.type == _EVENT_WORD:
                self._words.append(Word(max(0, event.text_position - 1), event.length, event.audio_position / 1000))
            index += 1
        return 0


def _read_tags(packed: Any) -> list[str]:
    """espeak-ng packs a voice's languages as a priority byte and a C string each, ended by a zero byte."""
    tags, at = [], 0
    while packed[at]:
        at += 1
        letters = bytearray()
        while packed[at]:
            letters.append(packed[at])
            at += 1
        tags.append(letters.decode("ascii", "replace").casefold())
        at += 1
    return tags


_ABBREVIATIONS = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|no|z\.b|bzw|usw|nr|sr|sra|mme|т\.е|г)|\b\w)\.$", re.IGNORECASE
)


def split_sentences(text: str) -> list[tuple[str, bool]]:
    """(sentence, it ends a paragraph). A line break ends a sentence; an empty line, a paragraph."""
    sentences: list[tuple[str, bool]] = []
    for paragraph in re.split(r"\n\s*\n", text):
        found: list[str] = []
        for line in paragraph.splitlines():
            held = ""
            for piece in re.findall(r".+?(?:[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[」』”’）]*|$)", line.strip()):
                held += piece
                if not _ABBREVIATIONS.search(held):
                    found.append(held.strip())
                    held = ""
            found.append(held.strip())
        found = [sentence for sentence in found if any(c.isalnum() for c in sentence)]
        sentences += [(sentence, at == len(found) - 1) for at, sentence in enumerate(found)]
    return sentences


def trim(audio: Samples, rate: int) -> tuple[Samples, float]:
    """Without the silence at both ends (a breath of 20 ms is left), and the seconds cut from the start."""
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
        raise Permanent("nothing_to_say", "The narration script has no words.", "Write what should be said.")
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
    wanted = language or guess_language(text)
    voice = speaker.voice_for(wanted)
    if voice is None:
        cause = f"There is no offline voice for the language {wanted}."
        raise Permanent("voice_missing", cause, "Choose another language.")
    return voice


def _voice_of(speaker: Speaker, sentence: str, text: str, main: str) -> str:
    """A sentence in another script than the text's is spoken by a voice of its own."""
    script = main_script(sentence)
    if script in ("", main_script(text)):
        return main
    return speaker.voice_for(guess_language(sentence)) or main


def _variant(voice: str | None) -> tuple[str, list[str]]:
    """The colour of the voice: espeak-ng's variants by name, or "female" and "male"."""
    wanted = {None: "", "": "", "default": "", "male": "m3", "female": "f2"}.get(voice, voice) or ""
    if not wanted:
        return "", []
    safe = re.fullmatch(r"[\w -]{1,40}", wanted) is not None
    if safe and (Path(espeakng_loader.get_data_path()) / "voices" / "!v" / wanted).is_file():
        return wanted, []
    return "", [f"There is no offline voice named {voice}; the default one speaks."]


def _timed(sentence: str, words: list[Word], at: float, cut: float, length: float) -> list[Job]:
    """Words with times in the whole recording; each lasts until the next one begins. A word spelt out comes once."""
    words = [w for i, w in enumerate(words) if w.length and (i == 0 or w.start != words[i - 1].start)]
    starts = [min(length, max(0.0, word.at_s - cut)) for word in words]
    ends = [*starts[1:], length]
    return [
        {"text": sentence[w.start : w.start + w.length], "start_s": at + start, "end_s": at + max(start, end)}
        for w, start, end in zip(words, starts, ends, strict=True)
    ]


def _polish(mono: Samples) -> Samples:
    """Take rumble and some of the synthesiser's buzz away: a high pass at 70 Hz, 4 dB less above 5 kHz, some body."""
    size = fast_length(len(mono))
    spectrum = np.fft.rfft(mono, size)
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    gain = hz**4 / (hz**4 + 70.0**4)
    gain *= 10 ** (-4 / 20 * (1 / (1 + (5000 / np.maximum(hz, 1)) ** 4)))
    gain *= 10 ** (2 / 20 * np.exp(-(np.log2(np.maximum(hz, 1) / 180) ** 2)))
    return np.fft.irfft(spectrum * gain, size)[: len(mono)].astype(np.float32)


if __name__ == "__main__":
    serve(speak)
