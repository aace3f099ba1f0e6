"""Typing errors mended before a sentence is read: words that are none become the nearest that are one.

SymSpell (symspellpy, MIT) with its own English dictionary, and the words that tasks are said in (`words` of shared.yaml
in config/wordings and the folders there). Of several words that are as near, one of mini's tasks is meant, of those one
of the same letters, else the commonest.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

import yaml

from zipmo_ros.contract.share import share_path

DICTIONARY = "frequency_dictionary_en_82_765.txt"
LETTERS = 4  # words of so many letters at most may be one edit off, longer ones two
RARE = 300_000  # times that such a short word was counted in some 10^12; a rarer one is more often an error
_WORD = re.compile(r"[A-Za-z]{3,}(?![A-Za-z'])")


def mended(text: str) -> str:
    """The text with each mistyped word (three letters or more) replaced by what it is likely to be."""
    return _WORD.sub(lambda match: _mended(match[0]), text)


@cache
def _said() -> frozenset[str]:
    return _words(share_path("config/wordings/shared.yaml"))


def _words(shared: Path) -> frozenset[str]:
    return frozenset(yaml.safe_load(shared.read_text())["words"].split())


@cache
def _dictionary():
    from symspellpy import SymSpell

    symspell = SymSpell(max_dictionary_edit_distance=2)
    with files("symspellpy").joinpath(DICTIONARY).open(encoding="utf-8-sig") as lines:
        for word, count in map(str.split, lines):
            if len(word) > LETTERS or int(count) > RARE:
                symspell.create_dictionary_entry(word, int(count))
    worlds = share_path("config/wordings").rglob("shared.yaml")
    for word in {word for shared in worlds for word in _words(shared)}:
        symspell.create_dictionary_entry(word, 1)
    return symspell


@lru_cache(4096)
def _mended(word: str) -> str:
    from symspellpy import Verbosity

    edits = 1 if len(word) <= LETTERS else 2
    near = _dictionary().lookup(word.lower(), Verbosity.CLOSEST, max_edit_distance=edits)
    if not near or near[0].distance == 0:
        return word
    swapped = sorted(word.lower())
    return min(near, key=lambda other: (other.term not in _said(), sorted(other.term) != swapped, -other.count)).term
