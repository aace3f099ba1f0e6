"""What a task is."""

from dataclasses import dataclass

INIT_STATES = 50  # of LIBERO's tasks
# What is never trained on: states for figures, and those of suites that have more to choose settings by.
EVALUATION_STATES, DEVELOPMENT_STATES = range(25, 50), range(50, 100)


@dataclass(frozen=True)
class Task:
    """One task of a suite. scene: tasks of one scene share objects and layouts; only the sentence differs.

    index: place in its suite, from 0. language: the instruction. max_steps: control steps of 0.05 s.
    init_states: how many initial states there are; see EVALUATION_STATES.
    """

    suite: str
    index: int
    name: str
    language: str
    scene: str
    max_steps: int
    init_states: int = INIT_STATES
