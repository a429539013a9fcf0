"""Interprets movie directions as camera moves.

Each line of the text is an instruction, and a later line overrides an earlier one, because the suggested change of a
rejection is appended to the directions as a new line. A line that names a move replaces the move. A line that only
names a pace, "the other way" or "no zoom" modifies the move before it. Any other line leaves the camera unchanged
(`grade` interprets words about the look). Within a line, moves joined by commas and "and" are simultaneous; "then" or a
new sentence puts them in sequence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from services.generator.providers.animatic import vocabulary as v
from services.generator.providers.animatic.vocabulary import Verb, Way

SLOWEST, FASTEST = 0.2, 2.5
# Instructions are short; of longer text only the end is read, because the time grows with the square of the length.
LONGEST_LINE, LONGEST_TEXT = 1_500, 20_000


@dataclass(frozen=True)
class Move:
    """One move. Signs are relative to the camera: pan +1 moves right, tilt +1 moves down, zoom +1 moves in.

    `free` names a move without a direction ("pan", "tilt", "drift"), which the seed chooses. `focus` is the target of a
    zoom, as shares of the picture's width and height; None leaves it to the picture.
    """

    pan: int = 0
    tilt: int = 0
    zoom: int = 0
    strength: float = 1.0
    free: Verb | None = None
    focus: tuple[float, float] | None = None

    def moves(self) -> bool:
        return bool(self.pan or self.tilt or self.zoom or self.free)

    def reversed(self) -> Move:
        return replace(self, pan=-self.pan, tilt=-self.tilt, zoom=-self.zoom)


@dataclass(frozen=True)
class Directions:
    """Consecutive moves, their speed (1 is normal), and whether the camera is handheld. Empty if no move was named."""

    moves: tuple[Move, ...] = ()
    speed: float = 1.0
    handheld: bool = False


@dataclass(frozen=True)
class _Token:
    verb: Verb
    start: int
    end: int
    negated: bool
    way: Way | None = None  # of a weak verb that implies a direction ("rises")


def read_directions(text: str) -> Directions:
    """The camera moves in `text`; the module docstring explains how lines combine."""
    state = Directions()
    for line in text[-LONGEST_TEXT:].splitlines():
        if cleaned := _clean(line[-LONGEST_LINE:]):
            state = _apply(state, cleaned)
    return state


def _clean(line: str) -> str:
    line = re.sub(r"(?<=\w)[-‐‑–](?=\w)", " ", line.casefold().replace("’", "'"))
    return v.IDIOMS.sub(lambda found: "·" * len(found.group()), line).strip()


def _apply(state: Directions, line: str) -> Directions:
    clauses = [c for sentence in v.SENTENCE.split(line) for c in v.THEN.split(sentence) if c and c.strip()]
    tokens = _verbs(clauses)
    dropped = {t.verb for found in tokens for t in found if t.negated}
    spoken = [(c, found) for c, found in zip(clauses, tokens, strict=True) if found or not any(tokens)]
    moves = [move for clause, found in spoken if (move := _move(clause, found))]
    changed = state
    if moves:
        changed = replace(state, moves=tuple(moves))
    elif dropped:
        changed = replace(state, moves=tuple(_without(m, dropped) for m in state.moves))
    elif v.REVERSE.search(line):
        changed = replace(state, moves=tuple(m.reversed() for m in state.moves))
    return replace(changed, speed=_pace(line, state.speed), handheld=state.handheld or _said(v.HANDHELD, line))


def _said(pattern: re.Pattern[str], line: str) -> bool:
    return any(not v.NOT.search(line[: found.start()]) for found in pattern.finditer(line))


def _verbs(clauses: list[str]) -> list[list[_Token]]:
    """The camera verbs of each clause. A weak one counts only if the camera is its subject or the line has no strong
    one."""
    found = []
    for clause in clauses:
        strong, rest = _find(clause, v.STRONG)
        strong = [t for t in strong if t.verb is not Verb.HOLD or _is_hold(clause, t)]
        weak = [(t, _is_cameras(clause, t)) for t in _find(rest, v.WEAK)[0]]
        found.append((strong, [(t, cameras) for t, cameras in weak if cameras or t.verb is not Verb.HOLD]))
    any_strong = any(strong for strong, _ in found)
    return [
        strong + [t for t, cameras in weak if (cameras or not any_strong) and t.verb not in {s.verb for s in strong}]
        for strong, weak in found
    ]


def _is_cameras(clause: str, token: _Token) -> bool:
    """Whether the part of the sentence around the verb names the camera."""
    borders = [0, *(m.start() for m in v.PART.finditer(clause)), len(clause)]
    begin = max(border for border in borders if border <= token.start)
    end = min(border for border in borders if border >= token.end)
    return v.CAMERA.search(clause[begin:end]) is not None


def _is_hold(clause: str, token: _Token) -> bool:
    """ "Hold" as an instruction ("hold on her face", "..., hold"), not as an action of the subject."""
    if clause[token.start : token.end] != "hold" or _is_cameras(clause, token):
        return True
    before = clause[: token.start].rstrip()
    after = clause[token.end :].lstrip()
    opens = not before or before.endswith((",", "and", "just"))
    return opens and (not after or re.match(r"(?:on|still|steady|for|it|the)\b|[,\d]", after) is not None)


def _find(clause: str, table: Iterable[tuple[Verb, re.Pattern[str]]]) -> tuple[list[_Token], str]:
    """The matches of a table, and the clause with them blanked, so that no word is read twice."""
    found: list[_Token] = []
    for verb, pattern in table:
        for match in list(pattern.finditer(clause)):
            word = match.group()
            way = Way.UP if v.RISING.fullmatch(word) else Way.DOWN if v.SINKING.fullmatch(word) else None
            negated = v.NOT.search(clause[: match.start()]) is not None and not v.LESS.search(clause[: match.start()])
            found.append(_Token(verb, match.start(), match.end(), negated, way))
            clause = clause[: match.start()] + "·" * len(word) + clause[match.end() :]
    return sorted(found, key=lambda t: t.start), clause


def _ways(clause: str, tokens: list[_Token]) -> list[Way]:
    """The directions in a clause, in order; the later of two opposites wins. "From the left" means to the right."""
    for token in tokens:
        if token.negated:  # "instead of panning left": its direction is negated as well
            tail = re.match(r"[\s·]*(?:\w+\s+){0,2}?", clause[token.end :])
            end = token.end + (tail.end() if tail else 0)
            for _, pattern in v.WAYS:
                if match := pattern.match(clause, end):
                    end = match.end()
            clause = clause[: token.start] + "·" * (end - token.start) + clause[end:]
        else:
            clause = clause[: token.start] + "·" * (token.end - token.start) + clause[token.end :]
    clause = v.PACE_IDIOMS.sub(lambda found: "·" * len(found.group()), clause)
    to: list[tuple[int, Way]] = []
    origins: list[tuple[int, Way]] = []
    for way, pattern in v.WAYS:
        for match in pattern.finditer(clause):
            before = clause[max(0, match.start() - 12) : match.start()].rstrip()
            after_from = any(f.end() == len(before) for f in v.FROM.finditer(before))
            origin = after_from or v.OF_ORIGIN.fullmatch(match.group())
            (origins if origin else to).append((match.start(), way))
    axes = {_axis(way) for _, way in to}
    to += [(at, _OPPOSITE[way]) for at, way in origins if _axis(way) not in axes and way in _OPPOSITE]
    return [way for _, way in sorted(to)]


_OPPOSITE = {Way.LEFT: Way.RIGHT, Way.RIGHT: Way.LEFT, Way.UP: Way.DOWN, Way.DOWN: Way.UP}


def _axis(way: Way) -> str:
    return "x" if way in (Way.LEFT, Way.RIGHT) else "y" if way in (Way.UP, Way.DOWN) else ""


def _signs(ways: Iterable[Way]) -> tuple[int, int]:
    x = y = 0
    for way in ways:
        match way:
            case Way.LEFT | Way.RIGHT:
                x = -1 if way is Way.LEFT else 1
            case Way.UP | Way.DOWN:
                y = -1 if way is Way.UP else 1
            case Way.CENTRE:
                pass
    return x, y


def _move(clause: str, tokens: list[_Token]) -> Move | None:
    """The move of a clause, or None if it names none. Directions without a verb mean a pan or a tilt."""
    verbs = {t.verb for t in tokens if not t.negated}
    ways = _ways(clause, tokens)
    x, y = _signs([*ways, *(t.way for t in tokens if t.way and not t.negated)])
    if not tokens:
        return Move(pan=x, tilt=y) if x or y else None
    if not verbs:
        return None
    if verbs == {Verb.HOLD}:
        return Move()
    zoom = (Verb.PUSH in verbs) - (Verb.PULL in verbs)
    turning = verbs & {Verb.PAN, Verb.TILT, Verb.DRIFT, Verb.ORBIT}
    if not turning:
        focus = _focus(ways) if zoom else None
        return Move(zoom=zoom, focus=focus)
    free = None if x or y else next(k for k in (Verb.PAN, Verb.TILT, Verb.ORBIT, Verb.DRIFT) if k in turning)
    if free is Verb.ORBIT:
        return Move(zoom=zoom or 1, free=Verb.PAN, strength=0.8)
    strength = 0.6 if Verb.DRIFT in turning else 1.0
    return Move(pan=x, tilt=y, zoom=zoom, free=free, strength=strength)


def _focus(ways: list[Way]) -> tuple[float, float] | None:
    if not ways:
        return None
    x, y = _signs(ways)
    return 0.5 + 0.24 * x, 0.5 + 0.22 * y


def _without(move: Move, dropped: set[Verb]) -> Move:
    if dropped & {Verb.PUSH, Verb.PULL}:
        move = replace(move, zoom=0)
    if dropped & {Verb.PAN, Verb.ORBIT}:
        move = replace(move, pan=0, free=None)
    if Verb.TILT in dropped:
        move = replace(move, tilt=0)
    if Verb.DRIFT in dropped:
        move = replace(move, pan=0, tilt=0, free=None)
    return move


def _pace(line: str, before: float) -> float:
    """The speed after a line. Comparatives ("slower", "too fast", "not so quickly") are relative to the speed
    before."""
    rules: tuple[tuple[re.Pattern[str], float], ...] = (
        (v.SLOWER, 0.55), (v.FASTER, 1.8), (v.WEAKER, 0.5), (v.STRONGER, 1.6),
    )  # fmt: skip
    factor = 1.0
    for pattern, change in rules:
        if pattern.search(line):
            factor *= change
            line = pattern.sub("·", line)
    for pattern, change, plain in ((v.SLOW, 0.55, 0.5), (v.FAST, 1.8, 1.7)):
        for match in pattern.finditer(line):
            verdict = _verdict(line[: match.start()])
            before, factor = verdict(before, factor, change, plain)
    return min(FASTEST, max(SLOWEST, before * factor))


def _verdict(text: str) -> Callable[[float, float, float, float], tuple[float, float]]:
    """How the words before a pace modify it: (speed so far, factor, change, plain value) -> (speed, factor)."""
    if v.TOO.search(text) and not v.NOT.search(text):
        return lambda speed, factor, change, _: (speed, factor / change)
    if v.LESS.search(text) or v.NOT.search(text):
        return lambda speed, factor, change, _: (speed, factor / change)
    if v.MORE.search(text):
        return lambda speed, factor, change, _: (speed, factor * change)
    if v.VERY.search(text):
        return lambda _, factor, __, plain: (plain * (0.6 if plain < 1 else 1.4), factor)
    return lambda _, factor, __, plain: (plain, factor)
