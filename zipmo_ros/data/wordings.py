"""Wordings by rules: a task's sentence in many words, and what sounds like one and can't be done (config/wordings).

A family (train, development, test) is a grammar of its own; what two of them share is in shared.yaml. Whoever draws
says what the scene can do, by its tasks' own sentences, and where things stand, if that is known: "the left one" means
something else in every episode.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from zipmo_ros.contract.share import share_path
from zipmo_ros.data.typos import mistyped

FOLDER = "config/wordings"
FAMILIES = ("train", "development", "test")
ONCE = "wordings of the family test are for once, at the end: whoever chooses by their figures has no test any more"
TYPOS = 0.15  # share of what can't be done that is mistyped: as often as what can, or typos would tell
_SLOT = re.compile(r"\{(\w+)\}")


class Manner(NamedTuple):
    """A kind of wording. templates: of the verb. names: which of the verb's tables names what it has a name for. ask:
    what is said around it.
    """

    templates: str = "plain"
    names: str = "names"
    ask: str | None = None


MANNERS = {
    "plain": Manner(), "order": Manner("order"), "polite": Manner(ask="polite"), "question": Manner(ask="question"),
    "look": Manner(names="looks"), "place": Manner(names="places"), "apart": Manner(names="apart"),
    "turned": Manner("turned"), "negation": Manner("negation"), "several": Manner("several"),
}  # fmt: skip
TYPO = "typo"
KINDS = (*MANNERS, TYPO)  # of what can be done
IMPOSSIBLE = ("prohibition", "absent_thing", "absent_goal", "gibberish", "unrelated", "other_scene")


class Wording(NamedTuple):
    """kind: of KINDS, or of IMPOSSIBLE. means: the own sentence of the task that is meant; None: it can't be done."""

    text: str
    kind: str
    means: str | None


class Meaning(NamedTuple):
    """A task's sentence taken apart: slots {name: value}."""

    verb: str
    slots: dict[str, str]


class Family:
    """rules, shared: of the YAML files, which say what is in them. reserved: may say what was printed."""

    def __init__(self, rules: Mapping[str, Any], shared: Mapping[str, Any], reserved: bool = False) -> None:
        self._rules, self._verbs = rules, shared["verbs"]
        self._printed = () if reserved else tuple(shared["printed"])
        self._patterns = {verb: _pattern(entry["match"]) for verb, entry in self._verbs.items()}

    @classmethod
    def load(cls, name: str) -> Family:
        """A family by its name, or the path of its file. Raises ValueError or FileNotFoundError, naming it."""
        path = share_path(f"{FOLDER}/{name}.yaml") if name in FAMILIES else Path(name)
        rules, shared = (yaml.safe_load(file.read_text()) for file in (path, share_path(f"{FOLDER}/shared.yaml")))
        for others in share_path("config/paraphrases").glob("*.yaml"):  # evaluated too, so none may be trained with
            shared["printed"] += [text for several in yaml.safe_load(others.read_text()).values() for text in several]
        if not isinstance(rules, dict) or not isinstance(rules.get("ask"), dict):
            raise ValueError(f"{path} holds no rules of wordings; see {FOLDER}/train.yaml")
        return cls(rules, shared, path.stem == FAMILIES[-1])

    def sentences(self) -> list[str]:
        """All sentences that can be taken apart, whichever scene can do them."""
        return [
            entry["match"].format(**dict(zip(entry["slots"], values, strict=True)))
            for entry in self._verbs.values()
            for values in itertools.product(*entry["slots"].values())
            if len(set(values)) == len(values)
        ]

    def command(self, sentence: str) -> Meaning | None:
        """What a task's own sentence is about; None for one that no rule is for."""
        for verb, pattern in self._patterns.items():
            if match := pattern.fullmatch(sentence):
                return Meaning(verb, match.groupdict())
        return None

    def standing(self, sentence: str) -> list[str]:
        """What of a sentence stands on the table, as its landmarks do: what is taken, then what that goes on."""
        command = self.command(sentence)
        return [command.slots[slot] for slot in self._verbs[command.verb]["stands"]] if command else []

    def kinds(self, sentence: str, scene: Sequence[str] = (), places: Mapping[str, str] | None = None) -> list[str]:
        """Kinds that a sentence can be put in; scene and places as `say` takes them."""
        command = self.command(sentence)
        if command is None:
            return ["plain"]
        options = self._options(command, scene)
        found = [
            kind
            for kind, manner in MANNERS.items()
            if self._usable(command.verb, manner.templates, options)
            and (manner.names == "names" or self._named(command, manner.names, places))
        ]
        return [*found, TYPO]

    def say(self, sentence: str, rng: random.Random, scene: Sequence[str] = (),
            places: Mapping[str, str] | None = None, kind: str | None = None) -> Wording:  # fmt: skip
        """A task's sentence in other words, of a kind or of any.

        scene: sentences of all that the scene can do, as far as something else of it may be named. places: where things
        stand, if that is known (see `order`). A sentence that no rule is for stays as it is. Raises ValueError for a
        kind that it can't be put in.
        """
        command, kinds = self.command(sentence), self.kinds(sentence, scene, places)
        kind = rng.choice(kinds) if kind is None else kind
        if kind not in kinds:
            raise ValueError(f"'{sentence}' can't be put as '{kind}', only as {', '.join(kinds)}")
        if command is None:
            return Wording(sentence, kind, sentence)
        of = rng.choice([other for other in kinds if other != TYPO]) if kind == TYPO else kind
        manner = MANNERS[of]
        named = self._named(command, manner.names, places)
        by = set(rng.sample(sorted(named), rng.randint(1, len(named)))) if named else set()

        def make() -> str:
            options = self._options(command, scene)
            options |= {slot: names for slot, names in named.items() if slot in by}
            text = self._fill(command.verb, manner.templates, options, manner.ask, rng)
            return mistyped(text, rng) if kind == TYPO else text

        return Wording(self._unprinted(make), kind, sentence)

    def cannot(self, scene: Sequence[str], rng: random.Random, kind: str | None = None) -> Wording:
        """What a scene that can do `scene` can't, of a kind of IMPOSSIBLE or of any.

        Raises ValueError for a scene of which no sentence has a rule.
        """
        commands = [command for command in map(self.command, scene) if command]
        if not commands:
            raise ValueError(f"there are no rules for what can't be done where one can '{', '.join(scene)}'")
        kind = rng.choice(IMPOSSIBLE) if kind is None else kind

        def make() -> str:
            text = self._impossible(kind, scene, commands, rng)
            return mistyped(text, rng) if kind != "gibberish" and rng.random() < TYPOS else text

        return Wording(self._unprinted(make), kind, None)

    def _impossible(self, kind: str, scene: Sequence[str], commands: list[Meaning], rng: random.Random) -> str:
        if kind == "gibberish":
            lengths = rng.choices((1, 2, 3), k=rng.randint(1, 6))
            return " ".join("".join(rng.choices(self._rules["gibberish"], k=length)) for length in lengths)
        if kind == "unrelated":
            return _expand(rng.choice(self._rules["unrelated"]), self._rules["words"], rng)
        verbs = {command.verb for command in commands}
        if kind == "other_scene":
            others = [sentence for sentence in self.sentences() if self.command(sentence).verb not in verbs]  # type: ignore[union-attr]
            return self.say(rng.choice(others), rng, others).text
        command = rng.choice(commands)
        options = self._options(command, scene)
        if kind == "prohibition":
            return self._fill(command.verb, kind, options, None, rng)
        slot, names = rng.choice(list(self._rules[command.verb][kind].items()))
        manner = MANNERS[rng.choice(("plain", "polite", "question", "order"))]
        return self._fill(command.verb, manner.templates, options | {slot: names}, manner.ask, rng, needs=slot)

    def _named(self, command: Meaning, table: str, places: Mapping[str, str] | None) -> dict[str, Sequence[str]]:
        """Slots of a command that a table has names for, with those."""
        if table == "names":
            return {}
        names = self._rules[command.verb].get(table, {})
        keys = (places or {}) if table == "places" else {value: value for value in command.slots.values()}
        return {slot: names[keys[value]] for slot, value in command.slots.items() if keys.get(value) in names}

    def _options(self, command: Meaning, scene: Sequence[str]) -> dict[str, Sequence[str]]:
        """What every name of the verb's templates may be: its words, its slots, and {not_x}, other values of a slot."""
        rules = self._rules[command.verb]
        options = {**self._rules["words"], **rules["words"]}
        others = [other for other in map(self.command, scene) if other and other.verb == command.verb]
        for slot, value in command.slots.items():
            options[slot] = rules["names"][value]
            another = {other.slots[slot] for other in others} - set(command.slots.values())
            if another:
                options[f"not_{slot}"] = [name for value in sorted(another) for name in rules["names"][value]]
        return options

    def _usable(self, verb: str, templates: str, options: Mapping[str, Sequence[str]]) -> list[str]:
        """The verb's templates of which all names are known."""
        every = self._rules[verb].get(templates, ())
        return [template for template in every if all(name in options for name in _SLOT.findall(template))]

    def _fill(self, verb: str, templates: str, options: Mapping[str, Sequence[str]], ask: str | None,
              rng: random.Random, needs: str = "") -> str:  # fmt: skip
        """One of a verb's templates, one that has `needs` in it."""
        text = rng.choice([template for template in self._usable(verb, templates, options) if f"{{{needs}" in template])
        return _expand(rng.choice(self._rules["ask"][ask]).replace("{do}", text) if ask else text, options, rng)

    def _unprinted(self, make: Callable[[], str]) -> str:
        """What is made, until it holds nothing that was printed."""
        text = make()
        while any(printed in text for printed in self._printed):
            text = make()
        return text


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


def _expand(text: str, options: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    while found := _SLOT.search(text):
        text = text[: found.start()] + rng.choice(options[found[1]]) + text[found.end() :]
    return " ".join(text.split())


def _pattern(match: str) -> re.Pattern:
    return re.compile(_SLOT.sub(r"(?P<\1>\\w+)", match))
