"""ATM: what its track transformer sees and says, its sizes, and the planner that it is behind the contract."""

import dataclasses

import numpy as np
import pytest
import torch

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.evaluate import resolve
from zipmo_ros.models import load_planner
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.atm.adapter import AtmPlanner, double_grid
from zipmo_ros.motion.atm.config import atm_nano, atm_published
from zipmo_ros.motion.atm.track_reading import TrackReading, raw
from zipmo_ros.motion.atm.track_transformer import TrackTransformer
from zipmo_ros.motion.config import TokenConfig

from .atm_models import TINY_ATM, tiny_atm

ROBOT = load_robot()
GO = Sentence("open the drawer")


@pytest.fixture(scope="module")
def model():
    return tiny_atm()


@pytest.fixture(scope="module")
def inputs(model):
    """Image tokens [2, 2, L, C], sentences, points [2, 2, 5, 2]."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2, 2, 32, 32, 3), dtype=torch.uint8, generator=generator)
    text, points = torch.randn(2, 384, generator=generator) / 20, torch.rand(2, 2, 5, 2, generator=generator) - 0.5
    with torch.no_grad():
        return model.look(images, text)[0], text, points


def seen(step=0):
    images = np.random.default_rng(step).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    return Observation(10**9 + step * ROBOT.period_ns, step, dict(zip(ROBOT.views, images, strict=True)))


@torch.no_grad()
def test_points_and_views_do_not_depend_on_their_order_nor_a_view_on_the_other(model, inputs):
    tokens, text, points = inputs
    tracks, patches = model(tokens, text, points)
    assert tracks.shape == (2, 2, 5, 16, 2)
    assert patches.shape == (2, 2, TINY_ATM.patches**2, 3 * TINY_ATM.patch**2)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(model(tokens, text, points[:, :, order])[0], tracks[:, :, order], atol=1e-5, rtol=1e-5)
    swapped = model(tokens.flip(1), text, points.flip(1))[0].flip(1)
    torch.testing.assert_close(swapped, tracks, atol=1e-5, rtol=1e-5)
    other = torch.cat([tokens[:, :1], tokens[:, 1:] + 1], dim=1)
    change = (model(other, text, points)[0] - tracks).abs().amax(dim=(0, 2, 3, 4))
    assert change[0] == 0
    assert change[1] > 1e-3


@torch.no_grad()
def test_a_hidden_patch_is_hidden(model, inputs):
    tokens, text, points = inputs
    hidden = torch.zeros(tokens.shape[:3], dtype=torch.bool)
    hidden[:, :, 3] = True
    other = torch.where(hidden[..., None], 9.0, tokens)
    for ours, theirs in zip(
        model(tokens, text, points, hidden=hidden), model(other, text, points, hidden=hidden), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    assert (model(other, text, points)[0] - model(tokens, text, points)[0]).abs().max() > 1e-3
    assert (model(tokens, text, points, hidden=hidden)[0] - model(tokens, text, points)[0]).abs().max() > 1e-4


@torch.no_grad()
def test_offsets_are_added_to_where_the_points_start(model, inputs):
    tokens, text, points = inputs
    offsets = tiny_atm(offset=0.5)
    offsets.load_state_dict(model.state_dict())
    absolute = (model(tokens, text, points)[0] + 1) / 2
    torch.testing.assert_close(offsets(tokens, text, points)[0], points[:, :, :, None] + absolute)


@torch.no_grad()
def test_told_places_it_goes_by_where_its_encoder_points(inputs):
    tokens, text, points = inputs
    told = tiny_atm(places=True)
    images = torch.zeros(2, 2, 32, 32, 3, dtype=torch.uint8)
    _, pointing = told.look(images, text)
    logits = torch.zeros_like(pointing.logits)
    logits[..., 1] = 20.0
    here = dataclasses.replace(pointing, logits=logits)
    elsewhere = dataclasses.replace(here, places=here.places.flip(-2))  # as sure of it
    change = (told(tokens, text, points, here)[0] - told(tokens, text, points, elsewhere)[0]).abs()
    assert change.amax(dim=(2, 3, 4)).min() > 1e-4  # of every sample and view
    with pytest.raises(ValueError, match="an image encoder with landmarks"):
        dataclasses.replace(TINY_ATM, places=True, image=None)


def test_patches_are_those_of_the_image(model):
    images = torch.zeros(1, 2, 32, 32, 3, dtype=torch.uint8)
    images[0, 1, TINY_ATM.patch + 1, 2, 0] = 255  # the first patch of the second row
    patches = model.patches(images)
    assert (patches > 0).nonzero().tolist() == [[0, 1, TINY_ATM.patches, (TINY_ATM.patch + 2) * 3]]
    assert patches.unique().tolist() == [-1, 1]


def test_sizes():
    """The published one sees patches of its own and reads the sentence's vector; both are made of numbers alone."""
    with torch.device("meta"):
        published, nano = TrackTransformer(atm_published()), TrackTransformer(atm_nano())
        assert published.look(torch.empty(1, 2, 128, 128, 3), torch.empty(1, 768))[0].shape == (1, 2, 64, 768)
        tracks, _ = published(torch.empty(1, 2, 64, 768), torch.empty(1, 768), torch.empty(1, 2, 32, 2))
        assert tracks.shape == (1, 2, 32, 16, 2)
    layers = published.layers.layers
    assert (len(layers), layers[0].self_attn.num_heads, layers[0].dropout.p) == (8, 8, 0.2)
    published_size, nano_size = (sum(p.numel() for p in model.parameters()) for model in (published, nano))
    assert 14e6 < published_size < 17e6
    assert nano_size < 3.5e6  # in 15 MB beside a policy


def test_the_grid_is_the_published_one():
    points = (double_grid(4) + 1) / 2
    assert points.shape == (32, 2)
    np.testing.assert_allclose(points[[0, 3, 15, 16, 31]], [[0.05, 0.05], [0.05, 0.85], [0.85, 0.85], [0.15, 0.15],
                                                           [0.95, 0.95]], atol=1e-6)  # fmt: skip


def test_futures_are_one_and_begin_on_the_grid(tmp_path):
    checkpoint.save(tmp_path / "planner", tiny_atm())
    atm = load_planner("atm", tmp_path, ROBOT, Execution())
    plan = atm.plan(seen(), GO, seed=0, samples=3)
    assert plan.tracks.shape == (3, 2, 8, 16, 2)
    np.testing.assert_array_equal(plan.embeddings[1:], plan.embeddings[:2])
    np.testing.assert_array_equal(plan.embeddings[:1], atm.plan(seen(), GO, seed=9).embeddings)
    np.testing.assert_array_equal(plan.tracks[0, 0, :, 0], double_grid(2))
    assert np.abs(atm.plan(seen(), Sentence("close it"), 0).embeddings - plan.embeddings[:1]).max() > 1e-4
    assert atm.places(seen(), GO).shape == (2, 1, 2)
    pointed, understood = atm.point(seen(), GO)
    assert (pointed.shape, np.isnan(pointed).any(), understood) == ((2, 1, 2), False, None)
    assert plan.understood is None


def test_it_reads_tokens_with_an_encoder_that_does():
    text = dataclasses.replace(TINY_ATM.text, tokens=TokenConfig(width=64, depth=1))
    image = dataclasses.replace(TINY_ATM.image, text=text, understanding=True, understood_at=0.5)
    atm = AtmPlanner(tiny_atm(text=text, image=image), ROBOT.views, ROBOT.period_ns, Execution())
    plan = atm.plan(seen(), GO, 0)
    assert 0 < plan.understood < 1
    assert atm.point(seen(), GO)[1] == plan.understood
    assert np.abs(atm.plan(seen(), Sentence("the drawer, open it"), 0).embeddings - plan.embeddings).max() > 1e-5
    with pytest.raises(ValueError, match="both, or neither"):
        dataclasses.replace(TINY_ATM, text=text)


@pytest.mark.parametrize("asked", [{"steps": 4}, {"warm_start": 0.5}])
def test_what_it_has_not_is_refused(asked):
    with pytest.raises(ValueError, match="ATM draws nothing"):
        AtmPlanner(tiny_atm(), ROBOT.views, ROBOT.period_ns, Execution(**asked))


@pytest.mark.parametrize(("asked", "complaint"), [({"nfe": 10}, "nfe=null"), ({"warm_start": 0.5}, "warm_start=null")])
def test_an_evaluation_that_asks_for_what_it_has_not_is_refused_before_it_runs(tmp_path, asked, complaint):
    checkpoint.save(tmp_path / "planner", tiny_atm())
    usual = {"suite": "mini", "checkpoint": str(tmp_path), "planner": "atm", "policy": "zipmo_ros.models:load_policy",
             "via": "direct", "seed": 0, "replan_every": 1, "ensemble": "intended", "nfe": None}  # fmt: skip
    assert resolve(**usual).nfe is None
    with pytest.raises(ValueError, match=complaint):
        resolve(**{**usual, **asked})


@torch.no_grad()
def test_tracks_are_read_as_tokens_and_raw():
    torch.manual_seed(0)
    reading, tracks = TrackReading(24, views=2, steps=16), torch.rand(3, 2, 5, 16, 2) - 0.5
    tokens = reading.tokens(tracks)
    assert tokens.shape == (3, 10, 24)
    moved = tracks.clone()
    moved[:, 1, 2, 9, 0] += 0.1
    change = (reading.tokens(moved) - tokens).abs().amax(dim=(0, 2))
    assert change.nonzero().tolist() == [[5 + 2]], "the token of the second view's third point, and no other"
    alike = reading.tokens(tracks[:, :1].expand(-1, 2, -1, -1, -1))
    assert (alike[:, :5] - alike[:, 5:]).abs().max() > 1e-3, "views are told apart"
    assert raw(tracks).shape == (3, 2 * 5 * 16 * 2)
    torch.testing.assert_close(raw(tracks)[0, :2], (tracks[0, 0, 0, 0] + 1) / 2)
