"""What a task is, and what passes before an episode of it begins."""

from dataclasses import dataclass

INIT_STATES = 50  # of LIBERO's tasks, its own


@dataclass(frozen=True)
class Task:
    """One task of a suite. scene: tasks of one scene share objects and layouts; only the sentence differs.

    index: place in its suite, from 0. language: the instruction. max_steps: control steps of 0.05 s.
    init_states: how many initial states there are; see contract.splits for what they serve. stored: how many of them,
    the first ones, are the benchmark's own: no demonstration may start there. thing: what it takes, where its scene
    has several things to take.
    """

    suite: str
    index: int
    name: str
    language: str
    scene: str
    max_steps: int
    init_states: int = INIT_STATES
    thing: str = ""
    stored: int = 0


@dataclass(frozen=True)
class Settling:
    """What passes between an initial state and step 0: control steps of standing still, the gripper told `gripper`."""

    steps: int
    gripper: float


# Stored states have things up to 13 cm in the air.
SETTLINGS = {"10-open": Settling(10, -1.0), "5-open": Settling(5, -1.0), "5-still": Settling(5, 0.0)}
SETTLING = "10-open"  # where none is named
