"""Captions: every word once, in readable blocks, while it is heard; in files that players read back unchanged."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.compiler.planning.caption_text import LINE, blocks, width
from services.compiler.planning.captions import FASTEST, Caption, captions
from services.compiler.planning.language import spoken_language, three_letters
from services.compiler.planning.sound_plan import RATE, Spoken
from services.compiler.planning.subtitles import to_ass, to_srt, to_vtt
from shared.contracts.values import Output
from shared.media.sentences import break_opportunities
from shared.media.speech_marks import speech_text

LIGHTHOUSE = (
    "Mr. Smith walked 3.5 miles to the old lighthouse. There, where nobody had lived since the war, he found a lamp "
    "that was still burning. Why? Nobody knew."
)


def words(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_sentences_and_clauses_decide_where_a_block_ends() -> None:
    found = blocks(LIGHTHOUSE)
    assert [b.lines[0][:9] for b in found] == ["Mr. Smith", "There, wh", "he found ", "Why? Nobo"]
    assert [b.ends_sentence for b in found] == [True, False, True, True]
    assert words("".join(b.text for b in found)) == words(LIGHTHOUSE)


def test_japanese_is_broken_without_spaces_and_never_before_a_comma() -> None:
    script = "しかし、海の向こうから、見たことのない大きな船がゆっくりと近づいてきた。漁師たちはまだ眠っている。"
    lines = [line for b in blocks(script) for line in b.lines]
    assert "".join(lines) == script
    assert all(width(line) <= LINE and line[0] not in "、。" for line in lines)
    assert lines[0] == "しかし、海の向こうから、"


SCRIPTS = st.text(
    st.sampled_from("ab ZW.,!?…—\n\t漢字かな、。「」한글العربيةשלוםกำ e\u0301👩\u200d🚀<>&{}\\-3 "), max_size=300
)


@given(SCRIPTS)
@settings(max_examples=60, deadline=None)
def test_all_words_are_shown_on_lines_that_fit(script: str) -> None:
    found = blocks(script)
    shown = words("".join(b.text for b in found))
    spoken = re.findall(r"\w", words(speech_text(script)))
    assert re.findall(r"\w", shown) == spoken
    for block in found:
        assert 1 <= len(block.lines) <= 2
        assert all(line.strip() for line in block.lines)
        assert all(width(line) <= LINE + 3 for line in block.lines)  # a letter with its marks is never torn


@st.composite
def narrations(draw: st.DrawFn) -> tuple[dict[str, str], list[Spoken], dict[str, list[tuple[int, int]]], int]:
    scripts, spoken, pauses, at = {}, [], {}, 0
    film = draw(st.integers(1, 40)) * RATE
    for n in range(draw(st.integers(0, 4))):
        at += draw(st.integers(0, 2 * RATE))
        whole = draw(st.integers(RATE // 10, 12 * RATE))
        length = min(whole, film - at)
        if length <= 0:
            break
        scripts[str(n)] = draw(SCRIPTS)
        spoken.append(Spoken(str(n), at, length, whole))
        edges = sorted(draw(st.sets(st.integers(1, whole - 1), max_size=8)))
        pauses[str(n)] = list(zip(edges[::2], edges[1::2], strict=False))
        at += length
    return scripts, spoken, pauses, film


@given(narrations())
@settings(max_examples=40, deadline=None)
def test_captions_follow_each_other_within_the_film(
    scene: tuple[dict[str, str], list[Spoken], dict[str, list[tuple[int, int]]], int],
) -> None:
    scripts, spoken, pauses, film = scene
    found = captions(scripts, spoken, pauses, film)
    ends = 0
    for caption in found:
        assert ends <= caption.start < caption.end
        ends = caption.end
    assert ends <= film * 1000 // RATE
    assert [c.start for c in found] == sorted(c.start for c in found)


def test_a_sentence_begins_after_the_pause_in_which_the_speaker_breathed() -> None:
    script = "This sentence is said rather slowly by the speaker. This one is said fast, and is as long as the first."
    second = RATE
    spoken = [Spoken("s", 2 * second, 8 * second, 8 * second)]
    pause = (int(4.5 * second), int(4.9 * second))
    heard = captions({"s": script}, spoken, {"s": [pause]}, 20 * second)
    first, *_, last = heard
    assert first.start == 2000
    assert next(c for c in heard if c.text.startswith("This one")).start == 6900
    assert last.end == 10_300  # lingers a little
    without = captions({"s": script}, spoken, {}, 20 * second)
    assert next(c for c in without if c.text.startswith("This one")).start == 6200


def test_what_follows_a_pause_is_expected_from_there_on() -> None:
    """After a slow first sentence, the blocks of the second share the remaining time: none becomes a flash."""
    script = (
        "The harbour wakes up slowly. Then the boats leave for the open sea, and nobody who stands on the long "
        "quay has said a word so far."
    )
    spoken = [Spoken("s", 0, 6 * RATE, 6 * RATE)]
    pause = int(2.05 * RATE), int(2.25 * RATE)
    _, second, third = captions({"s": script}, spoken, {"s": [pause]}, 20 * RATE)
    assert second.start == 2250
    (_, two, three) = blocks(script)
    share = two.weight / (two.weight + three.weight)
    assert (third.start - second.start) / (6000 - 2250) == pytest.approx(share, abs=0.01)


def test_each_sentence_finds_its_own_pause() -> None:
    """Pauses of 0.35 s after sentences and of 0.15 s at commas; an even pace alone would choose the wrong ones."""
    script = (
        "The harbour wakes up slowly. Then the boats leave for the open sea, and nobody who stands on the long quay "
        "has said a word so far. Why? Because the sea does not answer, and never has."
    )
    said = [("The harbour", 1.6, 0.35), ("Then the", 2.2, 0.15), ("and nobody", 3.9, 0.35), ("Why?", 0.3, 0.35)]
    said += [("Because", 1.6, 0.15), ("and never", 0.6, 0.0)]
    begins, pauses, at = {}, [], 0.0
    for words, takes, silence in said:
        begins[words], at = at, at + takes + silence
        pauses.append((round((at - silence) * RATE), round(at * RATE)))
    length = pauses.pop()[1]
    shown = captions({"s": script}, [Spoken("s", 0, length, length)], {"s": pauses}, 2 * length)
    found = {words: c.start / 1000 for c in shown for words in begins if c.text.startswith(words)}
    assert len(found) == len(shown) == 5
    assert found == pytest.approx({words: begins[words] for words in found}, abs=0.02)


def test_no_pause_is_taken_that_makes_a_sentence_a_flash() -> None:
    script = "The gulls circle. The boats leave slowly for the sea."
    spoken = [Spoken("s", 0, 2 * RATE, 2 * RATE)]
    first, second = captions({"s": script}, spoken, {"s": [(RATE // 10, RATE // 5)]}, 20 * RATE)
    assert second.start - first.start > 400


def test_a_picture_of_several_letters_is_not_torn() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
    (block,) = blocks(f"Fish and a family {family} wave on the quay.")
    assert len(block.lines) == 2 and family in block.text


def test_a_fast_speaker_s_words_stay_while_there_is_time() -> None:
    script = {"s": "Far too many words for so short a time, but a reader has to read them all."}
    (found,) = captions(script, [Spoken("s", 0, 2 * RATE, 2 * RATE)], {}, 20 * RATE)
    assert found.end == 3500  # not longer: it would be seen beside other pictures
    (calm,) = captions({"s": "A few words, calmly."}, [Spoken("s", 0, RATE // 2, RATE // 2)], {}, 20 * RATE)
    assert calm.end - calm.start >= round(width(calm.text) / FASTEST * 1000)


def test_what_the_film_s_end_cuts_off_is_not_shown() -> None:
    script = {"s": "The first sentence can still be heard in full. The second one comes when the film is over already."}
    found = captions(script, [Spoken("s", 0, 3 * RATE, 8 * RATE)], {}, 3 * RATE)
    assert [c.text.replace("\n", " ") for c in found] == ["The first sentence can still be heard in full."]
    assert found[0].end == 3000


HOSTILE = (Caption(0, 1500, ("<b>Q & A</b> --> {\\an8}",)), Caption(3_661_002, 3_662_000, ("שלום, \\Nעולם!", "نعم")))


def test_webvtt_escapes_markup() -> None:
    vtt = to_vtt(HOSTILE, "he")
    assert vtt.startswith("WEBVTT\n\nNOTE Language: he\n\n00:00:00.000 --> 00:00:01.500\n")
    assert "&lt;b&gt;Q &amp; A&lt;/b&gt; --&gt; {\\an8}" in vtt
    assert "01:01:01.002 --> 01:01:02.000\nשלום, \\Nעולם!\nنعم\n" in vtt


def test_subrip_and_ass_show_markup_as_text() -> None:
    srt = to_srt(HOSTILE)
    assert srt.startswith("1\n00:00:00,000 --> 00:00:01,500\n")
    assert "<b" not in srt and "</" not in srt and "{\\" not in srt and srt.count("-->") == 2
    drawn = to_ass(HOSTILE, Output(width=320, height=180), len, "DejaVu Sans").rpartition("Text\n")[2]
    assert "{\\an8" not in drawn.replace("\\{", "") and drawn.count("\\N") == 1
    assert "1:01:01.00" in drawn


def test_a_film_s_language_is_the_one_that_most_is_said_in() -> None:
    assert spoken_language([]) is None
    assert spoken_language([("1, 2, 3", None)]) is None
    assert spoken_language([("夜の港に、灯りがともる。", None), ("The quay.", None)]) == "ja"
    assert spoken_language([("Der Kai ist leer und der Mond nicht zu sehen.", None)]) == "de"
    assert spoken_language([("The quay.", "de_AT")]) == "de-AT"  # what is set counts
    assert spoken_language([("夜晚的港口", "Mandarin, please")]) == "zh"  # unless it names no language
    assert spoken_language([("", "fr")]) == "fr"
    tags = ("ja", "pt-BR", "cmn", "gsw", None, "xx", "English")
    assert [three_letters(t) for t in tags] == ["jpn", "por", "zho", "gsw", "und", "und", "und"]


def test_a_film_s_language_is_decided_over_all_of_its_scripts() -> None:
    german = [("Der Fluss fließt leise durch das Tal.", None), ("Am Morgen liegt Nebel über den Wiesen.", None)]
    assert spoken_language([*german, ("Let's go!", None)]) == "de"
    assert spoken_language([("Plan A", None), ("Let's go!", None)]) == "en"
    assert spoken_language([*german, ("Plan A", "nb")]) == "de"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("แมวนั่งอยู่บนหน้าต่าง" * 4, {"แมว", "นั่ง", "อยู่", "บน", "หน้าต่าง"}),
        ("ឆ្មាអង្គុយលើបង្អួច" * 5, {"ឆ្មា", "អង្គុយ", "លើ", "បង្អួច"}),
    ],
)
def test_captions_without_spaces_break_between_words(script: str, words: set[str]) -> None:
    lines = [line for block in blocks(script) for line in block.lines]
    assert len(lines) > 1
    assert "".join(lines) == script
    assert {word for line in lines for word in break_opportunities(line)} == words


def test_marks_and_pauses_are_not_in_captions() -> None:
    shown = blocks("**Bold** move, _really_. <#1.5#> # The plan: <break time='1s'/> use `code` and *stars*.")
    assert words(" ".join(block.text for block in shown)) == words("Bold move, really. The plan: use code and stars.")


def test_an_abbreviation_does_not_end_a_caption_s_sentence() -> None:
    text = "On Jan. 5 Capt. Lee met the Acme Inc. staff at 5 p.m. Eastern time near Fig. 3 of the plan."
    assert [block.ends_sentence for block in blocks(text)].count(True) == 1
