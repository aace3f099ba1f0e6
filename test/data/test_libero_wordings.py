"""Wordings about LIBERO: every sentence has some, and what is called absent is not there."""

import random
import re
from itertools import chain

import pytest
import yaml

from zipmo_ros.contract.share import share_path
from zipmo_ros.data import grammar
from zipmo_ros.data.grammar import IMPOSSIBLE, KINDS, Grammar, mentions, plain
from zipmo_ros.data.wordings import FAMILIES, Family
from zipmo_ros.motion.spelling import mended
from zipmo_sim import suites
from zipmo_sim.suites.libero.assets import bddl_file

pytestmark = pytest.mark.libero

SUITES = ("libero_object", "libero_spatial", "libero_goal", "libero_10")
RULES, SHARED = ({name: yaml.safe_load(share_path(f"config/wordings/libero/{name}.yaml").read_text()) for name in names}
                 for names in (FAMILIES, ["shared"]))  # fmt: skip
SHARED = SHARED["shared"]
# What task files call things that sentences call otherwise; what is called by its own name is not here.
CALLED = {
    "akita_black_bowl": "black bowl", "cookies": "cookie box", "glazed_rim_porcelain_ramekin": "ramekin",
    "wooden_cabinet": "cabinet", "white_cabinet": "cabinet", "flat_stove": "stove", "wine_rack": "rack",
    "chefmate_8_frypan": "frying pan", "porcelain_mug": "white mug", "white_yellow_mug": "yellow and white mug",
    "red_coffee_mug": "red mug", "black_book": "book", "yellow_book": "book", "desk_caddy": "caddy",
    "wooden_two_layer_shelf": "shelf", "wooden_shelf": "shelf", "wooden_tray": "tray",
    "new_salad_dressing": "salad dressing",
}  # fmt: skip
BOWLS = {  # where task files have a bowl, as sentences say it
    "next_to_ramekin_region": "next to the ramekin", "next_to_plate_region": "next to the plate",
    "next_to_box_region": "next to the cookie box", "cookies_1": "on the cookie box",
    "flat_stove_1_cook_region": "on the stove", "wooden_cabinet_1_top_side": "on the wooden cabinet",
    "wooden_cabinet_1_top_region": "in the top drawer of the wooden cabinet", "table_center": "from table center",
    "glazed_rim_porcelain_ramekin_1": "on the ramekin",
    "between_plate_ramekin_region": "between the plate and the ramekin",
}  # fmt: skip


def scenes(*names):
    """{scene's sentences: one of its tasks}."""
    return {frozenset(suites.sentences(task)): task for name in names for task in suites.tasks(name)}


def things_in(task):
    """What stands in a task's scene, by its file."""
    text = bddl_file(task.suite, task.name).read_text()
    parts = [re.search(rf"\(:{part}\n(.*?)\n\s*\)", text, re.DOTALL)[1] for part in ("objects", "fixtures")]
    kinds = [line.split("-")[-1].strip() for part in parts for line in part.splitlines() if line.strip()]
    return {CALLED.get(kind, kind.replace("_", " ")) for kind in kinds if not re.search("table|floor", kind)}


def test_scenes_are_listed_as_task_files_have_them():
    listed = {frozenset(scene["tasks"]): scene for scene in SHARED["scenes"]}
    found = scenes(*SUITES, "libero_90")
    assert set(listed) == set(found)
    for sentences, task in found.items():
        assert set(listed[sentences]["things"]) == things_in(task), task.name
        if task.suite == "libero_object":
            taken = {re.fullmatch("pick up the (.+) and place it in the basket", said)[1] for said in sentences}
            assert {*taken, "basket"} == things_in(task)
        if task.suite == "libero_spatial":
            text = bddl_file(task.suite, task.name).read_text()
            placed = re.findall(r"\((?:On|In) akita_black_bowl_[12] (?:main_table_)?(\w+)\)", text)[:2]
            own, other = (f"black bowl {BOWLS[where]}" for where in placed)
            assert suites.sentences(task) == [f"pick up the {bowl} and place it on the plate" for bowl in (own, other)]
            assert own in task.language
            assert not {own, other} & set(listed[sentences]["lacks"])


@pytest.mark.parametrize("name", FAMILIES)
def test_every_sentence_and_every_scene_has_wordings(name):
    family, rng = Family.load(name), random.Random(0)
    for sentences, task in scenes(*SUITES).items():
        scene = suites.sentences(task)
        for kind in IMPOSSIBLE:
            assert family.cannot(scene, rng, kind).means is None
        for sentence in sentences:
            kinds = family.kinds(sentence, scene)
            if "drawer of the cabinet and open" in sentence:  # of libero_90 alone
                assert kinds == ["plain"]
                continue
            assert {"plain", "order", "polite", "question", "typo"} <= set(kinds) <= set(KINDS)
            for kind in kinds:
                said = family.say(sentence, rng, scene, kind=kind)
                assert said.means == sentence
                assert "{" not in said.text
    ninety = [task.language for task in suites.tasks("libero_90")]
    assert sum(family.kinds(sentence) != ["plain"] for sentence in ninety) >= 60


def test_what_is_absent_is_not_in_the_scene(monkeypatch):
    """By libero_object, whose things have names without a part that a place has, too."""
    monkeypatch.setattr(grammar, "TYPOS", 0)
    for name in FAMILIES:
        family, rng, names = Family.load(name), random.Random(0), RULES[name]["names"]
        for task in scenes("libero_object").values():
            here = set(chain.from_iterable(names[thing] for thing in things_in(task) - {"basket"}))
            for _ in range(60):
                said = family.cannot([task.language], rng, "absent_thing").text
                assert not [called for called in here if mentions(said, called)], (task.name, said)
                said = family.cannot([task.language], rng, "absent_goal").text
                assert not mentions(said, "basket"), said


def test_a_bowl_is_absent_from_where_neither_stands(monkeypatch):
    monkeypatch.setattr(grammar, "TYPOS", 0)
    family, rng = Family.load("train"), random.Random(0)
    bowls = ("pick up the black bowl on the stove and place it on the plate",
             "pick up the black bowl on the wooden cabinet and place it on the plate")  # fmt: skip
    said = [family.cannot(bowls, rng, "absent_thing").text for _ in range(400)]
    absent = [text for text in said if mentions(text, "bowl")]
    assert any(mentions(text, "ramekin") for text in absent)
    assert not [text for text in absent if mentions(text, "stove") or text.count("cabinet") > text.count("drawer")]
    negated = [family.say(bowls[0], rng, bowls, kind="negation").text for _ in range(50)]
    assert all(re.search("cabinet|cupboard|chest of drawers", text) for text in negated)


def test_things_of_other_tasks_are_named_beside():
    family, rng = Family.load("train"), random.Random(0)
    scene = suites.sentences(suites.tasks("libero_goal")[0])
    said = [family.say("put the bowl on the stove", rng, scene, kind="negation").text for _ in range(200)]
    assert any("plate" in text for text in said)
    assert any("wine" in text for text in said)
    assert not any("in the bowl" in text or "inside the bowl" in text for text in said)  # a bowl can't be put in itself


def test_a_scene_that_is_not_listed_is_one_that_has_what_is_told(monkeypatch):
    monkeypatch.setattr(grammar, "TYPOS", 0)
    family, rng = Family.load("train"), random.Random(0)
    said = [family.cannot(["put the wine bottle on the plate"], rng, "absent_thing").text for _ in range(50)]
    assert not any(mentions(text, "bowl") for text in said)  # libero_goal has a bowl beside those two
    with pytest.raises(ValueError, match="no rules for what can't be done where one can 'put the book in the basket'"):
        family.cannot(["put the book in the basket"], rng)


def test_what_others_evaluate_by_is_said_by_the_test_family_alone():
    libero = [
        (suite.base, task) for name, suite in suites.SUITES.items() if suite.libero for task in suites.tasks(name)
    ]
    own, theirs = ({plain(task.language) for base, task in libero if bool(base) == pro} for pro in (False, True))
    assert set(SHARED["evaluated"]) == theirs - own
    for name in FAMILIES[:2]:
        family, rng = Family.load(name), random.Random(0)
        for task in scenes(*SUITES).values():
            scene = suites.sentences(task)
            said = [family.say(sentence, rng, scene).text for sentence in scene for _ in range(20)]
            said += [family.cannot(scene, rng).text for _ in range(20)]
            assert not {plain(text) for text in said} & (theirs - own)


def test_one_that_others_evaluate_by_is_drawn_anew():
    rules = {"words": {}, "ask": {}, "names": {"shed": ["shed", "hut"]}, "open": {"plain": ["unlock the {part}"]}}
    shared = {"verbs": {"open": {"match": ["open the {part}"], "slots": {"part": ["shed"]}, "stands": []}},
              "evaluated": ["Unlock the hut."]}  # fmt: skip
    rng = random.Random(0)
    for reserved, expected in ((False, {"unlock the shed"}), (True, {"unlock the shed", "unlock the hut"})):
        made = Grammar(rules, shared, reserved)
        assert {made.say("open the shed", rng, kind="plain").text for _ in range(30)} == expected


def test_no_word_is_taken_for_a_typing_error():
    """But for the halves of "mustn't", which are left alone where they stand."""
    texts = [" ".join(map(str, _texts(rules))) for rules in (SHARED["verbs"], *RULES.values())]
    words = set(re.findall(r"[a-z']+", re.sub(r"\{\w+\}", " ", " ".join(texts))))
    assert not {word for word in words if mended(word) != word}


def _texts(rules):
    for key, inner in rules.items() if isinstance(rules, dict) else enumerate(rules):
        if isinstance(inner, str):
            yield inner
        elif key != "gibberish":
            yield from _texts(inner)
