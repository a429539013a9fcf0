"""The vocabulary of camera directions: words for moves, directions and pace. Lower-case regular expressions.

Verbs come in two strengths: a strong one names a camera move ("pan"); a weak one ("rises") may belong to the subject,
and counts only if there is no strong one nearby or if the camera is named.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Verb(StrEnum):
    PAN = "pan"
    TILT = "tilt"
    PUSH = "push"
    PULL = "pull"
    DRIFT = "drift"
    ORBIT = "orbit"
    HOLD = "hold"


class Way(StrEnum):
    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"
    CENTRE = "centre"


def words(*groups: str) -> re.Pattern[str]:
    """One pattern of several groups. Alphabetic words get word boundaries, Chinese and Japanese ones do not."""
    parts = [g if re.search(r"[぀-ヿ一-鿿]", g) else rf"\b(?:{g})\b" for g in groups]
    return re.compile("|".join(parts))


_BETWEEN = r"(?:\s+(?:\w+ly|(?:the )?camera|us|back|right|straight|a bit|a little|even|much|way|more|slow|fast))*\s+"
_GO = r"(?:push|zoom|dolly|move|creep|ease|inch|glide|track|fly|go|come|get|draw|pull|back|close)(?:s|es|ing|ed|ies)?"

# Searched in this order; matched text is not read again (so "pull back" is not also "back").
STRONG: tuple[tuple[Verb, re.Pattern[str]], ...] = (
    (
        Verb.HOLD,
        words(
            r"(?:no|without)(?:\s+any)?(?:\s+camera)?\s+(?:movements?|moves?|motion)|(?:don'?t|do not|not)\s+move"
            r"|static|stationary|locked(?:[\s-]*(?:off|down))?|motionless|tripod|still\s+(?:shot|frame|camera)|freeze"
            r"|fixed\s+(?:camera|shot|frame)|hold|stay\s+still|keep\s+still|keep\s+the\s+camera\s+still",
            r"statisch\w*|unbewegt\w*|ohne\s+bewegung|stillstehen\w*|stehende\s+kamera|feste\s+kamera",
            r"est[aá]tic[ao]|c[aâá]mara\s+fija|sin\s+movimiento|plan\s+fixe|cam[eé]ra\s+fixe|sans\s+mouvement|statique",
            r"statica|inquadratura\s+fissa|c[âa]mera\s+(?:fixa|parada)|sem\s+movimento",
            r"неподвижн\w*|статичн\w*|без\s+движени\w*",
            r"静止|固定|不动|不動|定格|固定镜头|静态",
        ),
    ),
    (
        Verb.PULL,
        words(
            _GO + _BETWEEN + r"(?:out|outwards?|back|backwards?|away)|zoom[\s-]*out|pull\w*[\s-]*(?:out|back)",
            r"heraus\s*zoom\w*|herauszuzoomen|rauszoom\w*|wegzoom\w*|zurückfahr\w*|zurückzieh\w*|zurückzoom\w*"
            r"|(?:fahrt|fährt|zoomt?|zieht)\s+(?:langsam\s+|schnell\s+|sanft\s+)?(?:zurück|heraus|raus|weg)",
            r"alej(?:a|ar|arse|e|ándose|ando|amiento)|zoom\s+(?:hacia\s+)?(?:atrás|afuera|fuera)",
            r"zoom\s+arri[eè]re|recul(?:e|er|ant|ez)?|s['’]éloign\w*|travelling\s+arri[eè]re",
            r"afast(?:a|ar|ando|e)|allontan\w+|zoom\s+indietro",
            r"отъезд\w*|отъезжа\w*|отдал\w+|удаля\w+",
            r"拉远|拉遠|缩小|縮小|后退|後退|拉开|拉開|ズームアウト|引く|引いて",
        ),
    ),
    (
        Verb.PUSH,
        words(
            _GO + _BETWEEN + r"(?:in|into|inwards?|closer|nearer|forwards?|towards?)|zoom[\s-]*in|push\w*[\s-]*in",
            r"zoom(?:s|ing|ed)?|dolly|dollies|dollying|push(?:es|ing)?",
            r"heran\s*zoom\w*|hinein\s*zoom\w*|reinzoom\w*|heranfahr\w*|zufahr\w*|zoomt|zoome"
            r"|(?:fahrt|fährt|zoomt?|geht|geh)\s+(?:langsam\s+|schnell\s+|sanft\s+)?(?:näher|heran|hinein|rein|ran)",
            r"acerc(?:a|ar|arse|ate|e|ándose|ando|amiento)|zoom\s+(?:hacia\s+)?(?:adentro|dentro)",
            r"zoom\s+avant|(?:se\s+)?rapproch\w*|travelling\s+avant",
            r"aproxim(?:a|ar|ando|e)|avvicin\w+|zoom\s+avanti",
            r"приближ\w+|приближени\w+|наезд\w*|наезжа\w*|зум",
            r"推进|推進|推近|拉近|放大|靠近|ズームイン|寄る|寄って|近づ",
        ),
    ),
    (
        Verb.PAN,
        words(
            r"pan|pans|panning|panned|trucks?|trucking|track(?:s|ing)?|dolly\s+(?:left|right)|whip\s*pan|sweep(?:s|ing)?",
            r"schwenk\w*|kameraschwenk|kamerafahrt",
            r"pane[ao]\w*|panor[aá]mic[ao]|barrido|panoramique\w*|panote\w*|panorâmic[ao]|carrellat[ae]|panoramic[ao]",
            r"панорам\w*|проводк\w*",
            r"摇镜|搖鏡|平移|横移|橫移|摇摄|左摇|右摇|摇|パン",
        ),
    ),
    (
        Verb.TILT,
        words(
            r"tilt(?:s|ing|ed)?|crane(?:s|ing|d)?|pedestal(?:s|ing)?|boom(?:s|ing)?\s+(?:up|down)|jib",
            r"neig(?:t|e|en)|inclin(?:a|ar|e|ación)|incline[rz]?|bascul\w*|inclinaz\w*|наклон\w*|подъ[её]м\s+камеры",
            r"俯仰|仰拍|俯拍|上摇|下摇|ティルト",
        ),
    ),
    (
        Verb.DRIFT,
        words(
            r"drift(?:s|ing|ed)?|wander(?:s|ing)?|meander(?:s|ing)?",
            r"gleite\w*|schweb\w*|deriva\w*|dériv\w*|дрейф\w*",
            r"漂移|飘移|飄移|漂う",
        ),
    ),
    (
        Verb.ORBIT,
        words(
            r"orbit(?:s|ing)?|arc(?:s|ing)?\s+(?:around|round|left|right|shot)|circle\s+around",
            r"umkreis\w*|orbita\w*|облёт|облет|环绕|環繞",
        ),
    ),
)

_RISING = r"rises?|rising|ascend(?:s|ing)?|lift(?:s|ing)?|climb(?:s|ing)?"
_SINKING = r"descend(?:s|ing)?|sink(?:s|ing)?"

WEAK: tuple[tuple[Verb, re.Pattern[str]], ...] = (
    (Verb.HOLD, words(r"holds|holding|stay|stays|steady|still|rests?", r"ruhig|quiet[ao]|immobile|ferm[ao]")),
    (
        Verb.PULL,
        words(
            r"wider|widen(?:s|ing)?|wide\s+shot|reveal(?:s|ing|ed)?|further\s+(?:away|back)|farther(?:\s+away)?|show\s+more",
            r"weiter\s+weg|totale|más\s+lejos|plus\s+large|plus\s+loin|più\s+lontano|дальше|远一点|更远|全景",
        ),
    ),
    (
        Verb.PUSH,
        words(
            r"closer|close\s*up|closeup|tighter|nearer|approach(?:es|ing)?|towards?|forwards?",
            r"näher|nahaufnahme|más\s+cerca|primer\s+plano|plus\s+près|gros\s+plan|più\s+vicino|mais\s+perto",
            r"ближе|крупн\w+\s+план\w*|近一点|更近|特写|特寫",
        ),
    ),
    (Verb.TILT, words(_RISING, _SINKING)),
    (
        Verb.PAN,
        words(r"slid(?:es?|ing)|travel(?:s|l?ing)?|follow(?:s|ing)?|glid(?:es?|ing)|across|mov(?:es?|ing)|go|goes"),
    ),
    (Verb.DRIFT, words(r"floats?|floating|flott\w*|flota\w*|плыв\w*|漂浮|飘")),
)
# The direction that a weak verb implies.
RISING, SINKING = words(_RISING), words(_SINKING)

# Separators between subjects within a sentence.
PART = re.compile(r"[,，、]|\b(?:and|while|as|und|während|y|mientras|et|tandis que|и|пока)\b")

CAMERA = words(
    r"camera|shot|frame|lens|view|viewpoint", r"kamera|bild|c[aáâ]mara|c[âa]mera|cam[eé]ra|plan|inquadratura|камер\w*",
    r"镜头|鏡頭|画面|カメラ",
)  # fmt: skip

WAYS: tuple[tuple[Way, re.Pattern[str]], ...] = (
    (
        Way.LEFT,
        words(
            r"left|leftwards?|links|linken|linke|izquierda|gauche|esquerda|sinistra|влево|налево|слева|левее|лев\w{2,3}",
            r"左",
        ),
    ),
    (
        Way.RIGHT,
        words(
            r"right|rightwards?|rechts|rechten|rechte|derecha|droite|direita|destra|вправо|направо|справа|правее|прав\w{2,3}",
            r"右",
        ),
    ),
    (
        Way.UP,
        words(
            r"up|upwards?|upper|top|above|oben|hoch|aufwärts|hinauf|arriba|haut|cima|alto|вверх|наверх|сверху|выше",
            r"向上|往上|上移|上摇|上方|顶部|朝上|到上|上へ|仰",
        ),
    ),
    (
        Way.DOWN,
        words(
            r"down|downwards?|lower|bottom|below|unten|abwärts|hinunter|herunter|abajo|bas|baixo|basso",
            r"вниз|снизу|книзу|ниже",
            r"向下|往下|下移|下摇|下方|底部|朝下|到下|下へ|俯",
        ),
    ),
    (Way.CENTRE, words(r"cent(?:re|er)|middle|mitte|centro|milieu|центр\w*|середин\w*", r"中央|中心|中间")),
)
# Words for the origin of a move rather than its destination.
FROM = words(r"from(?:\s+the)?|von|vom|desde|del?|depuis|d[ue]s?|da|dal(?:la)?|от|со?", r"从|從|由|自")
OF_ORIGIN = words(r"слева|справа|сверху|снизу")

# Idioms that do not mean a move; removed before anything is read.
IDIOMS = words(
    r"right\s+(?:away|now|after|before|behind|here|there)|all\s+right|left\s+(?:behind|over|alone)|upside\s+down"
    r"|in\s+front|up\s+to|make\s*up|pick(?:s|ed|ing)?\s+up|sit(?:s|ting)?\s+down|stand(?:s|ing)?\s+up|look(?:s|ing)?\s+up"
    r"|countdown|at\s+the\s+same\s+time|(?:in|with)\s+the\s+background|foreground|(?:on|at|in)\s+top\s+of|lower\s+third"
)
# "Slow it down" is a pace, not a direction.
PACE_IDIOMS = words(r"slow\w*\s+(?:it\s+|this\s+|that\s+)?down|speed\w*\s+(?:it\s+|this\s+|that\s+)?up|calm\w*\s+down")

THEN = re.compile(
    r"\b(?:and\s+then|then|after\s+that|afterwards|followed\s+by|before\s+(?=\w+ing)|danach|dann|anschließend|luego|después"
    r"|puis|ensuite|depois|poi|затем|потом)\b|然后|然後|接着|接著|之后|之後|それから"
)
SENTENCE = re.compile(r"[.!?;:。！？；：]+")

NOT = re.compile(
    r"(?:\b(?:no|not|don'?t|do not|never|without|stop|avoid|instead of|rather than|neither|nor|less of the"
    r"|kein\w*|nicht|ohne|statt|sin|en lugar de|en vez de|nunca|sans|pas de|pas|ne|au lieu de|sem|senza|non|não"
    r"|без|не|вместо)(?:\s+(?:the|any|a|so|too|to|much|camera|der|die|das|el|la|le|de|que))*\s+"
    r"|(?:不要|别|別|没有|不|勿)\s*)$"
)

SLOW = words(
    r"slow\w*|gentl\w*|subtl\w*|calm\w*|soft\w*|slight\w*|gradual\w*|smooth\w*|barely|unhurried|leisurely|delicate\w*",
    r"langsam\w*|sanft\w*|leicht|gemächlich\w*|ruhig\w*|lent[aeo]?\w*|suave\w*|despacio|pausad\w*|douce\w*|doux|devagar",
    r"dolce\w*|медленн\w*|плавн\w*|мягк\w*|慢|缓|緩|轻轻|ゆっくり",
)
FAST = words(
    r"quick\w*|fast|faster|rapid\w*|swift\w*|brisk\w*|whip|dynamic\w*|energetic\w*|dramatic\w*|sudden\w*|speedy",
    r"schnell\w*|rasch\w*|zügig\w*|rápid\w*|rapid[aoe]\w*|vite|vivement|veloce\w*|depressa|быстр\w*|резк\w*|快|急|迅速|速く",
)
VERY = re.compile(
    r"(?:\b(?:very|extremely|super|really|ever so|extra|sehr|ganz|muy|très|muito|molto|очень)\s+|非常|很|极)$"
)
TOO = re.compile(r"(?:\b(?:too|zu|demasiado|trop|troppo|demais|слишком)\s+|太|过于)$")
LESS = re.compile(
    r"(?:\b(?:less|not so|not too|not as|not that|weniger|nicht so|menos|no tan|moins|pas si|meno|менее|не так|не)\s+"
    r"|别太|不要太|不要那么|少)$"
)
MORE = re.compile(r"(?:\b(?:more|even|much|a bit|noch|más|plus|più|mais|более|ещё|еще)\s+|更|再)$")
SLOWER = words(
    r"slower|slow\s+(?:it\s+|this\s+)?down|calmer|gentler|softer|subtler|langsamer|sanfter|ruhiger|медленнее|плавнее",
    r"慢一点|慢一點|慢点|慢些|更慢",
)
FASTER = words(
    r"faster|quicker|speed\s+(?:it\s+|this\s+)?up|livelier|snappier|schneller|быстрее|резче",
    r"快一点|快一點|快点|快些|更快",
)
STRONGER = words(
    r"further|farther|stronger|bigger|more\s+(?:movement|motion|of\s+it|zoom|pan|tilt)|much\s+more|exaggerate\w*"
    r"|stärker|más\s+fuerte|plus\s+fort|più\s+forte|сильнее|больше\s+движени\w*",
    r"幅度更大|更强|更大",
)
WEAKER = words(
    r"less\s+(?:movement|motion|zoom|pan|tilt|camera)\w*|weaker|smaller\s+(?:move|movement)|schwächer|weniger\s+bewegung"
    r"|menos\s+movimiento|moins\s+de\s+mouvement|слабее|меньше\s+движени\w*",
    r"幅度更小|更小",
)
REVERSE = words(
    r"opposite|other\s+(?:way|direction)|reverse\w*|the\s+other\s+way(?:\s+(?:a)?round)?|in\s+reverse",
    r"andersherum|umgekehrt\w*|andere\s+richtung|gegenrichtung|al\s+revés|contrari[oa]|otro\s+(?:lado|sentido)"
    r"|l['’]autre\s+(?:sens|côté)|inverse\w*|sens\s+contraire|altra\s+direzione|ao\s+contrário",
    r"наоборот|в\s+другую\s+сторону|обратн\w*",
    r"反方向|相反|反过来|反過來|逆",
)
HANDHELD = words(
    r"hand\s*held|shaky|wobbly|nervous\s+camera", r"handkamera|wackel\w*|cámara\s+en\s+mano|à\s+l['’]épaule|a\s+mano",
    r"с\s+рук|ручн\w+\s+камер\w*", r"手持|晃动",
)  # fmt: skip
