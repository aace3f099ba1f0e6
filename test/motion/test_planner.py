"""The velocity field: what is computed ahead equals what is computed on the spot, and it can be learnt."""

import dataclasses

import pytest
import torch

from zipmo_ros.motion.flow import euler, logit_normal_times
from zipmo_ros.motion.losses import flow_matching_loss
from zipmo_ros.motion.zipmo.config import planner_nano
from zipmo_ros.motion.zipmo.plan_pass import planned_velocity
from zipmo_ros.motion.zipmo.planner import MotionPlanner

from .conftest import PLANNERS


def latents(planner, batch=3):
    return torch.randn(batch, planner.config.latent_tokens, 16, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_tokens_computed_ahead_change_nothing(planner, inputs):
    z, t = latents(planner), torch.tensor([0.1, 0.5, 0.9])
    plain = planner.velocity(z, t, planner.condition(**inputs))
    images = inputs.pop("images")
    tokens = planner.encode_images(images, inputs.get("text"))
    assert torch.equal(planner.velocity(z, t, planner.condition(image_tokens=tokens, **inputs)), plain)
    assert plain.std() > 0.01


@torch.no_grad()
def test_norms_of_a_schedule_computed_ahead_change_nothing(planner, inputs):
    conditioning, z = planner.condition(**inputs), latents(planner)
    ahead = euler(planned_velocity(planner, conditioning, 5), z, 5)
    plain = euler(lambda z, t: planner.velocity(z, torch.full((3,), t), conditioning), z, 5)
    torch.testing.assert_close(ahead, plain, rtol=0, atol=1e-5)


@torch.no_grad()
def test_several_draws_share_a_window(planner, inputs):
    draws = 4
    z, t = latents(planner, 3 * draws), torch.rand(3 * draws)
    shared = planner.velocity(z, t, planner.condition(**inputs))
    repeated = {name: value.repeat_interleave(draws, dim=0) for name, value in inputs.items()}
    torch.testing.assert_close(shared, planner.velocity(z, t, planner.condition(**repeated)), rtol=0, atol=1e-5)


@torch.no_grad()
def test_samples_of_a_batch_do_not_mix(planner, inputs):
    z, t = latents(planner), torch.tensor([0.1, 0.5, 0.9])
    together = planner.velocity(z, t, planner.condition(**inputs))
    alone = planner.velocity(z[1:2], t[1:2], planner.condition(**{k: v[1:2] for k, v in inputs.items()}))
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_every_input_matters(planner, inputs):
    z, t = latents(planner), torch.full((3,), 0.5)
    plain = planner.velocity(z, t, planner.condition(**inputs))
    for name, value in inputs.items():
        other = {**inputs, name: value.flip(0)}
        changed = (planner.velocity(z, t, planner.condition(**other)) - plain)[0].abs().max()
        assert changed > 1e-4, f"{name} has no influence"
    assert (planner.velocity(z, t + 0.3, planner.condition(**inputs)) - plain).abs().max() > 1e-4


@torch.no_grad()
def test_dropping_hides_the_sentence(planner, inputs):
    if not planner.config.text:
        pytest.skip("it takes no sentence")
    z, t = latents(planner), torch.full((3,), 0.5)
    inputs = {**inputs, "images": inputs["images"][:1].expand(3, -1, -1, -1, -1)}
    conditioning = planner.condition(**inputs, drop_text=torch.tensor([True, False, True]))
    v = planner.velocity(z[:1].expand(3, -1, -1), t, conditioning)
    torch.testing.assert_close(v[0], v[2], rtol=0, atol=1e-5)
    assert (v[0] - v[1]).abs().max() > 1e-4


def test_wrong_inputs_are_named(planner, inputs):
    with pytest.raises(ValueError, match="views"):
        planner.condition(**{**inputs, "images": inputs["images"].repeat(1, 2, 1, 1, 1)})
    if planner.config.text:
        with pytest.raises(ValueError, match="sentence"):
            planner.condition(inputs["images"])
        with pytest.raises(ValueError, match="384"):
            planner.condition(inputs["images"], torch.zeros(3, 7))
    else:
        with pytest.raises(ValueError, match="at most 4 pokes"):
            planner.condition(inputs["images"], pokes=torch.zeros(3, 5, 5))


def test_the_dense_planner_does_not_pad():
    config = PLANNERS["sparse"]
    dense = MotionPlanner(dataclasses.replace(config, pokes=dataclasses.replace(config.pokes, pad=False)))
    with pytest.raises(ValueError, match="exactly 4"):
        dense.condition(torch.zeros(1, 1, 8, 8, 3), pokes=torch.zeros(1, 3, 5))


def test_untrained_network_can_learn_all_its_parameters():
    planner = MotionPlanner(PLANNERS["nano"])
    optimiser = torch.optim.SGD(planner.parameters(), lr=0.1)
    z, images, text = torch.randn(2, 8, 16), torch.rand(2, 2, 32, 32, 3), torch.randn(2, 384)
    for _ in range(8):  # zero-initialised layers let gradients through one after the other
        optimiser.zero_grad()
        planner.velocity(z, torch.rand(2), planner.condition(images, text)).sub(z).square().mean().backward()
        optimiser.step()
    idle = [name for name, p in planner.named_parameters() if p.grad is None or not p.grad.any()]
    # No sentence was dropped; all latents stand at t = 0, which no rotation in time moves.
    assert not [name for name in idle if not name.endswith(("ca_mask_token", "self_attn.pos_emb.t_freqs"))], idle


def test_overfits_a_batch_and_samples_it_back():
    """Learn four (sentence -> latent) pairs, then plan from fresh noise: wrong signs or a reversed time cannot pass."""
    torch.manual_seed(0)
    planner = MotionPlanner(PLANNERS["nano"])
    data, text = torch.randn(4, 8, 16), torch.nn.functional.normalize(torch.randn(4, 384), dim=-1)
    with torch.no_grad():
        tokens = planner.encode_images(torch.zeros(4, 2, 32, 32, 3), text)
    optimiser = torch.optim.AdamW(planner.parameters(), lr=3e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=250)
    for _ in range(250):
        conditioning = planner.condition(image_tokens=tokens, text=text)
        loss = flow_matching_loss(
            lambda z, t, c=conditioning: planner.velocity(z, t, c), data, torch.randn(32, 8, 16), logit_normal_times(32)
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    with torch.no_grad():
        conditioning = planner.condition(image_tokens=tokens, text=text)
        sample = euler(planned_velocity(planner, conditioning, 10), torch.randn(4, 8, 16), 10)
    error = (sample - data).square().mean()
    assert error < 0.05, f"mean squared error {error:.3f} of data with variance 1"


def test_nano_is_small():
    assert sum(p.numel() for p in MotionPlanner(planner_nano()).parameters()) < 3e6
