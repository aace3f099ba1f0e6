"""The real simulator behind the node, in its own process and thread: the same actions and images as without ROS."""

import dataclasses
import importlib.util
from types import SimpleNamespace

import graph_stubs
import numpy as np
import pytest
from test_processes import stub_graph  # noqa: F401  (a fixture)

from zipmo_ros.motion.flow import plan_noise
from zipmo_ros.nodes.client import GraphDriver
from zipmo_ros.nodes.graph import SIM
from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_ros.runtime.ensembling import TemporalEnsemble
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.contract.stamps import episode_number

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def test_mini_over_ros_equals_mini_without(stub_graph, fresh_domain):  # noqa: F811
    if importlib.util.find_spec("robosuite") is None:  # not imported: the OpenGL backend is still to be chosen
        pytest.skip("robosuite is not installed")
    from zipmo_ros.evaluation.episodes import Episode
    from zipmo_ros.evaluation.rollout import run_episodes
    from zipmo_sim.suites import tasks

    task = tasks("mini")[0]
    episode = Episode(episode_number(task.index, 30), task.name, 30, 0, task.name, task.language)
    generator, policy = graph_stubs.StubGenerator(), graph_stubs.StubPolicy()

    def plan(images, sentence, stamp_ns):
        return generator.plan(images, sentence, plan_noise(0, stamp_ns, generator.latent_shape), None)

    agent = RecedingHorizonAgent(plan, policy.act, Horizon(TemporalEnsemble(), 4))
    direct, seen = [], []

    def observe(_, step, observation, action):
        direct.append(action)
        if step % 4 == 0:
            seen.append(observation["agentview"])

    (expected,) = run_episodes("mini", [episode], lambda _: agent, 4, observe, max_steps=80)

    nodes = tuple(SIM if node.name == "sim" else node for node in stub_graph.nodes)
    arguments = tuple(dataclasses.replace(a, choices=()) if a.name == "suite" else a for a in stub_graph.arguments)
    settings = SimpleNamespace(suite="mini", checkpoint="stub", seed=0, replan_every=4, nfe=0, ensemble="intended",
                               max_steps=80, libero_assets=None)  # fmt: skip
    graph = dataclasses.replace(stub_graph, nodes=nodes, arguments=arguments)
    frames = []

    def on_frames(views, overlay):
        frames.append(views["agentview"])

    with GraphDriver(settings, graph=graph, domain=fresh_domain(), on_frames=on_frames) as driver:
        outcome = driver.run_episode(episode)
        again = driver.run_episode(episode)  # the same environment, reset
        assert again.steps == outcome.steps
        np.testing.assert_array_equal(driver.recording.action_array(), np.stack(direct))
    assert (outcome.error, outcome.success, outcome.steps) == (None, expected.success, expected.steps)
    assert outcome.steps == 80, "max_steps is the limit, not the suite's own 200"
    assert len(frames) > 20
    assert all(any(np.array_equal(frame, image) for image in seen) for frame in frames[:5])
