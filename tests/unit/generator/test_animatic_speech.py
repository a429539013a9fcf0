"""Narration that is really spoken, by a voice of its language."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.generator.providers.animatic.audiofile import loudness_lufs
from services.generator.providers.animatic.engine import speak
from services.generator.providers.animatic.provider import AnimaticProvider
from services.generator.providers.animatic.speech import PARAGRAPH_PAUSE_S, PAUSE_S, Piece, split_script
from services.generator.providers.base import CandidateRequest
from shared.contracts.catalogue import load_catalogue
from shared.contracts.values import AssetKind
from shared.core.errors import Permanent
from shared.media.language import guess_language
from shared.media.probe import probe
from tests.support.sounds import read_sound

SCRIPTS = {
    "en-us": "The moon rose over the quiet sea, and nobody was there to watch it.",
    "de": "Der Mond ging über dem ruhigen Meer auf, und niemand war da, um es zu sehen.",
    "es": "La luna salió sobre el mar en calma y no había nadie para verla.",
    "fr-fr": "La lune s'est levée sur la mer calme, et personne n'était là pour la voir.",
    "ru": "Луна поднялась над спокойным морем, и никто этого не видел.",
    "cmn": "月亮升起来了，海面很平静，没有人看见。",
}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (SCRIPTS["en-us"], "en"),
        (SCRIPTS["de"], "de"),
        (SCRIPTS["es"], "es"),
        (SCRIPTS["fr-fr"], "fr"),
        (SCRIPTS["ru"], "ru"),
        (SCRIPTS["cmn"], "zh"),
        ("La luna è sorta sopra il mare calmo, e non c'era nessuno.", "it"),
        ("A lua nasceu sobre o mar calmo e não havia ninguém.", "pt"),
        ("De maan kwam op boven de kalme zee en er was niemand.", "nl"),
        ("Księżyc wzeszedł nad spokojnym morzem.", "pl"),
        ("Місяць зійшов над спокійним морем.", "uk"),
        ("月が昇った。海はとても静かだった。", "ja"),
        ("달이 고요한 바다 위로 떠올랐다.", "ko"),
        ("طلع القمر فوق البحر الهادئ.", "ar"),
        ("ماه بر فراز دریای آرام برآمد و هیچ‌کس پیدا نبود.", "fa"),
        ("चाँद शांत समुद्र के ऊपर उगा।", "hi"),
        ("Το φεγγάρι ανέτειλε πάνω από τη θάλασσα.", "el"),
        ("12:30", "en"),
    ],
)
def test_the_language_is_guessed_from_the_text(text: str, language: str) -> None:
    assert guess_language(text) == language


@pytest.mark.parametrize("voice", ["en-us", "de", "ru", "cmn"])
async def test_a_script_is_spoken_by_a_voice_of_its_language(tmp_path: Path, voice: str) -> None:
    text, out = SCRIPTS[voice], tmp_path / "said.flac"
    info = await speak(text, out=out)
    assert info.language == voice
    assert info.warnings == ()
    found = probe(out)
    assert (found.audio_codec, found.sample_rate, found.channels) == ("flac", 48_000, 1)
    assert found.duration_s == pytest.approx(info.duration_s, abs=0.01)
    syllables = len(text) if voice == "cmn" else sum(c in "aeiouyäöüаеёиоуыэюя" for c in text.casefold())
    assert 0.1 * syllables < info.duration_s < 0.4 * syllables
    audio = read_sound(out)
    assert loudness_lufs(audio) == pytest.approx(-18, abs=1.5)
    assert np.abs(audio).max() < 0.9
    # Speech: most power where voices are, and silence at neither end.
    power = np.abs(np.fft.rfft(audio[:, 0])) ** 2
    hertz = np.fft.rfftfreq(len(audio), 1 / 48_000)
    assert power[(hertz > 90) & (hertz < 4500)].sum() > 0.9 * power.sum()
    for end in (audio[:4800], audio[-4800:]):
        assert np.abs(end).max() > 0.01


async def test_the_language_changes_the_sound(tmp_path: Path) -> None:
    """The same letters in two languages are two recordings; asking for the tag of a region finds its language."""
    for language in ("fr", "en", "fr-CA"):
        await speak("table nation", language=language, out=tmp_path / f"{language}.wav")
    french, english, canadian = (read_sound(tmp_path / f"{each}.wav") for each in ("fr", "en", "fr-CA"))
    assert np.array_equal(french, canadian)
    count = min(len(french), len(english))
    assert abs(np.corrcoef(french[:count, 0], english[:count, 0])[0, 1]) < 0.5


async def test_sentences_in_another_script_get_a_voice_of_their_own(tmp_path: Path) -> None:
    info = await speak("She said one word to him. Прощай. Then she left.", out=tmp_path / "said.wav")
    assert [sentence.voice for sentence in info.sentences] == ["en-us", "ru", "en-us"]


async def test_times_are_those_of_the_sound(tmp_path: Path) -> None:
    out = tmp_path / "said.wav"
    info = await speak("One. Two.\n\nThe third sentence is longer.", out=out)
    assert [sentence.text for sentence in info.sentences] == ["One.", "Two.", "The third sentence is longer."]
    assert [word.text for word in info.words] == ["One", "Two", "The", "third", "sentence", "is", "longer"]
    for spans in (info.sentences, info.words):
        edges = [edge for span in spans for edge in (span.start_s, span.end_s)]
        assert edges == sorted(edges)
        assert edges[0] >= 0
        assert edges[-1] <= info.duration_s + 1e-4
    audio = np.abs(read_sound(out)[:, 0])
    for sentence in info.sentences:
        assert audio[round(sentence.start_s * 48_000) : round(sentence.end_s * 48_000)].max() > 0.1
    for before, after in zip(info.sentences, info.sentences[1:], strict=False):
        assert audio[round((before.end_s + 0.02) * 48_000) : round((after.start_s - 0.02) * 48_000)].max() < 0.005
    gaps = [b.start_s - a.end_s for a, b in zip(info.sentences, info.sentences[1:], strict=False)]
    assert gaps[1] > 1.5 * gaps[0]  # a paragraph is a longer breath


async def test_speed_pitch_and_voice_are_heard(tmp_path: Path) -> None:
    lengths, pitches = [], []
    for name, options in enumerate(({}, {"speed": 1.6}, {"pitch": 6.0}, {"voice": "female"})):
        out = tmp_path / f"{name}.wav"
        lengths.append((await speak("The moon rose over the quiet sea.", out=out, **options)).duration_s)
        pitches.append(_pitch(read_sound(out)[:, 0]))
    assert lengths[1] < 0.75 * lengths[0]
    assert pitches[1] == pytest.approx(pitches[0], rel=0.1)
    assert pitches[2] > 1.15 * pitches[0]
    assert pitches[3] > 1.15 * pitches[0]


def _pitch(audio: np.ndarray) -> float:
    """Median of the fundamental over loud stretches of 60 ms, by autocorrelation."""
    found = []
    for first in range(0, len(audio) - 2880, 2880):
        piece = audio[first : first + 2880]
        if np.sqrt((piece**2).mean()) < 0.05:
            continue
        like = np.correlate(piece, piece, "full")[2880 - 1 :]
        lag = 120 + int(like[120:700].argmax())
        found.append(48_000 / lag)
    return float(np.median(found))


@pytest.mark.parametrize(
    ("text", "language", "code"),
    [("", None, "nothing_to_say"), ("… — !", None, "nothing_to_say"), ("Hello", "xx-YY", "voice_missing")],
)
async def test_what_cannot_be_said_fails_with_a_reason(
    tmp_path: Path, text: str, language: str | None, code: str
) -> None:
    with pytest.raises(Permanent) as failure:
        await speak(text, language=language, out=tmp_path / "said.wav")
    assert failure.value.code == code
    assert failure.value.recovery
    assert list(tmp_path.iterdir()) == []


async def test_what_is_not_right_is_told(tmp_path: Path) -> None:
    info = await speak("静かな海。", voice="../../etc/passwd", out=tmp_path / "said.wav")
    assert "passwd" in info.warnings[0]
    assert "kanji" in info.warnings[1]


def test_sentences_end_where_a_reader_would_breathe() -> None:
    text = 'Dr. Smith paid 3.50 euros. "Really?" he asked.\nYes!\n\n你好。再见！'
    assert split_script(text) == (
        0.0,
        [
            Piece("Dr. Smith paid 3.50 euros.", PAUSE_S),
            Piece('"Really?" he asked.', PAUSE_S),
            Piece("Yes!", PARAGRAPH_PAUSE_S),
            Piece("你好。", PAUSE_S),
            Piece("再见！", 0.0),
        ],
    )


@pytest.mark.parametrize(
    ("script", "pause"),
    [
        ("Wait <#1.5#> now.", 1.5),
        ('Wait <break time="1s"/> now.', 1.0),
        ("Wait <break time='750ms'></break> now.", 0.75),
        ("Wait <break/> now.", 0.5),
        ('Wait <break strength="strong" /> now.', 1.0),
        ("Wait <#0.5#><#0.75#> now.", 1.25),
    ],
)
async def test_a_pause_that_the_script_asks_for_is_heard(tmp_path: Path, script: str, pause: float) -> None:
    info = await speak(script, out=tmp_path / "said.wav")
    said, more = info.sentences
    assert (said.text, more.text) == ("Wait", "now.")
    assert more.start_s - said.end_s == pytest.approx(pause, abs=0.01)
    audio = read_sound(tmp_path / "said.wav")[:, 0]
    silent = audio[round((said.end_s + 0.05) * 48_000) : round((more.start_s - 0.05) * 48_000)]
    assert np.abs(silent).max() < 0.01


async def test_markdown_is_spoken_as_the_text_that_it_shows(tmp_path: Path) -> None:
    marked = "# The plan\n\n**Bold** move, _really_: use `code` and [stars](https://example.com)."
    info = await speak(marked, out=tmp_path / "said.wav")
    assert [s.text for s in info.sentences] == ["The plan", "Bold move, really: use code and stars."]


async def test_a_language_that_was_guessed_over_the_episode_is_spoken_and_told(tmp_path: Path) -> None:
    """By itself the text would be spoken in English; a sentence in another script keeps a voice of its own."""
    request = CandidateRequest(
        run_id="r",
        position=0,
        attempt=1,
        kind=AssetKind.NARRATION,
        model=load_catalogue().get("animatic/speech"),
        directions="Plan A. Прощай.",
        prompt="Plan A. Прощай.",
        settings={},
        seed=None,
        label="Narration 1",
        guessed_language="de",
    )
    made = await AnimaticProvider().make(request, tmp_path, lambda share: None)
    assert made.info["language"] == "de"
