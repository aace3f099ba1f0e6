"""The real simulator behind the node, in its own process and thread: the same actions and images as without ROS."""

import dataclasses
import importlib.util

import graph_stubs
import numpy as np
import pytest
from test_processes import stub_graph  # noqa: F401  (a fixture)

from zipmo_ros.contract.stamps import episode_number
from zipmo_ros.nodes.client import GraphDriver
from zipmo_ros.nodes.graph import SIM
from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_ros.runtime.ensembling import TemporalEnsemble
from zipmo_ros.runtime.horizon import Horizon

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def test_mini_over_ros_equals_mini_without(stub_graph, fresh_domain):  # noqa: F811
    if importlib.util.find_spec("robosuite") is None:  # not imported: the OpenGL backend is still to be chosen
        pytest.skip("robosuite is not installed")
    from zipmo_ros.evaluation.episodes import Episode
    from zipmo_ros.evaluation.rollout import run_episodes
    from zipmo_sim.suites import tasks

    task = tasks("mini")[0]
    episode = Episode(episode_number(task.index, 30), task.name, 30, 0, task.name, task.language, approach=True)
    horizon = Horizon(TemporalEnsemble(), 4, graph_stubs.ROBOT)
    agent = RecedingHorizonAgent(graph_stubs.StubPlanner(), graph_stubs.StubPolicy(), horizon, 0)
    direct, seen = [], []

    def observe(_, observation, action):
        direct.append(action)
        if observation.images:
            seen.append(observation.images["agentview"])

    (expected,) = run_episodes("mini", [episode], lambda _: agent, 4, observe, max_steps=80)

    nodes = tuple(SIM if node.name == "sim" else node for node in stub_graph.nodes)
    arguments = tuple(dataclasses.replace(a, choices=()) if a.name == "suite" else a for a in stub_graph.arguments)
    given = {"suite": "mini", "checkpoint": "stub", "replan_every": "4", "max_steps": "80"}
    graph = dataclasses.replace(stub_graph, nodes=nodes, arguments=arguments)
    frames = []

    def on_frames(views, overlay):
        frames.append(views["agentview"])

    run = (task.name, task.name, 30, 0, episode.number, task.language, episode.approach)
    with GraphDriver(given, graph=graph, domain=fresh_domain(), on_frames=on_frames) as driver:
        report = driver.run_episode(*run)
        again = driver.run_episode(*run)  # the same environment, reset
        assert again["step"] == report["step"]
        np.testing.assert_array_equal(driver.recording.action_array(), np.stack(direct))
    assert (report["state"] == "success", report["step"]) == (expected.success, expected.steps)
    assert report["step"] == 80, "max_steps is the limit, not the suite's own 200"
    assert len(frames) > 20
    assert all(any(np.array_equal(frame, image) for image in seen) for frame in frames[:5])
