"""Two bundles on the same observations: how far apart what they would do is, and what comes of either acting.

    python test/actions/compare.py NAME FIRST SECOND

FIRST and SECOND are folders of NAME's weights in two precisions, say; the episodes are those that reference.py records
of NAME, and of the suite mini twenty more from development states. A closed loop carries the smallest difference on
until nothing is alike, so differences are taken open-loop: one acts, the other says what it would do in its places.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from reference import EPISODES, NFE, REPLAN_EVERY, SEED

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Policy
from zipmo_ros.contract.splits import BY_NAME
from zipmo_ros.evaluation.agents import build_agent
from zipmo_ros.evaluation.episodes import Episode, draw_episodes
from zipmo_ros.evaluation.rollout import run_episodes
from zipmo_ros.evaluation.runners import Settings
from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_sim.suites import tasks


class Remembering:
    """A policy and its newest chunk [16, 7]."""

    def __init__(self, policy: Policy):
        self.policy, self.spec, self.reset = policy, policy.spec, policy.reset

    def act(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> np.ndarray:
        self.chunk = self.policy.act(observation, goal, plan)
        return self.chunk


class Watched:
    """`actor` acts and `watcher` is asked the same. Largest differences since it was made, in units of action:

    chunk: of plans' actions [16, 7], the gripper as the policy says it. motion: of the actions that are executed,
    without the gripper, which is fully open or closed there. flips: steps at which the two disagree about that.
    """

    def __init__(self, actor: RecedingHorizonAgent, watcher: RecedingHorizonAgent):
        self.agents = (actor, watcher)
        self.chunk, self.motion, self.flips, self.steps = 0.0, 0.0, 0, 0
        for agent in self.agents:
            agent.policy = Remembering(agent.policy)

    def reset(self) -> None:
        for agent in self.agents:
            agent.reset()

    def act(self, observation: Observation, goal: Goal) -> np.ndarray:
        ours, theirs = (agent.act(observation, goal) for agent in self.agents)
        chunks = [agent.policy.chunk for agent in self.agents]
        self.chunk = max(self.chunk, float(np.abs(chunks[0] - chunks[1]).max()))
        self.motion = max(self.motion, float(np.abs(ours - theirs)[:6].max()))
        self.flips, self.steps = self.flips + int(ours[6] != theirs[6]), self.steps + 1
        return ours


def watch(suite: str, episodes: list[Episode], actor: Path, watcher: Path) -> None:
    """Run the episodes and print what differed, and how many were done."""
    makers = [build_agent(Settings(suite, path, "direct", SEED, REPLAN_EVERY, NFE, "intended"))
              for path in (actor, watcher)]  # fmt: skip
    made: list[Watched] = []

    def make(env) -> Watched:
        made.append(Watched(*(maker(env) for maker in makers)))
        return made[-1]

    outcomes = list(run_episodes(suite, episodes, make, image_every=REPLAN_EVERY))
    if errors := [outcome.error for outcome in outcomes if outcome.error]:
        raise RuntimeError(errors[0])
    print(
        f"{suite}, {actor} acts: {sum(outcome.success for outcome in outcomes)} of {len(outcomes)} done "
        f"({', '.join(str(outcome.steps) if outcome.success else '-' for outcome in outcomes)} steps); "
        f"chunks differ by {max(each.chunk for each in made):.1e}, executed motion by "
        f"{max(each.motion for each in made):.1e}, the gripper at {sum(each.flips for each in made)} of "
        f"{sum(each.steps for each in made)} steps",
        flush=True,
    )


def main(name: str, first: str, second: str) -> int:
    for suite, numbers in EPISODES[name]:
        cases = [draw_episodes([tasks(suite)[number] for number in numbers], 1, SEED)]
        if suite == "mini":
            cases.append(draw_episodes(tasks(suite), 2, SEED, states=BY_NAME["development"]))
        for episodes in cases:
            watch(suite, episodes, Path(first), Path(second))
            watch(suite, episodes, Path(second), Path(first))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
