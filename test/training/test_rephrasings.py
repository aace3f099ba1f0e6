"""What training may say, against what `instruction=paraphrase` evaluates: apart, and how far."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from zipmo_ros.training.recipe import TrainingRecipe
from zipmo_ros.training.rephrasing import Rephrasing
from zipmo_ros.training.wordings import load_words
from zipmo_sim.suites import tasks

CONFIG = Path(__file__).parents[2] / "config"


def words_of(sentence: str) -> list[str]:
    """The sentence's words, without case and punctuation; "left-hand" is two."""
    return re.findall(r"[a-z0-9]+", sentence.lower())


def edit_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words to insert, delete or replace to make one of the other (Levenshtein)."""
    row = list(range(len(second) + 1))
    for i, word in enumerate(first, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(second, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


@pytest.fixture(scope="module")
def evaluated():
    """Words of the sentences that are evaluated {task: [[word, ...], ...]}."""
    sentences = yaml.safe_load((CONFIG / "paraphrases/mini.yaml").read_text())
    return {task: [words_of(sentence) for sentence in several] for task, several in sentences.items()}


@pytest.fixture(scope="module")
def trained():
    """Words of all sentences that training can say of any task of mini."""
    rephrasing = Rephrasing.load(CONFIG / "rephrasings.yaml")
    return [words_of(variant) for task in tasks("mini") for variant in rephrasing.variants(task.language)]


def test_words_have_neither_case_nor_punctuation():
    assert words_of("  Grasp the can,  then put it in the LEFT-hand bin: ") == [
        *("grasp", "the", "can", "then", "put", "it", "in", "the", "left", "hand", "bin")
    ]


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ("", "a b", 2),
        ("put the can in", "put the can in", 0),
        ("put the can in", "put the milk in", 1),
        ("put the can in", "the can in the bin", 3),
        ("a b", "b a", 2),
    ],
)
def test_distance_in_words(first, second, distance):
    assert edit_distance(first.split(), second.split()) == distance
    assert edit_distance(second.split(), first.split()) == distance


def test_every_task_is_evaluated_and_rephrased(evaluated, trained):
    assert list(evaluated) == [task.name for task in tasks("mini")]
    assert len(trained) > 20 * len(evaluated)  # of a template that no longer matched, one a task would be left


def test_no_sentence_that_is_evaluated_can_occur_in_training(evaluated, trained):
    said = {tuple(words) for words in trained}
    both = [" ".join(words) for several in evaluated.values() for words in several if tuple(words) in said]
    assert not both


def test_how_far_the_evaluated_sentences_are_from_training(evaluated, trained):
    """The figures that README, the card and the files in config quote: whoever changes the sentences changes those."""
    sentences = [words for several in evaluated.values() for words in several]
    known = {word for words in trained for word in words}
    tokens = [word for words in sentences for word in words]
    new = Counter(word for word in tokens if word not in known)
    distances = Counter(min(edit_distance(words, other) for other in trained) for words in sentences)
    assert (len(sentences), len(trained)) == (50, 828)
    # Tokens, different words, and those that no sentence of training has.
    assert (len(tokens), len(set(tokens)), new) == (466, 54, {"could": 10})
    # Words to change for the nearest sentence of training: of how many sentences.
    assert distances == {1: 12, 2: 10, 3: 14, 4: 12, 7: 2}


def test_none_of_them_is_drawn_for_nano_mini(evaluated):
    keys = TrainingRecipe.load("nano-mini").first.train["planner"]
    rules = load_words(CONFIG.parent / keys["rephrasings"], keys["wordings"])
    sentences = [task.language for task in tasks("mini")]
    drawn = set()
    for scene in (sentences[:6], sentences[6:8], sentences[8:]):
        for sentence in scene:
            for _, texts in rules.variants(sentence, scene):
                drawn |= {tuple(words_of(text)) for text in texts}
    assert len(drawn) > 10_000
    assert not drawn & {tuple(words) for several in evaluated.values() for words in several}
