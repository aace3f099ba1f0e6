"""Actions of the shipped checkpoints, recorded before a change and compared afterwards: same weights, same actions.

    python test/actions/reference.py record   # before: writes actions.npz, each episode run directly and over ROS
    python test/actions/reference.py verify   # after: the same episodes, both ways, to the bit

Floating-point sums depend on the processor's instructions: record and verify on machines of one kind.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zipmo_ros.contract.observation import Observation
from zipmo_ros.evaluation.agents import build_agent
from zipmo_ros.evaluation.episodes import Episode, draw_episodes
from zipmo_ros.evaluation.origin import machine
from zipmo_ros.evaluation.over_ros import GraphLoop
from zipmo_ros.evaluation.rollout import run_episodes
from zipmo_ros.evaluation.runners import Settings
from zipmo_ros.models import bundle_path
from zipmo_sim.provenance import asset_hash
from zipmo_sim.suites import tasks

FILE = Path(__file__).with_name("actions.npz")
SEED, REPLAN_EVERY, NFE = 7, 2, 4
# bundle -> (suite, numbers of the tasks): three episodes each
EPISODES = {
    "nano-mini": [("mini", (0, 6, 9))],
    "nano-libero": [("libero_spatial", (4, 9)), ("libero_goal", (3,))],
    "nano-libero-object": [("libero_object", (0, 4)), ("libero_object_mixed", (13,))],
}


def cases() -> Iterator[tuple[str, str, list[Episode]]]:
    """(bundle, suite, its episodes), one evaluation state a task."""
    for bundle, rows in EPISODES.items():
        for suite, numbers in rows:
            yield bundle, suite, draw_episodes([tasks(suite)[number] for number in numbers], 1, SEED)


def settings(bundle: str, suite: str, via: str) -> Settings:
    return Settings(suite, bundle_path(bundle), via, SEED, REPLAN_EVERY, NFE, "intended")


def directly(bundle: str, suite: str, episodes: list[Episode]) -> dict[str, np.ndarray]:
    """{episode's name: actions float64 [steps, 7]} of the loop without ROS."""
    actions: dict[str, list[np.ndarray]] = {}
    chosen = settings(bundle, suite, "direct")

    def keep(episode: Episode, observation: Observation, action: np.ndarray) -> None:
        actions.setdefault(name(bundle, suite, episode), []).append(action)

    for outcome in run_episodes(suite, episodes, build_agent(chosen), image_every=REPLAN_EVERY, observer=keep):
        if outcome.error:
            raise RuntimeError(outcome.error)
    return {key: np.stack(rows) for key, rows in actions.items()}


def over_ros(bundle: str, suite: str, episodes: list[Episode]) -> dict[str, np.ndarray]:
    """The same through the nodes."""
    actions = {}
    with GraphLoop(settings(bundle, suite, "ros")) as graph:
        for episode in episodes:
            outcome = graph.run_episode(episode)
            if outcome.error:
                raise RuntimeError(outcome.error)
            actions[name(bundle, suite, episode)] = graph.recording.action_array()
    return actions


def name(bundle: str, suite: str, episode: Episode) -> str:
    return f"{bundle}/{suite}/{episode.task}/{episode.init_state}"


def run() -> dict[str, np.ndarray]:
    """All episodes; both ways have to agree."""
    actions: dict[str, np.ndarray] = {}
    for bundle, suite, episodes in cases():
        direct, ros = directly(bundle, suite, episodes), over_ros(bundle, suite, episodes)
        for key, rows in direct.items():
            print(f"{key}: {len(rows)} steps, over ROS {'the same' if np.array_equal(rows, ros[key]) else 'OTHERS'}")
        if any(not np.array_equal(rows, ros[key]) for key, rows in direct.items()):
            raise SystemExit("the loop over ROS acts otherwise than the one without")
        actions |= direct
    return actions


def main(what: str) -> int:
    """0 if all is equal, else 1."""
    if what == "record":
        facts = {"machine": machine(), "assets": {s: asset_hash(s) for rows in EPISODES.values() for s, _ in rows}}
        np.savez_compressed(FILE, facts=json.dumps(facts), **run())
        return 0
    recorded = np.load(FILE)
    print(f"recorded on {json.loads(str(recorded['facts']))['machine']['cpu']}, now {machine()['cpu']}")
    differing = [key for key, rows in run().items() if not np.array_equal(rows, recorded[key])]
    print(f"{len(recorded.files) - 1 - len(differing)} of {len(recorded.files) - 1} episodes bit-equal")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
