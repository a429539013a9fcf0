"""espeak-ng by ctypes. It is licensed under the GPL, so only a separate child process imports this module
(`speech`)."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np

from services.generator.providers.animatic.audiofile import Samples
from shared.core.errors import Permanent

# espeak-ng's speak_lib.h, version 1.52.
_SYNCHRONOUS, _DONT_EXIT, _UTF8, _POSITION_CHARACTER = 2, 0x8000, 1, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END_OF_LIST, _EVENT_WORD = 0, 1
# espeak-ng keeps its data path in a buffer of 160 bytes.
_PATH_MOST = 120

# Words per minute at speed 1: a narrator's pace, slightly below espeak-ng's default of 175.
WORDS_PER_MINUTE = 160

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
    """A word of a sentence: its position in the text, and its start in seconds from the start of the sentence."""

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
        """Pairs of a language tag and (the first tag of its voice, its voice); the first voice of a tag wins."""
        listed = self._library.espeak_ListVoices(None)
        found: list[tuple[str, tuple[str, str]]] = []
        index = 0
        while listed[index]:
            voice = listed[index].contents
            tags = _read_tags(voice.languages)
            found += [(tag, (tags[0], voice.identifier.decode())) for tag in tags]
            index += 1
        yield from reversed(found)  # a dict keeps the last one

    def voice_for(self, language: str) -> str | None:
        """The tag of the voice for a BCP 47 tag, or for its language alone; None if there is no voice."""
        tag = language.strip().casefold().replace("_", "-")
        while tag:
            for candidate in (_TAGS.get(tag, tag), tag):
                if candidate in self._voices:
                    return self._voices[candidate][0]
            tag = tag.rpartition("-")[0]
        return None

    def set_voice(self, tag: str, variant: str = "") -> bool:
        """Selects the voice of a tag returned by `voice_for`. False if espeak-ng does not know it."""
        name = self._identifiers[tag] + (f"+{variant}" if variant else "")
        return bool(self._library.espeak_SetVoiceByName(name.encode()) == 0)

    def set_manner(self, speed: float, semitones: float) -> None:
        """`speed` 1 is normal. espeak-ng's pitch runs from 0 to 100, an octave either side of 50."""
        words = round(min(450, max(80, WORDS_PER_MINUTE * speed)))
        self._library.espeak_SetParameter(_RATE, words, 0)
        self._library.espeak_SetParameter(_PITCH, round(min(100, max(0, 50 + semitones * 50 / 12))), 0)
        self._library.espeak_SetParameter(_RANGE, 58, 0)

    def say(self, text: str) -> tuple[Samples, list[Word]]:
        """Samples from -1 to 1 at `rate`, and the words' times."""
        self._pieces, self._words = [], []
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        audio = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)
        return audio, self._words

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            scaled = np.ctypeslib.as_array(samples, (count,)).astype(np.float32)
            self._pieces.append(scaled / np.float32(32768))
        index = 0
        while events and events[index].type != _EVENT_END_OF_LIST:
            event = events[index]
            if event.type == _EVENT_WORD:
                self._words.append(Word(max(0, event.text_position - 1), event.length, event.audio_position / 1000))
            index += 1
        return 0


def _read_tags(packed: Any) -> list[str]:
    """espeak-ng stores a voice's languages as a priority byte and a C string each, terminated by a zero byte."""
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


def has_variant(name: str) -> bool:
    """Whether espeak-ng has this voice variant ("f2", "whisper"). `name` must not contain a path."""
    return (Path(espeakng_loader.get_data_path()) / "voices" / "!v" / name).is_file()
