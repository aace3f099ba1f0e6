"""Which episodes an evaluation runs. Knows no models, no simulator and no ROS."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from zipmo_ros.contract.splits import EVALUATION
from zipmo_ros.contract.stamps import episode_number
from zipmo_ros.data.grammar import IMPOSSIBLE
from zipmo_ros.data.wordings import Family, order
from zipmo_sim.simulator import ANY
from zipmo_sim.suites import Task

NO_WORDS = "."  # an empty instruction is refused everywhere
APART = 0.05  # m between things of which one is to the left of the other


@dataclass(frozen=True)
class Episode:
    """One episode to run: the scene of `task` at `init_state`, told to do `instructed_task`.

    approach: the hand starts as near what `task` takes as its expert gets without touching it, and the episode goes on
    to the step limit, so that it is seen whether `task` gets done, too.
    """

    number: int  # unique, see contract.stamps; the episode's simulated clock starts at `number` * 1000 s
    task: str
    init_state: int
    seed: int
    instructed_task: str
    instruction: str
    kind: str | None = None  # of the wording, where it came by rules (data/wordings.py)
    approach: bool = False


class Told(NamedTuple):
    """task: name of the one that is meant; ANY: none, each that gets done is one too many. kind: see Episode."""

    task: str
    sentence: str
    kind: str | None = None


Tell = Callable[[Task, int, random.Random], Told]  # of the scene's task and the initial state


def own(task: Task, init_state: int, rng: random.Random) -> Told:
    """The task's own sentence."""
    return Told(task.name, task.language)


def nothing(task: Task, init_state: int, rng: random.Random) -> Told:
    """No words at all: the control that shows whether a suite needs its sentences."""
    return Told(task.name, NO_WORDS)


def swap(all_tasks: Sequence[Task]) -> Tell:
    """The sentence of another task, of `all_tasks`, in the same scene; ValueError where a scene has no other.

    One that takes another thing, if there is one: where the hand starts (Episode.approach), speaks against it.
    """

    def tell(task: Task, init_state: int, rng: random.Random) -> Told:
        others = [other for other in all_tasks if other.scene == task.scene and other.name != task.name]
        if not others:
            raise ValueError(f"instruction=swap needs another task in the scene of '{task.name}'; there is none")
        other = rng.choice([other for other in others if other.thing != task.thing] or others)
        return Told(other.name, other.language)

    return tell


def paraphrase(sentences: Mapping[str, Sequence[str]]) -> Tell:
    """The task in other words, one of `sentences` {task: [...]}; ValueError for a task without any."""

    def tell(task: Task, init_state: int, rng: random.Random) -> Told:
        if not sentences.get(task.name):
            known = ", ".join(sentences)
            raise ValueError(f"instruction=paraphrase has no sentences for '{task.name}', only for {known}")
        return Told(task.name, rng.choice(sentences[task.name]))

    return tell


def worded(
    family: Family, scene: Callable[[Task], Sequence[str]], arrangement: Callable[[Task, int], Mapping[str, float]]
) -> Tell:
    """A wording of a family, of any kind: of the task, or of what can't be done.

    scene: what a task's scene can do, by sentences. arrangement: how far to the right (m) each thing stands there.
    """

    def tell(task: Task, init_state: int, rng: random.Random) -> Told:
        places = order(arrangement(task, init_state), APART)
        able = scene(task)
        kind = rng.choice([*family.kinds(task.language, able, places), *IMPOSSIBLE])
        if kind in IMPOSSIBLE:
            return Told(ANY, family.cannot(able, rng, kind).text, kind)
        return Told(task.name, family.say(task.language, rng, able, places, kind).text, kind)

    return tell


def draw_episodes(
    tasks: list[Task],
    episodes: int,
    seed: int,
    tell: Tell = own,
    states: range = EVALUATION,
    approach: bool = False,
    in_order: bool = False,
) -> list[Episode]:
    """`episodes` of the initial `states` a task, drawn by `seed` without replacement (a new round when used up).

    in_order: from the first one on instead. tell: what each episode is told: `own`, `nothing`, `swap(...)`,
    `paraphrase(...)` or `worded(...)`; all draw the same states. approach: see Episode.
    Raises ValueError where a task has not as many initial states, or there are no numbers for as many episodes.
    """
    if fewer := next((task for task in tasks if task.init_states < states.stop), None):
        raise ValueError(f"{fewer.suite} has {fewer.init_states} initial states, so not {states[0]}-{states[-1]}")
    drawn = []
    for task in tasks:
        generator = random.Random(seed + 1000 * task.index)
        rounds = math.ceil(episodes / len(states))
        turns = [(state, turn) for turn in range(rounds)
                 for state in (states if in_order else generator.sample(states, len(states)))]  # fmt: skip
        for state, turn in turns[:episodes]:
            number = episode_number(task.index, state, turn, len(states))
            drawn.append(Episode(number, task.name, state, seed, *tell(task, state, generator), approach))
    return drawn
