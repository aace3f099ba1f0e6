"""The suites of tasks: one entry each, and the environments that belong to them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from zipmo_sim.rendering import LOOKS, RenderSettings
from zipmo_sim.task import SETTLINGS, Task

if TYPE_CHECKING:
    from zipmo_sim.env import ManipulationEnv
    from zipmo_sim.perturbations.subject import Perturbable

Known = TypeVar("Known")


@dataclass(frozen=True)
class Suite:
    """What is known of a suite.

    module: offers tasks(suite) -> list[Task] and make_env(task, image_every) -> ManipulationEnv, RENDER where its
    images look otherwise than usual, and subject(task) where scenes can be perturbed; make_env then takes a
    `perturbation`. Where looks of demonstrations need to know something else it offers scenery(task). max_steps:
    control steps of an episode. expert: module whose make_expert(env, rng, noise) makes the scripted expert, and whose
    beyond(task), where there is one, says why it can't do a task; None: there is none.
    near_goal: for suites whose tasks all take one thing to one place, metres from its middle, horizontally, that count
    as there: what tells failures apart; None: other tasks.
    checkpoint: the shipped bundle that was trained on it, or on its base; None: none was. libero: whether it needs
    LIBERO's assets. caveat: what success on it does not show. base: of a suite of LIBERO-PRO, the one that it changes:
    it serves figures alone, nothing is trained or chosen on it.
    """

    module: str
    max_steps: int
    expert: str | None = None
    near_goal: float | None = None
    checkpoint: str | None = None
    libero: bool = False
    caveat: str | None = None
    base: str | None = None


_LIBERO = "zipmo_sim.suites.libero.env"
_MIXED = "zipmo_sim.suites.libero.mixed"
_ONE_PLACE = (
    "Each task has a scene of its own, and in six of the ten the target stands in one and the same place in all 50 "
    "states, in the others within 2 cm: it shows neither that the sentence is read nor that new places are coped with."
)
_TRAINED_ON = (
    "Only the sentence says which of the six things is meant, and no two states of a scene have the same arrangement; "
    "each of the tasks was trained on, though, in other states."
)
_WHICH_BOWL = "Only the sentence says which of the two bowls is meant; how scenes are laid out is libero_spatial's own."
_ONE_SCENE = "All tasks are of one scene: only the sentence says which is meant; each of them was trained on."
_TWO_BOWLS = "Where the two bowls stand may tell the task: it does not show that the sentence is read."
_NANO = "nano-libero"
_BASKET = {"expert": "zipmo_sim.experts.basket", "near_goal": 0.08, "checkpoint": "nano-libero-object", "libero": True}
_BOWL = {"expert": "zipmo_sim.experts.bowl", "near_goal": 0.03, "checkpoint": _NANO, "libero": True}
_GOALS = "zipmo_sim.experts.goals"
SUITES = {
    "mini": Suite("zipmo_sim.suites.mini.suite", 200, "zipmo_sim.experts.mini", checkpoint="nano-mini"),
    "libero_object_mixed": Suite(_MIXED, 300, **_BASKET, caveat=_TRAINED_ON),
    "libero_spatial_mixed": Suite(_MIXED, 300, **_BOWL, caveat=_WHICH_BOWL),
    "libero_spatial": Suite(_LIBERO, 300, **_BOWL, caveat=_TWO_BOWLS),
    "libero_object": Suite(_LIBERO, 300, **_BASKET, caveat=_ONE_PLACE),
    "libero_goal": Suite(_LIBERO, 400, _GOALS, checkpoint=_NANO, libero=True, caveat=_ONE_SCENE),
    "libero_10": Suite(_LIBERO, 600, _GOALS, libero=True),
    "libero_90": Suite(_LIBERO, 600, _GOALS, libero=True),
}
# What LIBERO-PRO changes, by the suffix of its suites: of every task of these bases.
PRO = {
    "lan": "Another sentence for the same goal; its 50 states are drawn anew, as the base's are.",
    "object": "Other looks, and some other sizes, of the things that the task is about.",
    "swap": "Things stand where others stood.",
    "task": "Another goal and its sentence, in the base's scene; of object and spatial, a task of the mixed suites.",
}
for _base in ("libero_spatial", "libero_object", "libero_goal", "libero_10"):
    SUITES |= {f"{_base}_{change}": replace(SUITES[_base], base=_base, caveat=what) for change, what in PRO.items()}
DEFAULT = "mini"  # where none is named: it needs nobody's assets


def suite_entry(suite: str) -> Suite:
    """Raises ValueError for an unknown suite, naming those there are."""
    if suite not in SUITES:
        raise ValueError(f"unknown suite {suite!r}; choose one of {', '.join(SUITES)}")
    return SUITES[suite]


def _module(suite: str) -> ModuleType:
    return importlib.import_module(suite_entry(suite).module)


def tasks(suite: str) -> list[Task]:
    """Tasks of a suite in order. Raises ValueError for an unknown suite."""
    return _module(suite).tasks(suite)


def task(suite: str, name: str) -> Task:
    """One task by name. Raises ValueError for an unknown suite or task."""
    found = {candidate.name: candidate for candidate in tasks(suite)}
    if name not in found:
        raise ValueError(f"suite {suite!r} has no task {name!r}; it has {', '.join(found)}")
    return found[name]


def sentence(suite: str, name: str) -> str:
    """What a landmark (ManipulationEnv.landmarks) is said by: a task's sentence; what is no task's name is one."""
    return next((candidate.language for candidate in tasks(suite) if candidate.name == name), name)


def sentences(task: Task) -> list[str]:
    """All that the scene of a task can do: its tasks' sentences, and those of what has no task of its own."""
    own = [other.language for other in tasks(task.suite) if other.scene == task.scene]
    more = getattr(_module(task.suite), "commands", None)
    return [*own, *(more(task) if more else ())]


def arrangement(task: Task, init_state: int) -> dict[str, float]:
    """How far to the right (m) in the first view each thing stands that has a place in a row; empty if nobody says."""
    found = getattr(_module(task.suite), "arrangement", None)
    return found(task, init_state) if found else {}


def make_env(
    suite: str, task_name: str, image_every: int = 1, max_steps: int | None = None, perturb: str | None = None,
    strength: float = 1.0, settle: str | None = None, **options: Any,
) -> ManipulationEnv:  # fmt: skip
    """Environment of one task; options go to the suite's own make_env. Raises ValueError for unknown names.

    max_steps: control steps of an episode, in place of the task's own limit. perturb, strength: see Perturbation.
    settle: of SETTLINGS.
    """
    chosen = task(suite, task_name)
    if max_steps is not None:
        chosen = replace(chosen, max_steps=max_steps)
    if perturb is not None:
        from zipmo_sim.perturbations.perturbation import Perturbation  # of the simulator, which names do without

        options["perturbation"] = Perturbation(perturb, strength, subject(suite, task_name))
    settling = None if settle is None else named(settle, SETTLINGS, "settle")
    env = _module(suite).make_env(chosen, image_every=image_every, **options)
    env.settling = settling or env.settling
    return env


def subject(suite: str, task_name: str) -> Perturbable:
    """What perturbations need to know of a task's scene. Raises ValueError for a suite that can't be perturbed."""
    find = getattr(_module(suite), "subject", None)
    if find is None or suite_entry(suite).base:  # what LIBERO-PRO changes is a perturbation already
        able = (name for name, entry in SUITES.items() if not entry.base and hasattr(_module(name), "subject"))
        raise ValueError(f"there are no perturbations of {suite}, only of {', '.join(able)}")
    return find(task(suite, task_name))


def scenery(suite: str, task_name: str) -> Perturbable:
    """What looks for training need to know of a task's scene. Raises ValueError for a suite that has none."""
    find = getattr(_module(suite), "scenery", None)
    return find(task(suite, task_name)) if find else subject(suite, task_name)


def expert_maker(suite: str) -> Callable[..., Any]:
    """make_expert(env, rng, noise) of a suite. Raises ValueError where it has none, naming those that have."""
    return _expert(suite).make_expert


def within_expert(chosen: list[Task], leave_out: bool) -> list[Task]:
    """Those tasks that their suite's expert can do.

    Raises ValueError, saying why, for those that it can't, unless they are to be left out; for a suite without expert.
    """
    able = []
    for task in chosen:
        beyond = getattr(_expert(task.suite), "beyond", None)
        if (why := beyond and beyond(task)) is None:
            able.append(task)
        elif not leave_out:
            raise ValueError(f"no scripted expert for {task.name}: {why}")
    return able


def _expert(suite: str) -> ModuleType:
    module = suite_entry(suite).expert
    if module is None:
        known = ", ".join(name for name, entry in SUITES.items() if entry.expert)
        raise ValueError(f"no scripted expert for {suite}, only for {known}")
    return importlib.import_module(module)


def render_settings(suite: str, look: str | None = None, size: int | tuple[int, int] | None = None) -> RenderSettings:
    """How images of a suite look. look: of LOOKS, size: in pixels, where they are not the suite's own.

    Raises ValueError for an unknown suite.
    """
    own = getattr(_module(suite), "RENDER", RenderSettings())
    chosen = named(look, LOOKS, "look") if look else own
    return replace(chosen, size=size or own.size)


def named(name: str, known: Mapping[str, Known], what: str) -> Known:
    """What goes by the name. Raises ValueError, with the names there are."""
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, got {name!r}")
    return known[name]
