"""Which episodes an evaluation runs. Knows no models, no simulator and no ROS."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zipmo_ros.contract.splits import EVALUATION
from zipmo_ros.contract.stamps import episode_number
from zipmo_sim.suites import Task


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
    approach: bool = False


Tell = Callable[[Task, random.Random], tuple[Task, str]]  # the scene's task -> the task that is meant, the sentence


def own(task: Task, rng: random.Random) -> tuple[Task, str]:
    """The task's own sentence."""
    return task, task.language


def swap(all_tasks: Sequence[Task]) -> Tell:
    """The sentence of another task, of `all_tasks`, in the same scene; ValueError where a scene has no other.

    One that takes another thing, if there is one: where the hand starts (Episode.approach), speaks against it.
    """

    def tell(task: Task, rng: random.Random) -> tuple[Task, str]:
        others = [other for other in all_tasks if other.scene == task.scene and other.name != task.name]
        if not others:
            raise ValueError(f"instruction=swap needs another task in the scene of '{task.name}'; there is none")
        other = rng.choice([other for other in others if other.thing != task.thing] or others)
        return other, other.language

    return tell


def paraphrase(sentences: Mapping[str, Sequence[str]]) -> Tell:
    """The task in other words, one of `sentences` {task: [...]}; ValueError for a task without any."""

    def tell(task: Task, rng: random.Random) -> tuple[Task, str]:
        if not sentences.get(task.name):
            known = ", ".join(sentences)
            raise ValueError(f"instruction=paraphrase has no sentences for '{task.name}', only for {known}")
        return task, rng.choice(sentences[task.name])

    return tell


def draw_episodes(
    tasks: list[Task],
    episodes: int,
    seed: int,
    tell: Tell = own,
    states: range = EVALUATION,
    approach: bool = False,
) -> list[Episode]:
    """`episodes` of the initial `states` a task, drawn by `seed` without replacement (a new round when used up).

    tell: what each episode is told: `own`, `swap(...)` or `paraphrase(...)`; all draw the same states. approach: see
    Episode.
    Raises ValueError where a task has not as many initial states, or there are no numbers for as many episodes.
    """
    if fewer := next((task for task in tasks if task.init_states < states.stop), None):
        raise ValueError(f"{fewer.suite} has {fewer.init_states} initial states, so not {states[0]}-{states[-1]}")
    drawn = []
    for task in tasks:
        generator = random.Random(seed + 1000 * task.index)
        rounds = math.ceil(episodes / len(states))
        turns = [(state, turn) for turn in range(rounds) for state in generator.sample(states, len(states))]
        for state, turn in turns[:episodes]:
            instructed, sentence = tell(task, generator)
            number = episode_number(task.index, state, turn, len(states))
            drawn.append(Episode(number, task.name, state, seed, instructed.name, sentence, approach))
    return drawn
