"""The closed vocabulary of the embedded encoder: phrases to tokens, and messages about unknown words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from espark.errors import EncoderError, nearest
from espark.files import read_json

_WORD = re.compile(r"h&e|[a-z0-9]+")
_LISTED = 400


@dataclass(frozen=True)
class Vocabulary:
    """Words in the order of their tokens; token 0 is padding and word i has token i + 1.

    Attributes:
        words: the known words, lower case, singular.
        synonyms: other spellings and irregular plurals → the known word.
        max_words: longest phrase.
    """

    words: tuple[str, ...]
    synonyms: Mapping[str, str]
    max_words: int = 24

    def tokens(self, phrase: str) -> list[int]:
        """Tokens of a phrase. Case, hyphens and punctuation do not matter; regular plurals are understood.

        Raises:
            EncoderError: when a word is unknown, or the phrase is empty or too long.
        """
        found = _WORD.findall(phrase.lower())
        if not found:
            raise EncoderError(f"the phrase {phrase!r} contains no word", action=self.advice())
        if len(found) > self.max_words:
            raise EncoderError(
                f"the phrase {phrase!r} has {len(found)} words", expected=f"at most {self.max_words} words"
            )
        index = {word: token for token, word in enumerate(self.words, start=1)}
        known = [self._known(word, index) for word in found]
        unknown = [word for word, base in zip(found, known, strict=True) if base is None]
        if unknown:
            hints = [f"{word} (nearest: {near})" if (near := nearest(word, index)) else word for word in unknown]
            raise EncoderError(f"unknown words in {phrase!r}: {', '.join(hints)}", action=self.advice())
        return [index[base] for base in known if base is not None]

    def batch(self, phrases: Sequence[str]) -> list[list[int]]:
        """Tokens of several phrases, padded to the longest."""
        rows = [self.tokens(phrase) for phrase in phrases]
        longest = max(len(row) for row in rows)
        return [row + [0] * (longest - len(row)) for row in rows]

    def advice(self) -> str:
        """The known words, for a message."""
        return f"The embedded encoder knows: {', '.join(sorted(self.words)[:_LISTED])}."

    def _known(self, word: str, index: Mapping[str, int]) -> str | None:
        """The word itself, its other spelling, or its singular; None when all are unknown."""
        candidates = [word, self.synonyms.get(word, "")]
        if word.endswith("s"):
            candidates += [word[:-1], self.synonyms.get(word[:-1], "")]
        if word.endswith("es"):
            candidates.append(word[:-2])
        if word.endswith("ies"):
            candidates.append(word[:-3] + "y")
        return next((candidate for candidate in candidates if candidate in index), None)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read ``vocabulary.json``: ``words``, ``synonyms``, ``max_words``.

    Raises:
        InputError: when the file is missing or is not JSON.
    """
    content = read_json(path)
    return Vocabulary(tuple(content["words"]), dict(content["synonyms"]), int(content["max_words"]))
