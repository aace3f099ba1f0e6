"""A planner from outside the package: through the factory, in the graph's table, and the same over ROS as without."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from zipmo_ros.apps import up
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.agents import build_agent
from zipmo_ros.evaluation.episodes import draw_episodes
from zipmo_ros.evaluation.evaluate import resolve
from zipmo_ros.models import bundle_path, load_planner
from zipmo_ros.nodes.graph import GRAPHS, PLANNER
from zipmo_ros.nodes.processes import command_line
from zipmo_sim.suites import task

ROOT = Path(__file__).parents[2]
NAMED = "straight_line:StraightLine"
STEPS = 24


@pytest.fixture(autouse=True)
def _from_outside(monkeypatch):
    """As a user has it: examples on the path of this process and of the nodes."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    roots = [ROOT / "examples", ROOT, ROOT / "policy", ROOT / "sim"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, roots)), prepend=os.pathsep)


def test_what_it_sees_comes_between_the_fingers(monkeypatch):
    planner = load_planner(NAMED, bundle_path(None), load_robot(), Execution())
    from straight_line import GRIP, STRIDE

    views = planner.spec.views
    blank = {view: np.zeros((128, 128, 3), np.uint8) for view in views}
    observation, goal = Observation(10**9, 0, blank), Sentence("turn the lever to the left")
    for thing in ([0.0, 0.4], [np.nan, np.nan]):
        places = np.array([[[0.9, 0.9], [0.9, 0.9]], [thing, [0.1, 0.1]]], np.float32)
        monkeypatch.setattr(planner._eyes, "places", lambda *_, places=places: places)
        plan = planner.plan(observation, goal, seed=0, samples=2)
        assert (plan.stamp_ns, plan.goal) == (10**9, goal)
        assert planner.spec.plan.misfit(plan.spec) is None
        still, moving = plan.tracks[0]
        np.testing.assert_array_equal(plan.tracks[0], plan.tracks[1])
        np.testing.assert_allclose(still, np.repeat(still[:, :1], still.shape[1], axis=1), atol=1e-6)
        at = np.nan_to_num(thing, nan=GRIP) if not np.isnan(thing).any() else GRIP
        nearest = np.abs(moving[:, 0] - at).sum(-1).argmin()
        grown = 0.5 * (moving[nearest, 0] - at)
        way = np.clip(GRIP - at, -STRIDE, STRIDE)
        np.testing.assert_allclose(moving[nearest, -1] - moving[nearest, 0], way + grown, atol=1e-5)


def test_the_graph_takes_it_as_an_argument():
    graph, values = up.parse(["sim", f"planner={NAMED}"])
    assert f"planner:={NAMED}" in command_line(graph, PLANNER, values)
    assert yaml.safe_load(GRAPHS["sim"].parameters(PLANNER, values)["planner"]) == NAMED  # as the launch file reads it


@pytest.mark.ros
@pytest.mark.slow
def test_over_ros_as_without():
    """Plans of tracks alone: the policy encodes them, over ROS with the images of the plan's own stamp."""
    from zipmo_ros.evaluation.over_ros import GraphLoop
    from zipmo_ros.evaluation.rollout import run_episodes

    settings = resolve(suite="mini", checkpoint=None, replan_every=4, nfe=None, planner=NAMED, via="ros", seed=7,
                       ensemble="intended", max_steps=STEPS)  # fmt: skip
    (episode,) = draw_episodes([task("mini", "turn_lever_left")], 1, seed=7)
    actions = []
    (direct,) = run_episodes("mini", [episode], build_agent(settings), 4, lambda *step: actions.append(step[-1]),
                             max_steps=STEPS)  # fmt: skip
    with GraphLoop(settings, domain=101 + os.getpid() % 100) as graph:
        over_ros = graph.run_episode(episode)
        np.testing.assert_array_equal(graph.recording.action_array(), np.stack(actions))
    assert (direct.error, over_ros.error) == (None, None)
    assert (direct.steps, over_ros.steps) == (STEPS, STEPS)
    assert np.abs(np.stack(actions)[:, :6]).max() > 0.1, "the arm never moved"
