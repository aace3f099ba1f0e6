"""Wordings by rules: a task's sentence in many words, and what sounds like one and can't be done (config/wordings).

A family (train, development, test) is a grammar of its own for each world: mini's, and those in folders beside it. What
two families share is in shared.yaml.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from zipmo_ros.contract.share import share_path
from zipmo_ros.data.grammar import Grammar, Wording

FOLDER = "config/wordings"
FAMILIES = ("train", "development", "test")
ONCE = "wordings of the family test are for once, at the end: whoever chooses by their figures has no test any more"
INHERITED = ("ask", "words", "gibberish")  # of mini's rules, by those of other worlds, as far as they have none


class Family:
    """mini, worlds: grammars, those of other worlds by their files. The first that knows a sentence is asked."""

    def __init__(self, mini: Grammar, worlds: Mapping[Path, Grammar]) -> None:
        self._mini, self._worlds = mini, worlds

    @classmethod
    def load(cls, name: str) -> Family:
        """A family by its name, or the path of its file. Raises ValueError or FileNotFoundError, naming it."""
        path = share_path(f"{FOLDER}/{name}.yaml") if name in FAMILIES else Path(name)
        shared = share_path(f"{FOLDER}/shared.yaml")
        rules, common = _read(path), _read(shared)
        for others in share_path("config/paraphrases").glob("*.yaml"):  # evaluated too, so none may be trained with
            common["printed"] += [text for several in _read(others).values() for text in several]
        if not isinstance(rules, dict) or not isinstance(rules.get("ask"), dict):
            raise ValueError(f"{path} holds no rules of wordings; see {FOLDER}/train.yaml")
        reserved = path.stem == FAMILIES[-1]
        worlds = {}
        for file in sorted(path.parent.glob(f"*/{path.name}")):
            theirs, facts = _read(file), _read(shared.parent / file.parent.name / shared.name)
            own = {key: rules[key] for key in INHERITED} | theirs | {"words": rules["words"] | theirs["words"]}
            worlds[file] = Grammar(own, facts, reserved)
        return cls(Grammar(rules, common, reserved), worlds)

    def files(self, sentences: Sequence[str]) -> list[Path]:
        """Of those other worlds that sentences are of."""
        return [file for file, grammar in self._worlds.items() if any(map(grammar.command, sentences))]

    def standing(self, sentence: str) -> list[str]:
        """What of a sentence stands on the table, as its landmarks do: what is taken, then what that goes on."""
        return self._of([sentence]).standing(sentence)

    def kinds(self, sentence: str, scene: Sequence[str] = (), places: Mapping[str, str] | None = None) -> list[str]:
        """Kinds that a sentence can be put in; scene and places as `say` takes them."""
        return self._of([sentence]).kinds(sentence, scene, places)

    def say(self, sentence: str, rng: random.Random, scene: Sequence[str] = (),
            places: Mapping[str, str] | None = None, kind: str | None = None) -> Wording:  # fmt: skip
        """A task's sentence in other words, of a kind or of any.

        scene: sentences of all that the scene can do, as far as something else of it may be named. places: where things
        stand, if that is known (see `order`). A sentence that no rule is for stays as it is. Raises ValueError for a
        kind that it can't be put in.
        """
        return self._of([sentence]).say(sentence, rng, scene, places, kind)

    def impossible(self, scene: Sequence[str]) -> list[str]:
        """Kinds of what a scene can't do. Raises ValueError for one of which no sentence has a rule."""
        return self._of(scene).impossible(scene)

    def cannot(self, scene: Sequence[str], rng: random.Random, kind: str | None = None) -> Wording:
        """What a scene that can do `scene` can't, of a kind of IMPOSSIBLE or of any.

        Raises ValueError for a scene of which no sentence has a rule.
        """
        return self._of(scene).cannot(scene, rng, kind)

    def _of(self, sentences: Sequence[str]) -> Grammar:
        """The grammar that knows one of the sentences; none does: mini's, which says so."""
        several = (self._mini, *self._worlds.values())
        return next((grammar for grammar in several if any(map(grammar.command, sentences))), self._mini)


def order(positions: Mapping[str, float], apart: float) -> dict[str, str]:
    """Where each of several things stands, {name: left, middle or right}, of how far to the right they are.

    Empty where that can't be said: of fewer than three, or of two that are not `apart`. Of more than three, the
    outermost and the one in the middle have a place.
    """
    names = sorted(positions, key=lambda name: positions[name])
    gaps = [positions[after] - positions[before] for before, after in itertools.pairwise(names)]
    if len(names) < 3 or min(gaps) < apart:
        return {}
    middle = {names[len(names) // 2]: "middle"} if len(names) % 2 else {}
    return {names[0]: "left", **middle, names[-1]: "right"}


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())
