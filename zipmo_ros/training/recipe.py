"""Recipes: what a bundle is made from, as `zipmo` commands that build on each other. config/recipes has them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from zipmo_ros.contract.share import share_path

RECIPES = "config/recipes"
# The part of a bundle that a stage makes; one whose stage has another name takes the place of the usual one.
PARTS = {"vae": "vae", "planner": "planner", "arfm": "planner", "atm": "planner", "policy": "policy",
         "track_policy": "policy", "atm_policy": "atm_policy", "arfm_policy": "arfm_policy", "bc": "bc"}  # fmt: skip
LEADER = ("vae", "planner", "policy")  # what acts first where a collection is led
OUT = "{out}"  # in a job's words: the folder of the whole
_SHARDS = "train.shards="
_BASES = ("vae", "encoder", "planner", "init")  # keys of a training that name another one


@dataclass(frozen=True)
class Job:
    """One command. words: what follows `zipmo`, with OUT for the folder. needs: the jobs whose results it takes."""

    name: str
    words: tuple[str, ...]
    needs: tuple[Job, ...] = field(repr=False)

    @property
    def shards(self) -> int:
        """Batches of a training step, which as many processes can share (docs/cluster.md)."""
        given = [word.removeprefix(_SHARDS) for word in self.words if word.startswith(_SHARDS)]
        return int(given[-1]) if given else 1

    @property
    def spreads(self) -> bool:
        """Whether it takes several workers itself, and so runs alone."""
        return self.words[0] == "collect" or self.shards > 1

    @property
    def out(self) -> str:
        return next(word.removeprefix("out=") for word in self.words if word.startswith("out="))

    @property
    def digest(self) -> str:
        """Hash of all that its result depends on: its words, and those of what it needs."""
        described = json.dumps([self.words, [job.digest for job in self.needs]])
        return hashlib.sha256(described.encode()).hexdigest()


@dataclass(frozen=True)
class RecipePhase:
    """Demonstrations and what is trained with them: {name: keys of `zipmo collect`}, {stage: keys of `zipmo train`}.

    Of a file, keys that are null leave a stage out, and the key `like` takes those of a stage before it along, or, in a
    second phase, those of the first one.
    """

    collect: dict[str, dict[str, Any]]
    train: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class TrainingRecipe:
    """suite, seed: of collections, or trainings, that have none of their own. led: a second phase, whose demonstrations
    start where the first one's model gets to, and whose trainings go on from the first one's; None: there is none.
    """

    suite: str
    seed: int
    first: RecipePhase
    led: RecipePhase | None

    @classmethod
    def load(cls, name: str | Path) -> TrainingRecipe:
        """A recipe of config/recipes by name, or a YAML file. Raises FileNotFoundError, or ValueError that says what
        is wrong with it: every training must be given its steps, for minutes would give other weights on another day.
        """
        plain = read(name)
        try:
            first = RecipePhase(plain.pop("collect"), _stages(plain.pop("train"), {}))
            led = plain.get("led")
            if led:
                led = RecipePhase(**{**led, "train": _stages(led["train"], first.train)})
            recipe = cls(**{**plain, "first": first, "led": led})
            for phase in recipe.phases.values():
                for stage, keys in phase.train.items():
                    _check_budget(stage, keys)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"recipe {name} is not one of suite, seed, collect, train and led: {error!r}") from error
        except ValueError as error:
            raise ValueError(f"recipe {name}: {error}") from error
        return recipe

    @property
    def phases(self) -> dict[str, RecipePhase]:
        """By the folder that their checkpoints go to."""
        return {"first": self.first} | ({"led": self.led} if self.led else {})

    def jobs(self, seed: int | None = None) -> list[Job]:
        """All commands, each after those that it needs. seed: in place of the recipe's.

        Raises ValueError where a training builds on one that does not come before it, or nothing can lead.
        """
        seed = self.seed if seed is None else seed
        jobs: list[Job] = []
        data: list[Job] = []  # collections
        newest: dict[str, Job] = {}  # trainings, by stage
        for folder, phase in self.phases.items():
            if folder == "led" and (missing := [part for part in LEADER if part not in newest]):
                raise ValueError(f"led needs {', '.join(LEADER)} of the first phase (planners of tracks lead none): "
                                 f"there is no {', '.join(missing)}")  # fmt: skip
            leads = tuple(newest[part] for part in LEADER) if folder == "led" else ()
            for name, keys in phase.collect.items():
                leader = {"leader": f"{OUT}/first"} if leads else {}
                given = {"suite": self.suite, "seed": seed, **leader, **keys, "out": f"{OUT}/data/{name}"}
                data.append(Job(f"collect {name}", ("collect", *_words(given)), leads))
            jobs += [job for job in data if job not in jobs]
            for stage, keys in phase.train.items():
                init = {"init": stage} if stage in newest else {}
                sources = {"data": [f"{OUT}/data/{name}" for name in self._collected(folder)], "cache": f"{OUT}/cache"}
                bases, needed = _bases(stage, {**init, **keys}, newest)
                given = {"seed": seed, **keys, **bases, **sources, "out": f"{OUT}/{folder}/{stage}"}
                newest[stage] = Job(f"{folder} {stage}", ("train", stage, *_words(given)), (*data, *needed))
                jobs.append(newest[stage])
        return jobs

    def _collected(self, folder: str) -> list[str]:
        """Names of the collections that a phase learns from."""
        return [*self.first.collect, *(self.led.collect if self.led and folder == "led" else ())]

    def parts(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Of the finished bundle: where each part lies, as the last training of its stage left it."""
        trained = {job.words[1]: job.out for job in jobs if job.words[0] == "train"}
        return {part: trained[stage] for stage, part in PARTS.items() if stage in trained}


def read(name: str | Path) -> dict[str, Any]:
    """The plain content of a recipe, with what it does not say taken from the one that its `like` names."""
    path = Path(name)
    if not path.suffix:
        known = sorted(file.stem for file in share_path(RECIPES).glob("*.yaml"))
        if str(name) not in known:
            raise FileNotFoundError(f"no recipe '{name}'; there are {', '.join(known)}, or name a YAML file")
        path = share_path(f"{RECIPES}/{name}.yaml")
    try:
        plain = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    if not isinstance(plain, dict):
        raise ValueError(f"{path} holds no keys")
    base = plain.pop("like", None)
    return _merged(read(base), plain) if base else plain


def _stages(train: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """See RecipePhase. before: stages of the phase before, which `like` may name, too."""
    stages: dict[str, dict[str, Any]] = {}
    for stage, keys in train.items():
        if keys is None:
            continue
        known, own = {**before, **stages}, dict(keys)
        other = own.pop("like", None)
        if other is not None and other not in known:
            raise ValueError(f"{stage} is like {other}, which is not trained before it")
        stages[stage] = {**known[other], **own} if other is not None else own
    return stages


def _words(keys: Mapping[str, Any]) -> list[str]:
    """key=value as the commands take them."""
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in keys.items()]


def _bases(stage: str, keys: Mapping[str, Any], newest: Mapping[str, Job]) -> tuple[dict[str, str], list[Job]]:
    """Of the keys that name checkpoints: their folders, and the trainings that make them. What has a / is a path."""
    folders, needed = {}, []
    for key in _BASES:
        name = keys.get(key)
        if name and "/" not in name:
            if name not in newest:
                raise ValueError(f"{stage} builds on {key}={name}, which is not trained before it")
            folders[key] = newest[name].out
            needed.append(newest[name])
    return folders, needed


def _check_budget(stage: str, keys: Mapping[str, Any]) -> None:
    steps = keys.get("train.max_steps")
    if type(steps) is not int or steps < 1:
        raise ValueError(f"{stage} needs train.max_steps, a whole number, got {steps!r}")
    if keys.get("train.max_minutes") is not None:
        raise ValueError(f"{stage} has train.max_minutes: a run that ends by the clock can't be repeated")
    if type(shards := keys.get("train.shards", 1)) is not int or shards < 1:
        raise ValueError(f"{stage} has train.shards {shards!r}, which is no whole number from 1 on")


def _merged(base: dict, changes: dict) -> dict:
    both = {k: _merged(base[k], v) for k, v in changes.items() if isinstance(v, dict) and isinstance(base.get(k), dict)}
    return {**base, **changes, **both}
