"""Planner, policy and simulator as they are, but for a stopwatch at their models and at the environment.

python -m zipmo_ros.nodes.timed, as the node whose name it is started with (`__node:=planner`).
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Planner, Policy
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.stamps import EPISODE_GAP_NS, nearest_step
from zipmo_ros.nodes.graph import PLANNER, POLICY, SIM
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.models import make_planner, make_policy
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.settings import PlannerParameters, PolicyParameters
from zipmo_ros.nodes.sim_node import SimNode
from zipmo_ros.nodes.stopwatch import FOLDER, Stopwatch


def _step(stamp_ns: int) -> int:
    """Of a simulated episode."""
    return nearest_step(stamp_ns % EPISODE_GAP_NS, load_robot().period_ns)


def _of(observation: Observation, *_: Any, **__: Any) -> int:
    return _step(observation.stamp_ns)


def timed_planner(watch: Stopwatch) -> ManagedNode:
    def load(settings: PlannerParameters) -> tuple[Planner, str]:
        planner, digest = make_planner(settings)
        planner.plan = watch.timed("plan", planner.plan, _of)  # type: ignore[method-assign]
        return planner, digest

    return PlannerNode(load)


def timed_policy(watch: Stopwatch) -> ManagedNode:
    def load(settings: PolicyParameters) -> tuple[Policy, str]:
        policy, digest = make_policy(settings)
        policy.act = watch.timed("act", policy.act, _of)  # type: ignore[method-assign]
        return policy, digest

    node = PolicyNode(load)
    allow = watch.timed("safety", node.safety.allow, lambda command, hand, joints, stamp_ns: _step(stamp_ns))
    node.safety.allow = allow  # type: ignore[method-assign]
    return node


def timed_simulator(watch: Stopwatch) -> ManagedNode:
    suites = importlib.import_module("zipmo_sim.suites")

    def make_env(*arguments: Any, **options: Any) -> Any:
        env, number = suites.make_env(*arguments, **options), 0  # of the control step that comes out next

        def begin(*_: Any, **__: Any) -> int:
            nonlocal number
            number = 0
            return number

        def advance(*_: Any) -> int:
            nonlocal number
            number += 1
            return number

        env._look = watch.timed("render", env._look, lambda: number)  # within a step
        env.step = watch.timed("step", env.step, advance)
        env.reset = watch.timed("reset", env.reset, begin)
        return env

    return SimNode(SimpleNamespace(task=suites.task, tasks=suites.tasks, make_env=make_env))


TIMED = {PLANNER.name: timed_planner, POLICY.name: timed_policy, SIM.name: timed_simulator}


def main() -> int:
    name = next(word.removeprefix("__node:=") for word in sys.argv if word.startswith("__node:="))
    watch = Stopwatch(Path(os.environ[FOLDER]), name)
    return run(lambda: TIMED[name](watch))


if __name__ == "__main__":
    sys.exit(main())
