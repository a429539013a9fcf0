"""The words of a script: their language, their sentences, the marks around them."""

from __future__ import annotations

import pytest

from shared.media.language import DEFAULT, ENOUGH, guess_language, identify, language_of
from shared.media.sentences import break_opportunities, sentences
from shared.media.speech_marks import Pause, plain_text, speech_parts, speech_text, with_pauses

SHORT = ["Let's go!", "Mia's boat sails.", "How do you do", "Plan A"]


@pytest.mark.parametrize("text", [*SHORT, "OK.", "No!", "A", "Kenji", "12:30", "LET'S GO!", "Marco Polo", ""])
def test_few_letters_do_not_leave_the_default_language(text: str) -> None:
    assert guess_language(text) == DEFAULT


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hola, amigo", "es"),
        ("Котката седи на прозореца и гледа дъжда.", "bg"),
        ("Днес времето е хубаво.", "bg"),
        ("Кошка сидит на окне и смотрит на дождь.", "ru"),
        ("Привет", "ru"),
        ("امروز هوا خیلی خوب است.", "fa"),
        ("القط يجلس على النافذة.", "ar"),
        ("بلی کھڑکی پر بیٹھی ہے۔", "ur"),
        ("मांजर खिडकीत बसले आहे.", "mr"),
        ("แมวนั่งอยู่บนหน้าต่าง", "th"),
        ("ສະບາຍດີ", "lo"),
        ("ឆ្មាអង្គុយលើបង្អួច", "km"),
    ],
)
def test_languages_of_one_script_are_told_apart(text: str, language: str) -> None:
    assert guess_language(text) == language


def test_a_guess_tells_how_sure_it_is() -> None:
    sure, unsure = identify(["Der Fluss fließt leise durch das Tal."]), identify(["Plan A"])
    assert sure.language == "de"
    assert ENOUGH <= sure.confidence <= 1
    assert unsure.language == DEFAULT
    assert unsure.confidence < ENOUGH


def test_a_short_text_is_in_the_language_of_the_episode() -> None:
    german = ["Der Fluss fließt leise durch das Tal.", "Am Morgen liegt Nebel über den Wiesen.", "Plan A"]
    assert language_of("Plan A", german).language == "de"
    assert language_of("Let's go!", [*german, "Let's go!"]).language == "de"
    assert language_of("Let's go!", SHORT).language == "en"
    long = "The river runs quietly through the valley, and in the morning there is fog over the meadows."
    assert language_of(long, [*german, long]).language == "en"
    assert language_of("Привет, мир", [*german, "Привет, мир"]).language == "ru"


@pytest.mark.parametrize(
    "sentence",
    [
        "On Jan. 5 Capt. Lee met the Acme Inc. staff at 5 p.m. Eastern time near Fig. 3 of the plan.",
        "Mr. and Mrs. Lee of St. Louis left at 9 a.m. on Sept. 3, 2020.",
        "It cost $3.50 vs. $4 at Gen. Wu's shop.",
        "The meeting is at 5 p.m. Monday in Room No. 4.",
        "Am 5. Mai kam Dr. Meier, z. B. mit der Bahn.",
        "El Sr. López y la Sra. Ruiz viven en Madrid.",
        '"Really?" he asked.',
    ],
)
def test_an_abbreviation_does_not_end_a_sentence(sentence: str) -> None:
    assert sentences(sentence) == [sentence]


def test_sentences_of_several_languages() -> None:
    assert sentences("She came at 5 p.m. Then he left. Bye!") == ["She came at 5 p.m.", "Then he left.", "Bye!"]
    assert sentences("这是一句。这是第二句！") == ["这是一句。", "这是第二句！"]
    assert sentences("안녕하세요. 반갑습니다.") == ["안녕하세요.", "반갑습니다."]
    assert sentences("यह है। वह है।") == ["यह है।", "वह है।"]
    assert sentences("One line\nanother") == ["One line", "another"]
    assert sentences("...\n--\n") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("แมวนั่งอยู่บนหน้าต่าง", "แมว นั่ง อยู่ บน หน้าต่าง"),
        ("ឆ្មាអង្គុយលើបង្អួច។", "ឆ្មា អង្គុយ លើ បង្អួច។"),
        ("ကြောင်ပြတင်းပေါက်တွင်", "ကြောင် ပြတင်းပေါက် တွင်"),
    ],
)
def test_lines_break_between_words_of_scripts_without_spaces(text: str, words: str) -> None:
    assert break_opportunities(text) == words.split()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "**Bold** move, _really_. # The plan: use `code` and *stars*.",
            "Bold move, really. The plan: use code and stars.",
        ),
        ("# Title\n\nText.", "Title\n\nText."),
        ("- one\n- two", "one\ntwo"),
        ("> quoted", "quoted"),
        ("[link](https://example.com) and ![picture](a.png)", "link and picture"),
        ("~~old~~ new", "old new"),
        ("<i>un</i>believable", "unbelievable"),
        ("<b>bold</b> <emphasis level='strong'>word</emphasis>", "bold word"),
        ("5 * 3 * 2 is 2*3*5", "5 * 3 * 2 is 2*3*5"),
        ("snake_case, C# and AT&T are <3", "snake_case, C# and AT&T are <3"),
        ("We are #1, [sighs] he said.", "We are #1, [sighs] he said."),
        ("1. Mai\n2. Juni", "1. Mai\n2. Juni"),
        ("2024. What a year.", "2024. What a year."),
        ("One line\nand the next", "One line\nand the next"),
        ("Wait <#1.5#> now <break time='2s'/> and go.", "Wait now and go."),
    ],
)
def test_marks_are_read_as_plain_text(script: str, said: str) -> None:
    assert speech_text(script) == said


def test_pauses_are_parts_of_a_script() -> None:
    assert list(speech_parts("Wait <#1.5#> *now*.")) == ["Wait", Pause(1.5), "now."]
    assert list(speech_parts('<break time="250ms"/>Go')) == [Pause(0.25), "Go"]
    assert list(speech_parts('A <break strength="none"/> b')) == ["A", "b"]
    assert with_pauses('**Wait** <break time="1s"/> now.') == "Wait <#1#> now."
    assert with_pauses("<#1#>A <#5000#><#1#> b <break/>") == "A <#99.99#> b"


@pytest.mark.parametrize("text", ["*" * 4000, "[" * 4000, "<break " * 500, "_a" * 2000, "> " * 2000, "`" * 3999])
def test_marks_without_end_are_read_in_bounded_time(text: str) -> None:
    assert len(plain_text(text)) <= len(text)
