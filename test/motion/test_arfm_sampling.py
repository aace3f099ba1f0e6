"""ARFM's futures: cache, cost, guidance, and how a plan is taken along."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from zipmo_ros.motion.arfm.config import EditConfig
from zipmo_ros.motion.arfm.sampling import Rollout, forecast, strength
from zipmo_ros.motion.flow import euler, interpolate, schedule

from .arfm_models import TINY, context_of, inputs, tiny

HORIZON = 5


@pytest.fixture(scope="module")
def model():
    return tiny()


def noise(draws=1, batch=2, seed=3, horizon=HORIZON):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, draws, horizon, 2, TINY.points, 2, generator=generator)


@torch.no_grad()
def drawn(model, draws=1, guidance=1.0, past=2, **given):
    images, text, points = inputs(steps=past)
    contexts = context_of(model, images, text, past + HORIZON - 1, frame_steps=(0, past - 1), guidance=guidance)
    given = {"steps": 3, **given}
    return forecast(model, contexts, points, noise(draws), guidance=guidance, **given)


@pytest.mark.parametrize("steps", [1, 4, 16])
@pytest.mark.parametrize("start", [1.0, 0.2])
def test_the_solver_ends_at_the_data(steps, start):
    """Defect 4: S evaluations, the last step ends at t = 0 wherever it began."""
    data, field = torch.randn(5, 2, dtype=torch.float64), []
    z = interpolate(data, torch.randn(5, 2, dtype=torch.float64), torch.tensor([start], dtype=torch.float64))

    def velocity(z, t):
        field.append(t)
        return (z - data) / t

    torch.testing.assert_close(euler(velocity, z, steps, start), data, atol=1e-12, rtol=0)
    assert field == schedule(steps, start)
    assert field[0] == start
    assert field[-1] == pytest.approx(start / steps)


def test_a_step_is_one_pass_of_the_fusion_and_s_of_the_head(model, monkeypatch):
    """And images are encoded once a plan."""
    calls = {"look": 0, "fuse": 0, "velocity": 0}

    def counted(name, plain):
        def call(*args, **kwargs):
            calls[name] += 1
            return plain(*args, **kwargs)

        return call

    for name in calls:
        monkeypatch.setattr(model, name, counted(name, getattr(model, name)))
    assert drawn(model, draws=4).shape == (2, 4, 2, TINY.points, HORIZON + 1, 2)
    assert calls == {"look": 1, "fuse": HORIZON, "velocity": 3 * HORIZON}
    drawn(model, guidance=2.0)
    assert calls == {"look": 3, "fuse": 3 * HORIZON, "velocity": 9 * HORIZON}


@torch.no_grad()
def test_cached_futures_are_those_without_a_cache(model):
    """Each step from scratch: all that came before as the past."""
    images, text, points = inputs(steps=2)
    (context,) = context_of(model, images, text, 2 + HORIZON - 1, frame_steps=(0, 1))
    tracks = forecast(model, [context], points, noise(), steps=3)[:, 0]
    known = points
    for step in range(HORIZON):
        known = torch.cat(
            [known, Rollout(model, [context], known, 1).advance(noise()[:, 0, step], 3)[:, :, :, None]], 3
        )
    torch.testing.assert_close(tracks, known[:, :, :, 1:], atol=1e-5, rtol=1e-5)
    assert (tracks - points[:, :, :, -1:]).abs().max() > 1e-3


def test_futures_of_a_batch_are_those_drawn_alone(model):
    three, one = drawn(model, draws=3), drawn(model, draws=1)
    generator = torch.Generator().manual_seed(3)
    same = torch.randn(2, 3, HORIZON, 2, TINY.points, 2, generator=generator)
    images, text, points = inputs(steps=2)
    contexts = context_of(model, images, text, 2 + HORIZON - 1, frame_steps=(0, 1))
    with torch.no_grad():
        alone = forecast(model, contexts, points, same[:, 1:2], steps=3)
    torch.testing.assert_close(three[:, 1:2], alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(three[:1, :1], one[:1], atol=1e-5, rtol=1e-5)
    assert (three[:, 0] - three[:, 2]).abs().max() > 1e-3


def test_guidance_goes_beyond_what_the_sentence_says(model):
    plain, guided = drawn(model), drawn(model, guidance=3.0)
    assert (plain - guided).abs().max() > 1e-4
    torch.testing.assert_close(drawn(model, guidance=1.0), plain)


def test_points_that_are_not_there_change_no_future(model):
    images, text, points = inputs(steps=2)
    valid = torch.ones(2, 2 * TINY.points, dtype=torch.bool)
    valid[:, 4] = False
    other = points.clone()
    other[:, 0, 4] = 0.9
    contexts = context_of(model, images, text, 2 + HORIZON - 1, frame_steps=(0, 1))
    with torch.no_grad():
        ours, theirs = (forecast(model, contexts, p, noise(2), steps=2, valid=valid) for p in (points, other))
    there = valid[0].unflatten(0, (2, 5))
    torch.testing.assert_close(ours[:, :, there], theirs[:, :, there], atol=1e-6, rtol=0)


@torch.no_grad()
def test_a_later_step_costs_what_an_early_one_does(model):
    """But for the keys in the cache that it looks at: 4 operations a key, channel, site and layer along time."""
    images, text, points = inputs(batch=1, steps=1, frames=1)
    horizon = 12
    (context,) = context_of(model, images, text, horizon, frame_steps=(0,))
    rollout, costs = Rollout(model, [context], points, 1), []
    for step in range(horizon):
        with FlopCounterMode(display=False) as counter:
            rollout.advance(noise(batch=1, horizon=horizon)[:, 0, step], 2)
        costs.append(counter.get_total_flops())
    sites, layers = 2 * (TINY.points + TINY.global_grid**2), TINY.depth // 2
    for early, late in itertools.pairwise(costs):
        assert 0 <= late - early <= 4 * sites * TINY.width * layers
    assert costs[-1] < 1.1 * costs[1]


@pytest.mark.parametrize("rule", ["replace", "translate"])
def test_a_plan_is_taken_along_by_its_rule(model, monkeypatch, rule):
    """Without noise and with a head that says nothing, a share 1 - start is left of each planned shift."""
    monkeypatch.setattr(model, "velocity", lambda z, *rest: torch.zeros_like(z))
    images, text, points = inputs(steps=1, frames=1)
    contexts = context_of(model, images, text, HORIZON, frame_steps=(0,))
    planned = torch.rand(2, 1, 2, TINY.points, HORIZON, 2) - 0.5  # one step less than asked for
    edit = EditConfig(rule=rule, start=0.25, steps=2)
    nothing = torch.zeros(2, 1, HORIZON, 2, TINY.points, 2)
    with torch.no_grad():
        tracks = forecast(model, contexts, points, nothing, steps=4, planned=planned, edit=edit)
    now = points[:, None, :, :, 0]
    ahead = planned + (now - planned[..., 0, :])[..., None, :] if rule == "translate" else planned
    torch.testing.assert_close(tracks[..., 0, :], now)
    for step in range(1, HORIZON):
        now = now + 0.75 * (ahead[..., step, :] - now)
        torch.testing.assert_close(tracks[..., step, :], now, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(tracks[..., HORIZON, :], now, atol=1e-5, rtol=1e-5)  # the new one, of no noise


def test_a_new_step_is_drawn_in_full_and_the_others_stay_near(model, monkeypatch):
    times = []
    plain = model.velocity
    monkeypatch.setattr(model, "velocity", lambda z, t, *rest: (times.append(t), plain(z, t, *rest))[1])
    planned = drawn(model)
    times.clear()
    taken = drawn(model, planned=planned[..., 1:, :], steps=4)
    edited = schedule(TINY.edit.steps, TINY.edit.start)
    assert times == edited * (HORIZON - 1) + schedule(4)
    assert taken.shape == planned.shape


def test_strength_by_error(model):
    """Nothing is drawn again of a plan that came true; all of one that is ten pixels off."""
    found = torch.rand(2, 5, 2)
    assert strength(found, found) == (0.0, 0)
    off = found + torch.tensor([5 / 128, 0.0])
    assert strength(off, found) == (pytest.approx(0.5, abs=1e-4), 8)
    assert strength(found + 1, found) == (1.0, 16)
    by_error = EditConfig(rule="replace", by_error=True)
    planned = drawn(model)
    again = drawn(model, planned=planned, edit=by_error)
    torch.testing.assert_close(again, planned, atol=1e-6, rtol=0)


def test_regression_is_one_evaluation_without_noise():
    regressor = tiny(objective="regression")
    first, *others = (drawn(regressor, draws=3, steps=steps) for steps in (1, 7))
    assert torch.equal(first[:, 0], first[:, 2])
    assert all(torch.equal(first, other) for other in others)
    assert np.isfinite(first.numpy()).all()


@torch.no_grad()
def test_all_steps_before_matter():
    """Through the fusion: the last shift is the same."""
    model = tiny()
    images, text, points = inputs(steps=3)
    contexts = context_of(model, images, text, 3 + HORIZON - 1, frame_steps=(0, 2))
    other = points.clone()
    other[:, :, :, 0] = -other[:, :, :, 0]
    ours, theirs = (forecast(model, contexts, p, noise(), steps=2) for p in (points, other))
    assert (ours - theirs).abs().max() > 1e-4


@pytest.mark.parametrize("given", [True, False])
@torch.no_grad()
def test_the_head_is_given_each_points_last_shift(given):
    head = tiny(previous_shift=given).head
    generator = torch.Generator().manual_seed(0)
    z, previous, features = (torch.randn(3, 5, size, generator=generator) for size in (2, 2, TINY.width))
    t, text = torch.full((3,), 0.5), torch.zeros(3, TINY.width)
    change = head(z, t, features, previous, text) - head(z, t, features, 0 * previous, text)
    assert (change.abs().amax() > 1e-4) == given
