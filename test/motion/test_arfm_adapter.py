"""ARFM as a planner that keeps state: it follows its points, takes its plan along, and begins anew when it must."""

import dataclasses

import numpy as np
import pytest
import torch

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.evaluate import resolve
from zipmo_ros.models import load_planner
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.arfm.adapter import ArfmPlanner
from zipmo_ros.motion.arfm.config import EditConfig, arfm_paper
from zipmo_ros.motion.arfm.predictor import MotionPredictor

from .arfm_models import TINY, tiny

ROBOT = load_robot()
GO, STOP = Sentence("open the drawer"), Sentence("close the drawer")


class Drifting:
    """A Tracker for which all goes by `drift` a frame; `lost` of the points of every view it does not find."""

    def __init__(self, drift=0.01, lost=0):
        self.drift, self.lost, self.calls = drift, lost, 0

    def track(self, frames, queries):
        self.calls += 1
        tracks = queries[:, None] + self.drift * np.arange(len(frames), dtype=np.float32)[:, None]
        visible = np.ones(tracks.shape[:2], bool)
        visible[: self.lost, 1:] = False
        return tracks.astype(np.float32), visible


def planner(tracker=None, **changes):
    return ArfmPlanner(tiny(**changes), ROBOT.views, ROBOT.period_ns, Execution(), tracker or Drifting())


def seen(step):
    images = np.random.default_rng(100 + step).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    return Observation(10**9 + step * ROBOT.period_ns, step, dict(zip(ROBOT.views, images, strict=True)))


def tracks(plan):
    return plan.tracks[0]


def test_points_are_where_most_movement_is_expected():
    """Of all the places that are guessed about, every tenth."""
    arfm, now = planner(), seen(0)

    def expected(features):
        moved = torch.zeros(features.shape[:-1])
        moved[:, :, ::10] = 1000.0
        return moved

    arfm.network.queries.forward = expected
    starts = tracks(arfm.plan(now, GO, 0))[:, :, 0]
    places = np.random.default_rng([0, now.stamp_ns]).uniform(-1, 1, (2, TINY.candidates, 2))
    nearest = np.abs(starts[:, :, None] - places[:, None, ::10]).max(axis=-1).min(axis=-1)
    assert nearest.max() < 1e-6


def test_a_plan_is_taken_along():
    """Its points are where they were followed to, its next steps near the old ones."""
    arfm = planner(edit=EditConfig("translate", start=0.01, steps=1))
    first = arfm.plan(seen(0), GO, 0)
    assert first.tracks.shape == (1, 2, TINY.points, HORIZON, 2)
    arfm.observe(seen(1))
    arfm.observe(seen(2))
    second = arfm.plan(seen(3), GO, 0)
    assert arfm.tracker.calls == 3 * 2
    np.testing.assert_allclose(tracks(second)[:, :, 0], tracks(first)[:, :, 0] + 0.03, atol=1e-5)
    shifts, before = (np.diff(tracks(plan), axis=2) for plan in (second, first))
    assert np.abs(shifts[:, :, : HORIZON - 4] - before[:, :, 3:]).max() < 0.02
    assert np.abs(shifts[:, :, -3:]).max() > 0.02  # three are new
    fresh = planner().plan(seen(3), GO, 0)
    assert np.abs(tracks(fresh)[:, :, 0] - tracks(second)[:, :, 0]).max() > 0.1


def test_asked_again_it_answers_the_same():
    arfm = planner()
    arfm.plan(seen(0), GO, 0)
    arfm.observe(seen(2))
    one, again = (arfm.plan(seen(4), GO, 0) for _ in range(2))
    np.testing.assert_array_equal(one.embeddings, again.embeddings)
    several = arfm.plan(seen(4), GO, 0, samples=3)
    np.testing.assert_allclose(several.embeddings[0], one.embeddings[0], atol=1e-4)
    assert len(arfm.plan(seen(6), GO, 0, samples=5).embeddings) == 5  # more than the last plan had


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(lambda arfm: arfm.plan(seen(2), STOP, 0), id="another goal"),
        pytest.param(lambda arfm: arfm.plan(seen(HORIZON), GO, 0), id="a gap as long as the plan"),
        pytest.param(lambda arfm: arfm.plan(seen(-1), GO, 0), id="a stamp from before"),
        pytest.param(lambda arfm: (arfm.observe(seen(40)), arfm.plan(seen(41), GO, 0))[1], id="a gap, seen"),
        pytest.param(lambda arfm: (arfm.reset(), arfm.plan(seen(2), GO, 0))[1], id="reset"),
    ],
)
def test_it_begins_anew(then):
    """As one that has seen nothing before."""
    used, fresh = planner(), planner()
    used.plan(seen(0), GO, 0)
    np.testing.assert_array_equal(then(used).embeddings, then(fresh).embeddings)


def test_lost_points_are_replaced_and_go_along_with_others():
    arfm = planner(Drifting(lost=2), edit=EditConfig("translate", start=1e-6, steps=1))
    first = tracks(arfm.plan(seen(0), GO, 0))
    second = tracks(arfm.plan(seen(1), GO, 0))
    np.testing.assert_allclose(second[:, 2:, 0], first[:, 2:, 0] + 0.01, atol=1e-5)
    assert (np.abs(second[:, :2, 0] - first[:, :2, 0] - 0.01).max(axis=-1) > 1e-3).all()
    shifts = np.diff(second, axis=2)[:, :, :-1]
    for view in range(2):
        distance = np.linalg.norm(second[view, :2, None, 0] - second[view, None, 2:, 0], axis=-1)
        np.testing.assert_allclose(shifts[view, :2], shifts[view, 2:][distance.argmin(axis=1)], atol=1e-4)


def test_too_few_points_are_no_plan_to_take_along():
    used = planner(Drifting(lost=3))
    used.plan(seen(0), GO, 0)
    np.testing.assert_array_equal(used.plan(seen(1), GO, 0).embeddings, planner().plan(seen(1), GO, 0).embeddings)


def test_the_past_is_kept_as_far_as_the_context_goes():
    """Steps between two plans lie on the way; frames are those that were planned for."""
    arfm = planner(Drifting(0.02))
    first = tracks(arfm.plan(seen(0), GO, 0))[:, :, 0]
    for step, past, frames in ((2, 3, [0, 2]), (4, 5, [0, 2, 4]), (7, 6, [0, 2, 5])):
        arfm.plan(seen(step), GO, 0)
        course = arfm._course
        assert course.past.shape[2] == past
        assert list(course.frames) == frames
    # Twenty steps of context are fifteen of the plan, the present being one of them, and five before.
    np.testing.assert_allclose(course.past[:, :, -1], first + 0.06, atol=1e-5)
    np.testing.assert_allclose(course.past[:, :, -2], first + 0.04 + 0.02 * 2 / 3, atol=1e-5)
    np.testing.assert_allclose(course.past[:, :, 0], first + 0.02, atol=1e-5)
    short = planner(context=HORIZON - 1)
    for step in (0, 2, 3):
        short.plan(seen(step), GO, 0)
        assert short._course.past.shape[2] == 1
        assert list(short._course.frames) == [0]


def test_a_bundle_of_its_kind_becomes_one(tmp_path):
    checkpoint.save(tmp_path / "planner", tiny())
    arfm = load_planner(None, tmp_path, ROBOT, Execution(steps=1))
    assert isinstance(arfm, ArfmPlanner)
    assert (arfm.spec.name, arfm.steps) == ("arfm", 1)
    assert arfm.spec.plan.shape == (2, None, 1, 2 * HORIZON)
    for step in (0, 2):
        assert np.isfinite(arfm.plan(seen(step), GO, 0).embeddings).all()
    pointed, understood = arfm.point(seen(2), GO)
    assert (pointed.shape, np.isnan(pointed).any(), understood) == ((2, 1, 2), False, None)
    rough = load_planner(None, tmp_path, ROBOT, Execution(steps=1, dtype="bfloat16")).plan(seen(0), GO, 0)
    exact = load_planner(None, tmp_path, ROBOT, Execution(steps=1)).plan(seen(0), GO, 0)
    assert 0 < np.abs(rough.embeddings - exact.embeddings).max() < 0.5


def test_an_evaluation_with_a_warm_start_is_refused_before_it_runs(tmp_path):
    checkpoint.save(tmp_path / "planner", tiny())
    usual = {"suite": "mini", "checkpoint": str(tmp_path), "planner": None, "policy": "zipmo_ros.models:load_policy",
             "via": "direct", "seed": 0, "replan_every": 1, "ensemble": "intended"}  # fmt: skip
    assert resolve(**usual, nfe=2).nfe == 2
    with pytest.raises(ValueError, match=r"warm_start=0.5 is ZipMo's, not of kind 'arfm'"):
        resolve(**usual, nfe=2, warm_start=0.5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="looks at 2 views, the robot has agentview"):
        ArfmPlanner(tiny(), ROBOT.views[:1], ROBOT.period_ns, Execution(), Drifting())
    with torch.device("meta"):
        paper = MotionPredictor(dataclasses.replace(arfm_paper(), depth=2, head_depth=1))
    with pytest.raises(ValueError, match="can't be told sentences"):
        ArfmPlanner(paper, ROBOT.views[:1], ROBOT.period_ns, Execution(), Drifting())
