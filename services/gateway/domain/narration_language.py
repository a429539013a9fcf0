"""The language to speak a narration in where nobody has set one: decided over its episode, and told as a guess."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts.values import LanguageGuess


def guess_language(script: str, narrations: Sequence[str]) -> LanguageGuess | None:
    """`narrations`: the scripts of the episode's narrations. None: there is nothing to say."""
    if not script.strip():
        return None
    from shared.media.language import language_of  # loads its model, which only narrations need

    guess = language_of(script, list(narrations))
    return LanguageGuess(language=guess.language, confidence=min(1.0, max(0.0, guess.confidence)))
