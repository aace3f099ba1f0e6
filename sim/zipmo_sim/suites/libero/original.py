"""LIBERO's own environment of a task, with its cameras and its renderer: what ours is measured beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zipmo_sim.suites.libero.assets import bddl_file, find_assets, import_envs
from zipmo_sim.suites.libero.env import init_states
from zipmo_sim.task import Task


def make_original(task: Task, shape: tuple[int, int], assets: str | Path | None = None) -> Any:
    """OffScreenRenderEnv at the first stored initial state, its two cameras of `shape` (height, width).

    Raises AssetsNotFoundError, LiberoNotInstalledError: see assets.py.
    """
    height, width = shape
    env = import_envs(find_assets(assets)).OffScreenRenderEnv(
        bddl_file_name=str(bddl_file(task.suite, task.name)),
        camera_heights=height,
        camera_widths=width,
        ignore_done=True,
    )
    env.seed(0)
    env.reset()
    env.set_init_state(init_states(task)[0])
    return env
