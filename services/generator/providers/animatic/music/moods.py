"""Derives the style of a score from a music prompt: mode, tempo, instruments, drums."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

# Steps of each mode above its tonic, in semitones.
MODES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}


@dataclass(frozen=True)
class Style:
    """The composer's parameters. `energy`, `density` and `room` are from 0 to 1; "" means that a part does not play.

    `tonic` is a pitch class, None to let the seed choose; `lead`, `pad`, `figure` and `bass` are instruments,
    `figure` plays the pattern `pattern`; `kit` is a drum pattern.
    """

    mood: str
    mode: str
    bpm: float
    energy: float
    density: float
    lead: str
    pad: str
    figure: str
    pattern: str
    bass: str
    kit: str
    room: float
    sevenths: bool = False
    swing: float = 0.0
    beats: int = 4
    tonic: int | None = None


_STYLES: tuple[Style, ...] = (
    # mood, mode, bpm, energy, density, lead, pad, figure, pattern, bass, kit, room
    Style("neutral", "major", 88, 0.45, 0.45, "piano", "warm", "pluck", "broken", "soft", "soft", 0.4),
    Style("calm", "major", 70, 0.2, 0.3, "piano", "warm", "piano", "wave", "soft", "", 0.6, sevenths=True),
    Style("dreamy", "lydian", 64, 0.2, 0.3, "bell", "choir", "rhodes", "wave", "sub", "", 0.9, sevenths=True),
    Style("sad", "minor", 60, 0.2, 0.3, "piano", "strings", "piano", "broken", "soft", "", 0.65),
    Style("romantic", "major", 72, 0.3, 0.4, "strings", "warm", "piano", "wave", "soft", "", 0.6, sevenths=True),
    Style("nostalgic", "major", 76, 0.35, 0.4, "rhodes", "warm", "pluck", "broken", "soft", "lofi", 0.4, True, 0.16),
    Style("hopeful", "major", 96, 0.55, 0.45, "strings", "strings", "piano", "pulse", "soft", "soft", 0.5),
    Style("joyful", "major", 118, 0.75, 0.6, "marimba", "warm", "guitar", "strum", "pluck", "pop", 0.3),
    Style("playful", "major", 112, 0.6, 0.65, "pizzicato", "", "marimba", "hop", "pizzicato", "light", 0.3, swing=0.08),
    Style("epic", "minor", 88, 0.95, 0.4, "brass", "strings", "spiccato", "gallop", "low", "epic", 0.6),
    Style("tense", "phrygian", 104, 0.7, 0.3, "strings", "dark", "spiccato", "ostinato", "low", "pulse", 0.5),
    Style("dark", "phrygian", 66, 0.4, 0.2, "low", "dark", "bell", "drops", "sub", "boom", 0.85),
    Style("mysterious", "dorian", 76, 0.3, 0.3, "celesta", "dark", "bell", "drops", "sub", "", 0.8),
    Style("energetic", "minor", 126, 0.9, 0.5, "synth", "warm", "synth", "sequence", "synth", "dance", 0.3),
)  # fmt: skip
STYLES = {style.mood: style for style in _STYLES}

# Words for each mood: alternatives of a regular expression separated by spaces, with "_" for a space. English, German,
# Spanish, French, Italian and Portuguese stems, Russian, Chinese. The order decides between equals.
_MOODS: dict[str, str] = {
    "calm": r"""
        calm peace quiet relax serene tranquil gentle soft soothing warm meditat ruhig sanft friedlich entspann
        suave calme doux paisible sereno спокойн тих нежн умиротвор тёпл тепл 温暖 平静 宁静 安静 舒缓 轻柔 放松
    """,
    "dreamy": r"""
        dream ambient space spacious ethereal float cosmic wonder awe vast magic träum verträumt sphärisch
        soñador onírico etéreo rêve éthér sogna sonhador мечтат космич волшеб эфирн 梦幻 空灵 太空 宇宙
    """,
    "sad": r"""
        \bsad melanchol sorrow grief mourn lonely \bloss tragic traurig wehmüt einsam triste tristeza mélancol
        malincon груст печал тоск одинок меланхол 悲伤 忧郁 伤感 孤独 哀
    """,
    "romantic": r"romant love tender intimate liebe zärtlich amor amour tendre романт любов 浪漫 爱情 温柔",
    "nostalgic": r"""
        nostalg memor vintage retro lo-?fi old_film jazz coffee cosy cozy erinner recuerd souvenir ricord
        saudade ностальг воспомин уютн 怀旧 回忆 爵士
    """,
    "hopeful": r"""
        hope inspir uplift optimis motivat triumph proud courag hoffnung zuversicht aufbau esperan inspirad
        espoir edificante speranz надежд вдохнов воодушев 希望 励志 振奋 鼓舞
    """,
    "joyful": r"""
        joy happy cheer bright sunny celebrat festiv fun\b glad summer fröhlich heiter glücklich sommer alegr
        feliz joyeu gai\b heureux gioios allegr felice радост весел счастлив праздн 欢快 快乐 喜悦 开心 节日
    """,
    "playful": r"""
        playful quirky whimsic comic funny cute child curious mischie verspielt lustig jugueton divertid ludique
        espiègle drôle giocos игрив забавн шаловл 俏皮 可爱 滑稽 调皮
    """,
    "epic": r"""
        epic heroic grand majest powerful orchestral cinematic trailer battle \bwar\b launch episch heroisch
        mächtig épic heroic grandios épique héroïque epico эпич героич велич мощн 史诗 宏大 英雄 壮丽 激昂
    """,
    "tense": r"""
        tens[ei] suspens thrill anxi nervous urgent chase danger countdown spann bedroh nervös gefahr suspenso
        peligro tendu angoiss pericol напряж тревож опасн погон саспенс 紧张 悬疑 惊悚 危险 焦虑
    """,
    "dark": r"""
        dark ominous horror scary grim sinister brood evil fear düster dunkel unheimlich oscur siniestr terror
        sombre effrayant cupo мрачн тёмн темн зловещ ужас 黑暗 恐怖 阴森 可怕
    """,
    "mysterious": r"""
        myster enigma secret eerie unknown geheimnis rätsel misterio enigmátic mystéri énigm
        таинств загадоч мистич 神秘 诡异 谜
    """,
    "energetic": r"""
        energ action upbeat drive driving fast \bsport techno dance electronic edm \brock\b pump dynamisch treibend
        rápid enérg énergi dynamique энергич динамич драйв быстр танц 动感 活力 激烈 快节奏 电子
    """,
    "neutral": r"neutral documentar corporate background neutre neutro нейтральн 纪录片 背景",
}


def _patterns(table: dict[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, re.compile("|".join(words.split()).replace("_", " "))) for name, words in table.items())


_MOOD_PATTERNS = _patterns(_MOODS)

_NOTES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11, "h": 11}
_KEY = re.compile(r"\b(?:in|en|key of)\s+([a-gh])(?:\s*(sharp|flat|#|♯|♭|b))?\s*[- ]?(major|minor|dur|moll|maj|min)\b")
_BPM = re.compile(r"\b(\d{2,3})\s*(?:bpm|beats)")
_NO_DRUMS = re.compile(
    r"(?:no|without|ohne|sin|sans|senza|sem|без)\s+(?:\w+\s+)?"
    r"(?:drums?|percussion|beats?|schlagzeug|percusión|batería|batterie|batteria|bateria|ударн\w*|барабан\w*)"
    r"|无鼓|不要鼓|没有鼓"
)
_DRUMS = re.compile(r"\bdrums?|percussion|\bbeats?\b|groove|schlagzeug|batería|batterie|барабан|ударн|鼓")
_LEADS: dict[str, str] = {
    "piano": r"piano klavier пианино фортепиан рояль 钢琴",
    "strings": r"strings? violin cello orchest streich geige violín cuerdas archi скрипк струнн 弦乐 小提琴 大提琴",
    "flute": r"flute flöte flauta flûte flauto флейт 长笛 笛",
    "guitar": r"guitar gitarre guitarra guitare chitarra гитар 吉他",
    "bell": r"bells?\b chime glocken campan cloche колокол 铃 钟声",
    "celesta": r"celesta music_box spieluhr caja_de_música boîte_à_musique шкатулк 八音盒",
    "brass": r"brass horns?\b trumpet bläser metales cuivres ottoni духов 铜管 号角",
    "marimba": r"marimba xylophon kalimba маримб 马林巴",
    "synth": r"synth electro synthwave синтез 合成器",
    "rhodes": r"rhodes electric_piano e-piano 电钢琴",
}
_LEAD_PATTERNS = _patterns(_LEADS)
_SLOW = re.compile(r"\bslow|langsam|\blent[ao]?\b|медленн|缓慢|慢")
_FAST = re.compile(r"\bfast|quick|schnell|rápid|rapide|veloce|быстр|快速|快节奏|急促")
_WALTZ = re.compile(r"waltz|walzer|\bvals\b|valse|valzer|вальс|3/4|圆舞曲|华尔兹")
_CHOIR = re.compile(r"choir|choral|\bchor\b|\bcoro\b|chœur|choeur|хор\b|合唱")


def read_prompt(prompt: str) -> Style:
    """The style of a prompt: its first mood, modified by the second, and then by explicit statements."""
    text = prompt.casefold()
    found = sorted((hit.start(), mood) for mood, pattern in _MOOD_PATTERNS if (hit := pattern.search(text)))
    moods = list(dict.fromkeys(mood for _, mood in found))
    style = STYLES[moods[0]] if moods else STYLES["neutral"]
    if len(moods) > 1:
        style = _coloured(style, STYLES[moods[1]])
    return _said_outright(style, text)


def _coloured(style: Style, other: Style) -> Style:
    """Adds a quarter of the second mood's numbers, its lead instrument and, if the first is major, its mode."""
    mode = other.mode if style.mode == "major" and other.mode != "major" else style.mode
    return replace(
        style,
        mode=mode,
        bpm=0.75 * style.bpm + 0.25 * other.bpm,
        energy=0.75 * style.energy + 0.25 * other.energy,
        density=0.75 * style.density + 0.25 * other.density,
        room=(style.room + other.room) / 2,
        pad=style.pad or other.pad,
        lead=other.lead,
    )


def _said_outright(style: Style, text: str) -> Style:
    if bpm := _BPM.search(text):
        style = replace(style, bpm=float(min(180, max(45, int(bpm.group(1))))))
    elif _SLOW.search(text):
        style = replace(style, bpm=style.bpm * 0.85)
    elif _FAST.search(text):
        style = replace(style, bpm=min(150.0, style.bpm * 1.15))
    if key := _KEY.search(text):
        shift = {"sharp": 1, "#": 1, "♯": 1, "flat": -1, "♭": -1, "b": -1}.get(key.group(2) or "", 0)
        minor = key.group(3) in ("minor", "moll", "min")
        style = replace(style, tonic=(_NOTES[key.group(1)] + shift) % 12, mode="minor" if minor else "major")
    leads = [name for name, pattern in _LEAD_PATTERNS if pattern.search(text)]
    if leads:
        style = replace(style, lead=leads[0], figure=_figure(style, leads))
    if _CHOIR.search(text):
        style = replace(style, pad="choir")
    if _WALTZ.search(text):
        style = replace(style, beats=3, pattern="waltz", swing=0.0, kit="")
    if _NO_DRUMS.search(text):
        return replace(style, kit="")
    if _DRUMS.search(text) and not style.kit:
        return replace(style, kit="soft")
    return style


def _figure(style: Style, leads: list[str]) -> str:
    """The accompanying instrument: the second one named, or the only one if it can play both parts."""
    instrument = leads[1] if len(leads) > 1 else leads[0]
    return (
        instrument
        if instrument in ("piano", "guitar", "marimba", "rhodes", "bell", "celesta", "synth")
        else style.figure
    )
