"""The suites of tasks by name, and the environments that belong to them."""

import importlib
from dataclasses import replace
from types import ModuleType

from zipmo_sim.env import ManipulationEnv
from zipmo_sim.rendering import RenderSettings
from zipmo_sim.task import Task

# Each module offers tasks(suite) -> list[Task] and make_env(task, image_every) -> ManipulationEnv.
_MODULES = (
    {"mini": "zipmo_sim.suites.mini.suite"}
    | dict.fromkeys(
        ("libero_spatial", "libero_object", "libero_goal", "libero_10", "libero_90"), "zipmo_sim.suites.libero.env"
    )
    | {"libero_object_mixed": "zipmo_sim.suites.libero.mixed"}
)

__all__ = ["Task", "make_env", "render_settings", "suites", "task", "tasks"]


def _module(suite: str) -> ModuleType:
    if suite not in _MODULES:
        raise ValueError(f"unknown suite {suite!r}; choose one of {', '.join(_MODULES)}")
    return importlib.import_module(_MODULES[suite])


def suites() -> list[str]:
    """Names of all suites."""
    return list(_MODULES)


def tasks(suite: str) -> list[Task]:
    """Tasks of a suite in order. Raises ValueError for an unknown suite."""
    return _module(suite).tasks(suite)


def task(suite: str, name: str) -> Task:
    """One task by name. Raises ValueError for an unknown suite or task."""
    found = {candidate.name: candidate for candidate in tasks(suite)}
    if name not in found:
        raise ValueError(f"suite {suite!r} has no task {name!r}; it has {', '.join(found)}")
    return found[name]


def make_env(
    suite: str, task_name: str, image_every: int = 1, max_steps: int | None = None, **options
) -> ManipulationEnv:
    """Environment of one task; options go to the suite's own make_env. Raises ValueError for unknown names.

    max_steps: control steps of an episode, in place of the task's own limit.
    """
    chosen = task(suite, task_name)
    if max_steps is not None:
        chosen = replace(chosen, max_steps=max_steps)
    return _module(suite).make_env(chosen, image_every=image_every, **options)


def render_settings(suite: str) -> RenderSettings:
    """How images of a suite look unless make_env is told otherwise. Raises ValueError for an unknown suite."""
    return getattr(_module(suite), "RENDER", RenderSettings())
