"""What a task is."""

from dataclasses import dataclass

INIT_STATES = 50  # of LIBERO's tasks


@dataclass(frozen=True)
class Task:
    """One task of a suite. scene: tasks of one scene share objects and layouts; only the sentence differs.

    index: place in its suite, from 0. language: the instruction. max_steps: control steps of 0.05 s.
    init_states: how many initial states there are; see contract.splits for what they serve. thing: what it takes, where
    its scene has several things to take.
    """

    suite: str
    index: int
    name: str
    language: str
    scene: str
    max_steps: int
    init_states: int = INIT_STATES
    thing: str = ""
