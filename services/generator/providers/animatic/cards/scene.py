"""Derives a scene from a segment's words: place, time of day, weather, people and things."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Palette:
    """Colours as 0xRRGGBB: the sky from top to horizon, its light, and the land from far to near."""

    top: int
    middle: int
    low: int
    light: int
    far: int
    near: int
    accent: int
    dark: bool = False  # whether lamps and windows are lit


PALETTES: dict[str, Palette] = {
    "dawn": Palette(0x46548A, 0xD193A6, 0xFFDDB8, 0xFFF3D6, 0x8D86AC, 0x2B2A45, 0xFFB38A),
    "day": Palette(0x3C83C4, 0x8FC1E6, 0xE8F3F4, 0xFFFDF0, 0x8DAFC2, 0x23493E, 0xF2B84B),
    "sunset": Palette(0x2C2453, 0xC94F6C, 0xFFB661, 0xFFE9B0, 0x97536F, 0x1E1430, 0xFF8A4C),
    "dusk": Palette(0x131D40, 0x41508B, 0xD19A9F, 0xFFE2C4, 0x4D5C8E, 0x0F1428, 0xFFC27A, dark=True),
    "night": Palette(0x060B1F, 0x111F45, 0x2E4270, 0xF3F1DD, 0x24365C, 0x060914, 0xFFD37A, dark=True),
    "storm": Palette(0x2B323B, 0x56626B, 0x9AA5A6, 0xD7DEDC, 0x65737B, 0x161C21, 0xD9A441),
    "winter": Palette(0x7AA3C6, 0xBCD6E6, 0xF5F4EE, 0xFFFFFF, 0xA6BFD2, 0x41596E, 0xD9705F),
    "desert": Palette(0x5C93B8, 0xC9D7C4, 0xF6E1B5, 0xFFF6DC, 0xD9A06B, 0x7A4326, 0xE2703A),
    "space": Palette(0x03040E, 0x0A0D22, 0x151A3A, 0xFFFFFF, 0x3D3F7A, 0x05060F, 0x7CC4FF, dark=True),
}


def _half(a: int, b: int) -> int:
    return sum((((a >> s & 255) + (b >> s & 255)) // 2) << s for s in (0, 8, 16))


_TIMES: dict[str, str] = {
    "night": r"""
        night midnight moon stars? nacht mitternacht mond noche luna nuit lune notte noite ночь ночи ночн лун 夜
        月 深夜 星
    """,
    "sunset": r"""
        sunset golden_hour evening dusk_light sonnenuntergang abend atardecer ocaso tarde coucher_de_soleil soir
        tramonto pôr_do_sol закат вечер 日落 夕阳 傍晚 黄昏
    """,
    "dawn": r"""
        dawn sunrise morning early daybreak morgen sonnenaufgang amanecer mañana aube matin alba рассвет утр
        日出 黎明 清晨 早晨 早上
    """,
    "dusk": r"dusk twilight blue_hour dämmerung crepúsculo crépuscule сумерк 暮色",
    "storm": r"""
        storm rain thunder grey gray cloudy overcast fog mist regen sturm nebel tormenta lluvia pluie orage
        pioggia дожд гроз бур туман 雨 风暴 阴 雾
    """,
    "winter": r"snow winter ice frost arctic schnee nieve neige neve снег зим лёд 雪 冬 冰",
}
_PLACES: dict[str, str] = {
    "space": r"""
        space orbit planets? galax nebula cosmos asteroid weltraum espacio espace spazio космос планет галактик
        太空 宇宙 星系 星球 银河
    """,
    "room": r"""
        room kitchen cafe café office indoors interior window table desk bedroom house_inside library zimmer
        küche büro habitación cocina oficina chambre cuisine bureau stanza комнат кухн офис кафе стол 房间 厨房
        办公室 咖啡 室内 桌
    """,
    "sea": r"""
        sea ocean beach lake river harbou?r coast shore island waves? boat ship water meer strand see hafen mar
        playa lago mer plage mare spiaggia море пляж озер рек берег остров 海 湖 河 沙滩 岛
    """,
    "city": r"""
        city street town skyline downtown buildings? skyscraper market traffic stadt straße ciudad calle ville
        rue città город улиц 城市 街 大楼 都市
    """,
    "forest": r"""
        forest woods? trees? jungle park garden wald bäume bosque árbol forêt arbre foresta лес дерев парк сад
        森林 树 丛林 公园 花园
    """,
    "desert": r"desert dunes? sand sahara canyon mars wüste desierto désert deserto пустын песк 沙漠 沙丘 火星",
    "field": r"""
        field meadow farm road village plain launch pad prairie feld wiese dorf campo prado pueblo champ prairie
        пол[еяю] луг дорог деревн 田 草原 村 路
    """,
    "hills": r"""
        mountains? hills? valley peaks? cliff berg tal montaña montagne montagna гор[аыу] холм долин 山 谷 峰
    """,
}
_PEOPLE: dict[str, str] = {
    "crowd": r"""
        crowd people audience villagers soldiers team family menschen gente foule толп люди семь 人群 人们 观众
        家人
    """,
    "pair": r"""
        couple two_(?:people|men|women|friends) they together lovers friends paar pareja couple_de пара двое
        друзья 两人 情侣 朋友
    """,
    "child": r"""
        child boy girl kid kind junge mädchen niñ enfant bambin ребён ребен мальчик девочк 孩子 男孩 女孩 小孩
    """,
    "person": r"""
        man woman person he she hero figure someone astronaut explorer traveler traveller old_man captain doctor
        mann frau hombre mujer homme femme uomo donna человек мужчин женщин геро 男人 女人 他 她 英雄 宇航员
    """,
}
_THINGS: dict[str, str] = {
    "rocket": r"rocket spaceship spacecraft launch rakete cohete fusée razzo ракет 火箭 飞船",
    "boat": r"boats? ships? sail(?:s|ing|boat)? boot schiff barco bateau barca лодк корабл парус 船",
    "house": r"house cottage cabin hut barn home farm haus casa maison дом хижин 房子 屋 家",
    "birds": r"birds? gulls? flock vögel pájaro oiseau uccell птиц чайк 鸟",
    "cup": r"cup mug coffee tea tasse kaffee taza café tazza чашк кофе чай 杯 咖啡 茶",
    "car": r"car driv(?:e|es|ing) truck taxi auto wagen coche voiture macchina машин автомоб 汽车 车",
}


def _patterns(table: dict[str, str]) -> dict[str, re.Pattern[str]]:
    """Words separated by spaces, with "_" for a space. Alphabetic ones match word beginnings, Chinese ones anywhere."""

    def alternative(word: str) -> str:
        word = word.replace("_", " ")
        if re.search(r"[一-鿿]", word):
            return word
        whole = len(word) <= 4 and word.isascii()  # "he" occurs in many words; short Russian words are stems
        return rf"\b{word}\b" if whole else rf"\b{word}"

    return {name: re.compile("|".join(map(alternative, words.split()))) for name, words in table.items()}


_READERS = {kind: _patterns(table) for kind, table in (
    ("time", _TIMES), ("place", _PLACES), ("people", _PEOPLE), ("things", _THINGS))}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What to paint. `people` is their number; `child` makes them small."""

    place: str
    time: str
    people: int
    child: bool
    things: frozenset[str]
    rain: bool
    snow: bool
    fog: bool

    @property
    def palette(self) -> Palette:
        if self.place == "space":
            return PALETTES["space"]
        if self.place == "desert" and self.time == "day":
            return PALETTES["desert"]
        palette = PALETTES[self.time]
        if self.snow and self.time != "winter":  # the same light on snow
            return replace(palette, far=_half(palette.far, palette.low), near=_half(palette.near, palette.middle))
        return palette


def read_scene(prompt: str, location: str, seed: int) -> Scene:
    """The location takes precedence over the prompt; the seed chooses what neither states."""
    rng = random.Random(f"scene:{seed}")
    where, text = location.casefold(), f"{location}\n{prompt}".casefold()
    place = _first("place", where) or _first("place", text) or rng.choice(("hills", "field", "forest", "sea", "city"))
    time = _time(where) or _time(text) or rng.choice(("dawn", "day", "sunset", "dusk"))
    things = frozenset(name for name, pattern in _READERS["things"].items() if pattern.search(text))
    crowd = {"crowd": 7, "pair": 2, "child": 1, "person": 1}
    who = _first("people", text)
    return Scene(
        place=place,
        time=time,
        people=crowd.get(who, 0),
        child=who == "child",
        things=things,
        rain=re.search(r"\brain|regen|lluvia|pluie|pioggia|дожд|雨", text) is not None,
        snow=time == "winter" or re.search(r"\bsnow|\bwinter|schnee|nieve|neige|\bneve|снег|雪", text) is not None,
        fog=re.search(r"\bfog|\bmist\b|misty|nebel|niebla|brume|туман|雾", text) is not None,
    )


def _time(text: str) -> str:
    """Time of day takes precedence over weather: "a winter night" is a night."""
    hours = [
        (m.start(), name) for name in ("night", "sunset", "dawn", "dusk") if (m := _READERS["time"][name].search(text))
    ]
    return min(hours)[1] if hours else _first("time", text)


def _first(kind: str, text: str) -> str:
    """The name whose words occur first in the text, or ""."""
    found = [(match.start(), name) for name, pattern in _READERS[kind].items() if (match := pattern.search(text))]
    return min(found)[1] if found else ""
