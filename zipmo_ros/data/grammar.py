"""What may be said for the sentences of one world, and what sounds like one of them and can't be done, by rules.

Whoever draws says what the scene can do, by its tasks' own sentences, and where things stand, if that is known: "the
left one" means something else in every episode. Where a world lists its scenes, what else stands in one is known, too.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from zipmo_ros.data.typos import mistyped

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
ABSENT = ("absent_thing", "absent_goal")  # of IMPOSSIBLE: not every verb has both
ANYWHERE = "anywhere"  # what stands there stands in every scene
ELSEWHERE = 0.5  # share of what is absent that stands in other scenes, where those are listed


class Wording(NamedTuple):
    """kind: of KINDS, or of IMPOSSIBLE. means: the own sentence of the task that is meant; None: it can't be done."""

    text: str
    kind: str
    means: str | None


class Meaning(NamedTuple):
    """A task's sentence taken apart: slots {name: value}."""

    verb: str
    slots: dict[str, str]


class Grammar:
    """rules, shared: of a family and of what all share, as config/wordings has them. reserved: may say what was
    printed, and what others evaluate by.
    """

    def __init__(self, rules: Mapping[str, Any], shared: Mapping[str, Any], reserved: bool = False) -> None:
        self._rules, self._verbs = rules, shared["verbs"]
        self._things, self._scenes = shared.get("things", {}), shared.get("scenes", ())
        self._printed = () if reserved else tuple(shared.get("printed", ()))
        self._evaluated = frozenset(() if reserved else map(plain, shared.get("evaluated", ())))
        self._patterns = {verb: [_pattern(match, entry["slots"]) for match in entry["match"]]
                          for verb, entry in self._verbs.items()}  # fmt: skip

    @cached_property
    def sentences(self) -> list[str]:
        """All that can be taken apart: what scenes can do, or where none is listed, all that can be put together."""
        if self._scenes:
            told = dict.fromkeys(sentence for scene in self._scenes for sentence in scene["tasks"])
            return [sentence for sentence in told if self.command(sentence)]
        return [
            match.format(**dict(zip(entry["slots"], values, strict=True)))
            for entry in self._verbs.values()
            for match in entry["match"]
            for values in itertools.product(*entry["slots"].values())
            if len(set(values)) == len(values)
        ]

    def command(self, sentence: str) -> Meaning | None:
        """What a task's own sentence is about; None for one that no rule is for."""
        for verb, patterns in self._patterns.items():
            for pattern in patterns:
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

    def impossible(self, scene: Sequence[str]) -> list[str]:
        """Kinds of what a scene can't do. Raises ValueError for one of which no sentence has a rule."""
        commands = [command for command in map(self.command, scene) if command]
        if not commands or (self._scenes and not self._listed(scene)):
            raise ValueError(f"there are no rules for what can't be done where one can '{', '.join(scene)}'")
        known = {kind for command in commands for kind in self._rules[command.verb]}
        return [kind for kind in IMPOSSIBLE if kind not in ABSENT or kind in known]

    def cannot(self, scene: Sequence[str], rng: random.Random, kind: str | None = None) -> Wording:
        """What a scene that can do `scene` can't, of a kind of IMPOSSIBLE or of any.

        Raises ValueError for a scene of which no sentence has a rule.
        """
        kinds = self.impossible(scene)
        kind = rng.choice(kinds) if kind is None else kind
        if kind not in kinds:
            raise ValueError(f"where one can '{', '.join(scene)}' there is no '{kind}', only {', '.join(kinds)}")
        commands = [command for command in map(self.command, scene) if command]

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
        if kind == "other_scene":
            others = self._elsewhere(scene, commands)
            return self.say(rng.choice(others), rng, others).text
        command = rng.choice([command for command in commands if kind in self._rules[command.verb]])
        options = self._options(command, scene)
        if kind == "prohibition":
            return self._fill(command.verb, kind, options, None, rng)
        slot, names = rng.choice(list(self._rules[command.verb][kind].items()))
        if self._scenes:
            names = [self._absent(command.verb, slot, names, options, self._listed(scene), rng)]
        manner = MANNERS[rng.choice(("plain", "polite", "question", "order"))]
        return self._fill(command.verb, manner.templates, options | {slot: names}, manner.ask, rng, needs=slot)

    def _elsewhere(self, scene: Sequence[str], commands: list[Meaning]) -> list[str]:
        """Sentences that other scenes can do and this one can't: of other verbs, or for want of something."""
        several = [(sentence, command) for sentence in self.sentences if (command := self.command(sentence))]
        if not self._scenes:
            verbs = {command.verb for command in commands}
            return [sentence for sentence, command in several if command.verb not in verbs]
        listed = self._listed(scene)
        return [
            sentence for sentence, command in several
            if any(self._lacks(listed, value) for value in command.slots.values())
        ]  # fmt: skip

    def _absent(self, verb: str, slot: str, names: Sequence[str], options: Mapping[str, Sequence[str]],
                listed: list[Mapping[str, Any]], rng: random.Random) -> str:  # fmt: skip
        """A name of what a scene lacks: one of `names`, or of what stands elsewhere."""
        values = [value for value in self._verbs[verb]["slots"][slot] if self._lacks(listed, value)]
        while True:
            value = rng.choice(values) if values and rng.random() < ELSEWHERE else None
            name = _expand(rng.choice(self._table(verb, "names")[value] if value else names), options, rng)
            if value or self._lacks(listed, name):
                return name

    def _listed(self, scene: Sequence[str]) -> list[Mapping[str, Any]]:
        """What is listed of the scene that can do all this and no more; where none is, of all that it may be."""
        told = set(scene)
        exact = [listed for listed in self._scenes if told == set(listed["tasks"])]
        if found := exact or [listed for listed in self._scenes if told & set(listed["tasks"])]:
            return found
        about = [value for command in map(self.command, scene) if command for value in command.slots.values()]
        return [listed for listed in self._scenes if not any(self._lacks([listed], value) for value in about)]

    def _lacks(self, listed: list[Mapping[str, Any]], name: str) -> bool:
        """Whether in none of several scenes there is what a name, or a slot's value, may mean."""
        return all(
            name in scene.get("lacks", ())
            or not any(mentions(name, noun) for thing in (ANYWHERE, *scene["things"]) for noun in self._things[thing])
            for scene in listed
        )

    def _named(self, command: Meaning, table: str, places: Mapping[str, str] | None) -> dict[str, Sequence[str]]:
        """Slots of a command that a table has names for, with those."""
        if table == "names":
            return {}
        names = self._table(command.verb, table)
        keys = (places or {}) if table == "places" else {value: value for value in command.slots.values()}
        return {slot: names[keys[value]] for slot, value in command.slots.items() if keys.get(value) in names}

    def _options(self, command: Meaning, scene: Sequence[str]) -> dict[str, Sequence[str]]:
        """What every name of the verb's templates may be: its words, its slots, and {not_x}, other values of a slot."""
        rules = self._rules[command.verb]
        options = {**self._rules["words"], **rules.get("words", {})}
        names, own = self._table(command.verb, "names"), command.slots.values()
        others = [other for other in map(self.command, scene) if other and other.verb == command.verb]
        for slot, value in command.slots.items():
            options[slot] = names[value]
            found = sorted({other.slots[slot] for other in others})
            another = [value for value in found if not any(value in of or of in value for of in own)]
            if another:
                options[f"not_{slot}"] = [name for value in another for name in names[value]]
        return options

    def _table(self, verb: str, name: str) -> Mapping[str, Sequence[str]]:
        """Names of slots' values: the verb's own, or those of all verbs."""
        return self._rules[verb].get(name) or self._rules.get(name, {})

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
        """What is made, until it holds nothing that was printed, and is nothing that others evaluate by."""
        text = make()
        while any(printed in text for printed in self._printed) or (self._evaluated and plain(text) in self._evaluated):
            text = make()
        return text


def _expand(text: str, options: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    while found := _SLOT.search(text):
        text = text[: found.start()] + rng.choice(options[found[1]]) + text[found.end() :]
    return " ".join(text.split())


def _pattern(match: str, slots: Mapping[str, Sequence[str]]) -> re.Pattern:
    return re.compile(_SLOT.sub(lambda slot: f"(?P<{slot[1]}>{'|'.join(map(re.escape, slots[slot[1]]))})", match))


def plain(text: str) -> str:
    """As far as two sentences that differ only in capitals and marks are the same."""
    return " ".join(re.findall(r"[\w'-]+", text.lower()))


@lru_cache(100_000)
def mentions(text: str, noun: str) -> bool:
    return re.search(rf"\b{re.escape(noun)}s?\b", text) is not None
