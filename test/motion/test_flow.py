"""The solver against closed forms, the path, and where noise comes from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zipmo_ros.motion.flow import euler, guided, interpolate, logit_normal_times, plan_noise, schedule
from zipmo_ros.motion.losses import discounted_bc_loss, flow_matching_loss, vae_loss
from zipmo_ros.motion.metrics import endpoint_error, pck
from zipmo_ros.motion.zipmo.posterior import Posterior


@given(steps=st.integers(1, 40))
@settings(max_examples=20)
def test_constant_velocity_is_exact(steps):
    noise, velocity = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    assert torch.allclose(euler(lambda z, t: velocity, noise, steps), noise - velocity, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_field_of_one_data_point_leads_to_it(steps):
    """All paths to one point x are straight: v = (z - x) / t. Also fixes the direction of time."""
    noise, data = torch.randn(5, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    assert torch.allclose(euler(lambda z, t: (z - data) / t, noise, steps), data, atol=1e-12)


def test_order_is_one():
    """dz/dt = z integrated from t = 1 to 0 is exp(-1); halving the step halves the error."""
    errors = [
        abs(euler(lambda z, t: z, torch.ones((), dtype=torch.float64), n).item() - np.exp(-1)) for n in (64, 128, 256)
    ]
    orders = np.log2([errors[0] / errors[1], errors[1] / errors[2]])
    np.testing.assert_allclose(orders, 1.0, atol=0.02)


def test_gaussian_to_gaussian():
    """Velocity between N(0, 1) and N(m, s^2) is known in closed form; samples must have its moments."""
    mean, std = 2.0, 0.5

    def velocity(z, t):
        data_var, var = std**2, (1 - t) ** 2 * std**2 + t**2
        residual = z - (1 - t) * mean
        return (t - (1 - t) * data_var) / var * residual - mean

    noise = torch.from_numpy(plan_noise(0, 0, (20000,))).double()
    sample = euler(velocity, noise, 200)
    assert sample.mean().item() == pytest.approx(mean, abs=0.02)
    assert sample.std().item() == pytest.approx(std, abs=0.02)


def test_path_ends_and_derivative():
    data, noise = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)
    assert torch.equal(interpolate(data, noise, torch.zeros(2)), data)
    assert torch.equal(interpolate(data, noise, torch.ones(2)), noise)
    t, h = torch.full((2,), 0.3, dtype=torch.float64), 1e-6
    slope = (interpolate(data, noise, t + h) - interpolate(data, noise, t - h)) / (2 * h)
    assert torch.allclose(slope, noise - data, atol=1e-8)


def test_the_true_field_has_no_loss():
    data, noise = torch.randn(2, 3, 4), torch.randn(6, 3, 4)
    expanded = data.repeat_interleave(3, dim=0)
    assert flow_matching_loss(lambda z, t: noise - expanded, data, noise, torch.rand(6)) == 0
    wrong = flow_matching_loss(lambda z, t: noise - data.repeat(3, 1, 1), data, noise, torch.rand(6))
    assert wrong > 0.1, "draws of one window are consecutive"


def test_schedule_and_guidance():
    assert schedule(4) == [1.0, 0.75, 0.5, 0.25]
    with pytest.raises(ValueError, match="at least one step"):
        schedule(0)
    one, two = lambda z, t: z, lambda z, t: 2 * z
    assert guided(two, one, 1.0) is two
    assert guided(two, one, 3.0)(torch.ones(1), 0.5).item() == 4.0


def test_training_times_are_logit_normal():
    t = logit_normal_times(20000, torch.Generator().manual_seed(0))
    logit = t.logit()
    assert ((t > 0) & (t < 1)).all()
    assert logit.mean().abs() < 0.03
    assert (logit.std() - 1).abs() < 0.03


def test_plan_noise_repeats_and_is_pinned():
    """Recorded episodes replay only as long as these numbers stay."""
    noise = plan_noise(3, 1_234_567_890, (32, 16))
    assert noise.dtype == np.float32
    assert np.array_equal(noise, plan_noise(3, 1_234_567_890, (32, 16)))
    assert not np.array_equal(noise, plan_noise(4, 1_234_567_890, (32, 16)))
    assert not np.array_equal(noise, plan_noise(3, 1_234_567_891, (32, 16)))
    np.testing.assert_allclose(plan_noise(0, 50_000_000, (3,)), PINNED, rtol=1e-6)
    with pytest.raises(ValueError, match="negative"):
        plan_noise(-1, 0, (1,))


def test_losses_and_metrics_by_hand():
    predicted, target = torch.zeros(1, 2, 7), torch.full((1, 2, 7), 2.0)
    assert discounted_bc_loss(predicted, target, 0.5).item() == pytest.approx((4 + 2) / 2)
    assert discounted_bc_loss(predicted, target, 0.5, "absolute").item() == pytest.approx((2 + 1) / 2)
    with pytest.raises(ValueError, match="kind"):
        discounted_bc_loss(predicted, target, kind="huber")
    tracks = torch.zeros(1, 2, 3, 2)
    moved = tracks.clone()
    moved[:, 1] = 1.0
    standard = Posterior(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))
    assert [value.item() for value in vae_loss(moved, tracks, standard)] == [0.5, 0.5, 0]
    assert endpoint_error(moved, tracks).max().item() == pytest.approx(64 * 2**0.5)
    assert pck(moved, tracks) == [0.5] * 5
    assert Posterior(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)).kl() == 0
    assert Posterior(torch.ones(2, 3, 4), torch.zeros(2, 3, 4)).kl().item() == pytest.approx(2.0)


PINNED = [0.42552015, 0.49876177, -2.1280332]
