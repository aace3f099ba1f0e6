"""Wordings by rules: families that are apart, wordings that mean what they say, and typing errors."""

import random
import re
from itertools import combinations

import pytest
import yaml

from zipmo_ros.contract.share import share_path
from zipmo_ros.data.grammar import IMPOSSIBLE, KINDS, MANNERS, TYPO, Grammar
from zipmo_ros.data.typos import BESIDE, MOST, RULES, mistyped
from zipmo_ros.data.wordings import FAMILIES, Family, order
from zipmo_sim import suites

WORLDS = ("", "libero/")  # folders of config/wordings


def read(world, name):
    return yaml.safe_load(share_path(f"config/wordings/{world}{name}.yaml").read_text())


SHARED = read("", "shared")
RULES_OF = {name: read("", name) for name in FAMILIES}
TEMPLATES = {*(manner.templates for manner in MANNERS.values()), "prohibition", "ask", "unrelated"}
TASKS = {task.scene: task for task in suites.tasks("mini")}
SCENES = {scene: suites.sentences(task) for scene, task in TASKS.items()}
PLACES = {
    "bins": {"milk": "left", "can": "middle", "bread": "right"},
    "blocks": {"blue": "left", "red": "middle", "green": "right"},
    "lever": {},
}
DRAWS = 100  # of each sentence, and three times as many of what can't be done in its scene


def words_of(text):
    return set(re.findall(r"[a-z]+", re.sub(r"\{\w+\}", " ", text.lower())))


def texts_in(rules):
    if isinstance(rules, str):
        yield rules
    for inner in rules.values() if isinstance(rules, dict) else rules if isinstance(rules, list) else ():
        yield from texts_in(inner)


def templates_in(rules):
    """Templates of whole sentences."""
    for key, inner in rules.items() if isinstance(rules, dict) else ():
        yield from texts_in(inner) if key in TEMPLATES else templates_in(inner)


@pytest.fixture(scope="module")
def drawn():
    """Thousands of wordings of each family: {family: [(scene, wording)]}."""
    found = {}
    for name in FAMILIES:
        family, rng, found[name] = Family.load(name), random.Random(0), []
        for scene, sentences in SCENES.items():
            for sentence in sentences:
                found[name] += [(scene, family.say(sentence, rng, sentences, PLACES[scene])) for _ in range(DRAWS)]
                found[name] += [(scene, family.cannot(sentences, rng)) for _ in range(3 * DRAWS)]
    return found


@pytest.mark.parametrize(("one", "other"), [*combinations(FAMILIES, 2)])
def test_families_are_apart_by_word_and_by_template(one, other, drawn):
    """Over all worlds together: names of shared words alone, as "left {bin}", may be alike."""
    rules = [[read(world, name) for world in WORLDS] for name in (one, other)]
    words = [set().union(*(words_of(text) for several in family for text in texts_in(several | {"gibberish": []})))
             for family in rules]  # fmt: skip
    shared = " ".join(read(world, "shared")["words"] for world in WORLDS)
    assert not (words[0] & words[1]) - set(shared.split())
    templates = [{text for several in family for text in templates_in(several)} for family in rules]
    assert min(map(len, templates)) > 100
    assert templates[0] & templates[1] <= {"{chat}"}
    said = [{wording.text for _, wording in drawn[name]} for name in (one, other)]
    assert min(map(len, said)) > 1000
    assert not said[0] & said[1]


def test_what_was_printed_is_said_by_the_test_family_alone(drawn):
    for name in FAMILIES[:2]:
        texts = [wording.text for _, wording in drawn[name]]
        assert not [text for text in texts if any(printed in text for printed in SHARED["printed"])]
    paraphrases = yaml.safe_load(share_path("config/paraphrases/mini.yaml").read_text())
    evaluated = {text for several in paraphrases.values() for text in several}
    assert not evaluated & {wording.text for name in FAMILIES[:2] for _, wording in drawn[name]}
    allowed = " | ".join(wording.text for _, wording in drawn[FAMILIES[-1]])
    assert all(printed in allowed for printed in ("bin that is not on the left", "the apple", "the middle bin"))


def test_every_kind_is_drawn_and_says_what_it_means(drawn):
    for name, wordings in drawn.items():
        assert {wording.kind for _, wording in wordings} == {*KINDS, *IMPOSSIBLE}, name
        for scene, wording in wordings:
            assert (wording.means is None) == (wording.kind in IMPOSSIBLE)
            assert wording.means is None or wording.means in SCENES[scene]
            assert "{" not in wording.text
            assert wording.text == " ".join(wording.text.split())


def test_what_is_there_is_not_called_absent():
    """Names of absent things and goals are no names of what the scene has."""
    for name, rules in RULES_OF.items():
        for verb, entry in SHARED["verbs"].items():
            here = {text for slot in entry["slots"] for value in entry["slots"][slot] for table in ("names", "looks")
                    for text in rules[verb].get(table, {}).get(value, [])}  # fmt: skip
            absent = [text for kind in ("absent_thing", "absent_goal") for text in texts_in(rules[verb][kind])]
            assert absent
            assert not set(absent) & here, (name, verb)


def test_places_are_of_the_layout():
    family, rng = Family.load("train"), random.Random(0)
    sentence = "put the can in the left bin"
    assert "place" in family.kinds(sentence, places={"can": "middle"})
    assert "place" not in family.kinds(sentence)
    with pytest.raises(ValueError, match="can't be put as 'place', only as plain"):
        family.say(sentence, rng, kind="place")
    texts = [family.say(sentence, rng, SCENES["bins"], {"can": "middle"}, "place").text for _ in range(50)]
    said = "middle|between|central|second|centre|inner|each side|surrounded|halfway"
    assert all(re.search(said, text) for text in texts)
    assert not any(re.search("can|soda|tin", text) for text in texts)


def test_others_of_the_scene_are_named_beside():
    family, rng = Family.load("train"), random.Random(0)
    texts = [family.say(SCENES["bins"][0], rng, SCENES["bins"], kind="negation").text for _ in range(200)]
    assert any("bread" in text for text in texts)
    assert "several" not in family.kinds(SCENES["bins"][0])  # nothing is known of what else is there


def test_a_sentence_without_rules_stays_as_it_is():
    family, rng = Family.load("train"), random.Random(0)
    assert family.kinds("open the shed") == ["plain"]
    assert family.say("open the shed", rng) == ("open the shed", "plain", "open the shed")
    with pytest.raises(ValueError, match="no rules for what can't be done where one can 'open the shed'"):
        family.cannot(["open the shed"], rng)


def test_what_is_no_family_is_named(tmp_path):
    (tmp_path / "list.yaml").write_text("- match: a")
    with pytest.raises(ValueError, match=r"list\.yaml holds no rules"):
        Family.load(str(tmp_path / "list.yaml"))


def test_every_task_of_mini_has_rules():
    sentences = {sentence for scene in SCENES.values() for sentence in scene}
    assert sentences == set(Grammar(RULES_OF["train"], SHARED).sentences)
    assert {task.language for task in suites.tasks("mini")} < sentences  # stacking blue has no task


def test_order_says_left_middle_and_right():
    assert order({"b": 0.0, "a": -0.2, "c": 0.2}, 0.05) == {"a": "left", "b": "middle", "c": "right"}
    assert order({"b": 0.0, "a": -0.2, "c": 0.04}, 0.05) == {}
    assert order({"b": 0.0, "a": -0.2}, 0.05) == {}
    assert order({"b": 0.0, "a": -0.2, "c": 0.2, "d": 0.4}, 0.05) == {"a": "left", "d": "right"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_typing_errors_are_small(rule):
    rng = random.Random(0)
    for at in range(4):
        wrong = rule("block", at, rng)
        assert abs(len(wrong) - 5) <= 1
        assert wrong != "block"
    assert BESIDE["a"] == "s"
    assert BESIDE["f"] == "dg"


def test_a_few_words_are_mistyped():
    text, rng = "put the milk in the left bin", random.Random(0)
    for _ in range(300):
        changed = [a for a, b in zip(text.split(), mistyped(text, rng).split(), strict=True) if a != b]
        assert 1 <= len(changed) <= MOST
        assert "in" not in changed
    assert mistyped("to go", rng) == "to go"
    assert TYPO not in MANNERS
