"""Typing errors by rules: letters swapped, dropped, doubled, or hit beside."""

from __future__ import annotations

import random
import re

MOST = 3  # words of a sentence that are mistyped
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
BESIDE = {
    key: "".join(row[i - 1 : i] * bool(i) + row[i + 1 : i + 2]) for row in _ROWS for i, key in enumerate(row)
}  # on a QWERTY keyboard, in the same row


def _swap(word: str, at: int, rng: random.Random) -> str:
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _drop(word: str, at: int, rng: random.Random) -> str:
    return word[:at] + word[at + 1 :]


def _double(word: str, at: int, rng: random.Random) -> str:
    return word[: at + 1] + word[at:]


def _slip(word: str, at: int, rng: random.Random) -> str:
    return word[:at] + rng.choice(BESIDE[word[at]]) + word[at + 1 :]


RULES = (_swap, _drop, _double, _slip)


def mistyped(text: str, rng: random.Random) -> str:
    """The text with one to MOST words of three or more letters mistyped, if it has any."""
    words = [match.span() for match in re.finditer(r"[a-z]{3,}", text)]
    chosen = rng.sample(words, min(len(words), rng.randint(1, MOST)))
    for start, stop in sorted(chosen, reverse=True):
        word = text[start:stop]
        while (wrong := rng.choice(RULES)(word, rng.randrange(len(word) - 1), rng)) == word:
            pass
        text = text[:start] + wrong + text[stop:]
    return text
