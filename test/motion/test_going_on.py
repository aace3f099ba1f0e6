"""A plan of ZipMo's that begins as the last one goes on."""

import dataclasses

import numpy as np
import pytest
import torch

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.motion.zipmo.adapter import ZipmoPlanner
from zipmo_ros.motion.zipmo.going_on import GoingOn, MadePlan
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.posterior import Posterior
from zipmo_ros.motion.zipmo.vae import TrackVAE

from .conftest import PLANNERS, VAES, awaken

ROBOT = load_robot()
GO, STOP = Sentence("open the drawer"), Sentence("close the drawer")


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    vae = dataclasses.replace(VAES["nano"], points_in=8, clip_samples=HORIZON, samples_per_token=HORIZON)
    return awaken(TrackVAE(vae)), awaken(MotionPlanner(PLANNERS["nano"]))


def planner(models, **execution):
    return ZipmoPlanner(*models, ROBOT.views, ROBOT.period_ns, Execution(**execution))


def seen(step):
    images = np.random.default_rng(100 + step).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    return Observation(10**9 + step * ROBOT.period_ns, step, dict(zip(ROBOT.views, images, strict=True)))


def embedding(zipmo, step, goal=GO, **given):
    return zipmo.plan(seen(step), goal, 0, **given).embeddings


def test_it_is_near_what_is_left_of_the_last_plan_and_else_as_ever(models):
    cold = [embedding(planner(models), step) for step in (0, 2)]
    warm, near = planner(models, warm_start=0.5), planner(models, warm_start=0.01, steps=1)
    np.testing.assert_array_equal(embedding(warm, 0), cold[0])
    assert np.abs(embedding(warm, 2) - cold[1]).max() > 1e-3
    embedding(near, 0)
    images = torch.from_numpy(seen(2).stacked(ROBOT.views))
    with torch.no_grad():
        left = near._last.latents(GO, seen(2).stamp_ns, images).reshape(1, *near.spec.plan.shape)
    np.testing.assert_allclose(embedding(near, 2), left, atol=0.1)
    assert np.abs(left.numpy() - cold[1]).max() > 0.2
    np.testing.assert_allclose(embedding(planner(models, warm_start=1.0), 0), cold[0])


def test_asked_again_it_answers_the_same(models):
    zipmo = planner(models, warm_start=0.5)
    embedding(zipmo, 0)
    one, again, several = embedding(zipmo, 2), embedding(zipmo, 2), embedding(zipmo, 2, samples=3)
    np.testing.assert_array_equal(one, again)
    np.testing.assert_allclose(several[:1], one, atol=1e-4)
    assert np.abs(several[1] - several[2]).max() > 1e-3
    third = embedding(zipmo, 4)
    assert np.abs(third - embedding(planner(models), 4)).max() > 1e-3


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(lambda zipmo: embedding(zipmo, 2, STOP), id="another goal"),
        pytest.param(lambda zipmo: embedding(zipmo, HORIZON), id="a gap as long as the plan"),
        pytest.param(lambda zipmo: embedding(zipmo, -1), id="a stamp from before"),
        pytest.param(lambda zipmo: (zipmo.reset(), embedding(zipmo, 2))[1], id="reset"),
    ],
)
def test_it_begins_anew(models, then):
    zipmo = planner(models, warm_start=0.5)
    embedding(zipmo, 0)
    np.testing.assert_array_equal(then(zipmo), then(planner(models)))


class Straight:
    """An autoencoder whose plans are all the same: points go the same way, but for those that stay."""

    def __init__(self, config):
        self.config = config

    def denormalise(self, latents):
        return latents

    normalise = denormalise

    def decode(self, latents, queries, images, steps):
        moving = (queries[..., :1] > 0)[..., None]
        return queries[:, :, None] + moving * torch.arange(steps)[:, None] * torch.tensor([0.0, 0.02])

    def encode(self, tracks, images):
        self.given = tracks
        return Posterior(tracks[:, :, 0], tracks[:, :, 0])


def test_the_tracks_are_shifted_in_time_and_go_on(models):
    vae = Straight(models[0].config)
    last = GoingOn(vae, ROBOT.period_ns)
    images = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    last.made(MadePlan(GO, 10**9, images, torch.zeros(2, 4, 16)))
    assert last.latents(GO, 10**9 + 5 * ROBOT.period_ns, images) is not None
    shifts = vae.given.diff(dim=2)
    assert vae.given.shape == (2, 8, HORIZON, 2)
    assert vae.given[:, :, 0].abs().max() <= 1, "they are there when they are encoded"
    torch.testing.assert_close(shifts[..., 1].amax(1), torch.full((2, HORIZON - 1), 0.02), atol=1e-5, rtol=0)
    torch.testing.assert_close(shifts, shifts[:, :, :1].expand_as(shifts), atol=1e-5, rtol=0)


@pytest.mark.parametrize("t", [0.0, 1.5])
def test_flow_times_are_checked(t):
    with pytest.raises(ValueError, match="warm_start is a flow time"):
        Execution(warm_start=t)
