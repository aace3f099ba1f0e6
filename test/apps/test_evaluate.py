"""Running episodes: over ROS and without the same to the bit; and what is left of an evaluation that was ended."""

import dataclasses
import os

import numpy as np
import pytest

from zipmo_ros.apps import cli
from zipmo_ros.apps import evaluate as command
from zipmo_ros.evaluation import evaluate
from zipmo_ros.evaluation.agents import build_agent
from zipmo_ros.evaluation.episodes import draw_episodes
from zipmo_ros.evaluation.gallery import frames_beside, plot_gallery
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.evaluation.parallel import run_parallel
from zipmo_ros.evaluation.runners import Settings, environment_options
from zipmo_ros.models import bundle_path
from zipmo_sim.suites import tasks

pytestmark = pytest.mark.slow


@pytest.mark.ros
@pytest.mark.parametrize(
    "otherwise",
    [
        {},
        {"perturb": "light_direction", "max_steps": 24},
        {"perturb": "moved_thing", "max_steps": 60},
        {"robot": "panda_256", "look": "full", "settle": "5-still", "max_steps": 24},
    ],
    ids=str,
)
def test_via_ros_equals_via_direct(otherwise):
    from zipmo_ros.evaluation.over_ros import GraphLoop
    from zipmo_ros.evaluation.rollout import run_episodes

    lever = [task for task in tasks("mini") if task.name == "turn_lever_left"]
    (episode,) = draw_episodes(lever, 1, seed=7)
    settings = Settings("mini", bundle_path(None), "ros", 7, 4, 4, "intended", strength=0.8, **otherwise)
    actions = []
    (direct,) = run_episodes(
        "mini", [episode], build_agent(settings), image_every=4, observer=lambda *step: actions.append(step[-1]),
        robot=settings.robot, **environment_options(settings),
    )  # fmt: skip
    with GraphLoop(settings, domain=101 + os.getpid() % 100) as graph:
        over_ros = graph.run_episode(episode)
        np.testing.assert_array_equal(graph.recording.action_array(), np.stack(actions))
    assert direct.error is None
    assert over_ros.error is None
    assert (over_ros.success, over_ros.steps) == (direct.success, direct.steps)
    assert np.abs(np.stack(actions)[:, :6]).max() > 0.1, "the arm never moved"


def test_what_was_done_before_ctrl_c_is_kept():
    lever = [task for task in tasks("mini") if task.name == "turn_lever_left"]
    episodes = draw_episodes(lever, 3, seed=7)
    settings = Settings("mini", bundle_path(None), "direct", 7, 2, 4, "intended", oracle="expert")

    def interrupt(outcome):
        raise KeyboardInterrupt

    first, *others = run_parallel(settings, episodes, 1, interrupt)
    assert (first.success, first.error) == (True, None)
    assert [other.error for other in others] == ["interrupted before this episode was done"] * 2


def test_last_frames_of_failures_are_kept_and_come_on_a_sheet(tmp_path):
    lever = [task for task in tasks("mini") if task.name == "turn_lever_left"]
    episodes = draw_episodes(lever, 2, seed=7)
    result = tmp_path / "a.json"
    settings = Settings("mini", bundle_path(None), "direct", 7, 2, 4, "intended", oracle="expert", max_steps=2,
                        gallery=frames_beside(result))  # fmt: skip
    outcomes = run_parallel(settings, episodes, 1, lambda outcome: None)
    assert not any(outcome.success for outcome in outcomes)
    assert len(list(frames_beside(result).glob("*.png"))) == 2
    plain = [dataclasses.asdict(outcome) for outcome in outcomes]
    assert plot_gallery(result, plain, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 5000
    assert not plot_gallery(tmp_path / "other.json", plain, tmp_path / "none.png")


def test_frames_of_another_evaluation_are_forgotten_and_those_of_the_same_kept(tmp_path, monkeypatch):
    def run(settings, episodes, workers, progress, journal, place):
        """The first one fails; the other crashes, so that the journal is kept."""
        failed, crashed = (Outcome.of(e, success=False, original_success=False, steps=9, error=error)
                           for e, error in zip(episodes, (None, "crashed"), strict=True))  # fmt: skip
        journal.append(failed)
        return [failed, crashed]

    monkeypatch.setattr(evaluate, "run_parallel", run)
    monkeypatch.setattr(command, "plot_failures", lambda report, path: None)
    frame = frames_beside(tmp_path / "a.json") / "7-0.png"
    frame.parent.mkdir()
    words = ["eval", "tasks=[turn_lever_left]", "episodes=2", "via=direct", f"out={tmp_path}/a.json"]
    for kept in (False, True):
        frame.touch()
        assert cli.main(words) == 1
        assert frame.exists() == kept
