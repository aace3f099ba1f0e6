"""The shipped model over ROS and without: the same episode, to the bit."""

import os

import numpy as np
import pytest

from zipmo_ros.apps.runners import Settings, build_agent
from zipmo_ros.share import bundle_path
from zipmo_sim.evaluation import draw_episodes
from zipmo_sim.suites import tasks

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def test_via_ros_equals_via_direct():
    from zipmo_ros.apps.graph_client import GraphDriver
    from zipmo_sim.rollout import run_episodes

    lever = [task for task in tasks("mini") if task.name == "turn_lever_left"]
    (episode,) = draw_episodes(lever, 1, seed=7)
    settings = Settings("mini", bundle_path(None), "ros", 7, 4, 4, "intended")
    actions = []
    (direct,) = run_episodes(
        "mini", [episode], build_agent(settings), image_every=4, observer=lambda *step: actions.append(step[-1])
    )
    with GraphDriver(settings, domain=101 + os.getpid() % 100) as graph:
        over_ros = graph.run_episode(episode)
        np.testing.assert_array_equal(graph.recording.action_array(), np.stack(actions))
    assert direct.error is None
    assert over_ros.error is None
    assert (over_ros.success, over_ros.steps) == (direct.success, direct.steps)
    assert np.abs(np.stack(actions)[:, :6]).max() > 0.1, "the arm never moved"
