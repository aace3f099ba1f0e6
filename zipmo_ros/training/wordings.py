"""Wordings to train with, drawn once from rules: so many of every sentence, in each way that things may stand."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from torch import Tensor

from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.data.wordings import Family, order
from zipmo_ros.training.rephrasing import Rephrasing

PLACES = ("", "left", "middle", "right")  # of what stands on the table, "" where that can't be said
# How often each kind of what can't be done is drawn: most often those that one word tells from what can be.
SHARES = {"prohibition": 3, "absent_thing": 3, "absent_goal": 2, "gibberish": 1, "unrelated": 1, "other_scene": 1}
APART = 0.1  # of the first view's half width: things nearer to each other have no places
Standing = tuple[int, int]  # numbers of PLACES: of what a sentence takes, and of what that is to go on


@dataclass(frozen=True)
class DrawnWordings:
    """count: drawn of each sentence in each way that things may stand, and of what each scene can't do."""

    family: Family
    count: int

    def variants(self, sentence: str, scene: Sequence[str]) -> Iterator[tuple[Standing, list[str]]]:
        """Other words for a sentence, by how things stand."""
        names = self.family.standing(sentence)
        ways = itertools.product(range(len(PLACES)), repeat=len(names))
        for way in (way for way in ways if not any(way) or (all(way) and len(set(way)) == len(way))):
            places = {name: PLACES[place] for name, place in zip(names, way, strict=True) if place}
            rng = random.Random(f"{sentence} {places}")
            said = [self.family.say(sentence, rng, scene, places).text for _ in range(self.count)]
            yield (*way, 0, 0)[:2], said  # type: ignore[misc]

    def impossible(self, scene: Sequence[str]) -> list[str]:
        """What a scene can't do, in words."""
        rng = random.Random("; ".join(scene))
        kinds = self.family.impossible(scene)
        drawn = rng.choices(kinds, [SHARES[kind] for kind in kinds], k=20 * self.count)
        return [self.family.cannot(scene, rng, kind).text for kind in drawn]

    def standing(self, windows: DemonstrationWindows) -> Tensor:
        """How things stand when a window's demonstration begins, for each of its scene's sentences: int64 [W, K, 2]."""
        begins = windows.begins()
        starts = zip(windows.told[begins], windows.landmarks[begins], strict=True)
        found = torch.zeros(int(begins.sum()), windows.told.shape[1], 2, dtype=torch.int64)
        for number, (told, marks) in enumerate(starts):
            names = [self.family.standing(windows.sentences[row]) if row >= 0 else [] for row in told]
            across = {name: float(marks[k, 0, which, 1]) for k, n in enumerate(names) for which, name in enumerate(n)}
            places = order(across, APART)
            for k, several in enumerate(names):
                if all(name in places for name in several):
                    found[number, k, : len(several)] = torch.tensor([PLACES.index(places[name]) for name in several])
        return found[begins.cumsum(0) - 1]


def load_words(path: str | Path | None, count: int) -> Rephrasing | DrawnWordings | None:
    """Other words by a YAML file: a list (config/rephrasings.yaml), or rules (config/wordings), drawn `count` times.

    Raises ValueError or FileNotFoundError that names it.
    """
    if path is None:
        return None
    rules = isinstance(yaml.safe_load(Path(path).read_text()), dict)
    return DrawnWordings(Family.load(str(path)), count) if rules else Rephrasing.load(path)
