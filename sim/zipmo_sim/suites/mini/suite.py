"""Tasks and environments of the suite `mini`."""

import itertools
from functools import partial
from typing import TYPE_CHECKING

from zipmo_sim.env import ManipulationEnv
from zipmo_sim.perturbations.subject import Perturbable
from zipmo_sim.rendering import RenderSettings, select_backend
from zipmo_sim.suites import suite_entry
from zipmo_sim.suites.mini import layouts
from zipmo_sim.suites.mini.surface import AREA, FIXTURES, GEOMS, TABLE_TOP
from zipmo_sim.task import Task

if TYPE_CHECKING:
    from zipmo_sim.perturbations.perturbation import Perturbation

SUITE = "mini"
INIT_STATES = 1000  # layouts are drawn by number, so there are as many as a collection asks for
RENDER = RenderSettings(shadows=False)

# (scene, goal, name, language); the goal is what the scene's success predicate and the expert read.
_BINS = [
    ("bins", (thing, side), f"put_{thing}_in_{side}_bin", f"put the {thing} in the {side} bin")
    for thing in layouts.GROCERIES
    for side in ("left", "right")
]
_BLOCKS = [
    ("blocks", (upper, lower), f"stack_{upper}_on_{lower}", f"stack the {upper} block on the {lower} block")
    for upper, lower in (("red", "green"), ("green", "red"))
]
# What the scene can do besides, without a task of its own: it is pointed at, but nothing is done or measured.
_COMMANDS = [
    ("blocks", (upper, lower), f"stack the {upper} block on the {lower} block")
    for upper, lower in itertools.permutations(layouts.BLOCKS, 2)
    if ("blocks", (upper, lower)) not in [row[:2] for row in _BLOCKS]
]
_LEVER = [("lever", (side,), f"turn_lever_{side}", f"turn the lever to the {side}") for side in ("left", "right")]
_ROWS = _BINS + _BLOCKS + _LEVER
_GOALS = {name: goal for _, goal, name, _ in _ROWS}


def goal(task: Task) -> tuple[str, ...]:
    """What a task is about, e.g. ("milk", "left"), ("red", "green"), ("left",)."""
    return _GOALS[task.name]


def tasks(suite: str = SUITE) -> list[Task]:
    """The ten tasks: six with bins, two with blocks, two with the lever."""
    return [
        Task(suite, index, name, language, scene, suite_entry(suite).max_steps, INIT_STATES, "".join(aim[:-1]))
        for index, (scene, aim, name, language) in enumerate(_ROWS)
    ]


def commands(task: Task) -> dict[str, tuple[str, ...]]:
    """What the scene of a task can do without a task of its own: sentences, and what they are about."""
    return {said: aim for scene, aim, said in _COMMANDS if scene == task.scene}


def arrangement(task: Task, init_state: int) -> dict[str, float]:
    """See zipmo_sim.suites.arrangement."""
    row = layouts.row(task.scene, layouts.generator(task.scene, init_state))
    return {name: float(xy[1]) for name, (xy, _) in row.items()}


def subject(task: Task) -> Perturbable:
    """What perturbations need to know of a task's scene."""
    first, last = goal(task)[0], goal(task)[-1]
    thing, place = {
        "bins": (f"{first}_main", f"{last}_bin"),
        "blocks": (f"{first}_main", f"{last}_main"),
        "lever": ("lever_base", None),
    }[task.scene]
    room = 0.09 if place is None else 0.06  # the hand goes round a lever, on top of that
    return Perturbable(thing, place, FIXTURES[task.scene], GEOMS, TABLE_TOP, AREA, room)


def make_env(
    task: Task, image_every: int = 1, render: RenderSettings | None = None, perturbation: "Perturbation | None" = None
) -> ManipulationEnv:
    """Environment of one task."""
    select_backend()  # before robosuite imports mujoco
    from zipmo_sim.suites.mini.scenes import SCENES

    scene = SCENES[task.scene]
    goals = {name: aim for row_scene, aim, name, _ in _ROWS if row_scene == task.scene}
    predicates = {name: partial(scene.success, goal=aim) for name, aim in goals.items()}
    return ManipulationEnv(
        task,
        build=scene.build,
        place=scene.place,
        success=predicates[task.name],
        scene_success=predicates,
        failures=partial(scene.watch, goals=goals),
        scene_landmarks={name: partial(scene.landmarks, goal=aim) for name, aim in {**goals, **commands(task)}.items()},
        image_every=image_every,
        render=render or RENDER,
        perturbation=perturbation,
    )
