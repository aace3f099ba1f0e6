"""ATM's policy: the two ways in which it reads tracks, the frames that it looks back on, and how it is trained."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from motion.conftest import awaken

from zipmo_policy.atm import AtmPolicy, nano, published
from zipmo_policy.policy import TrackConditioned
from zipmo_ros.apps import train
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.models import load_planner, load_policy
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.atm.config import atm_nano
from zipmo_ros.motion.atm.track_transformer import TrackTransformer

ROBOT, GO = load_robot(), Sentence("open the drawer")
SMALL = dataclasses.replace(nano(), depth=1, width=64, heads=1, head_width=32, points=3)


@torch.no_grad()
def test_tracks_come_in_as_tokens_and_raw():
    """With one way closed they still tell, by the other; with both closed they do not."""
    torch.manual_seed(0)
    model = awaken(AtmPolicy(SMALL))
    images = torch.randint(0, 256, (2, 2, 128, 128, 3), dtype=torch.uint8)
    tokens, _ = model.look(images, text := torch.randn(2, 384) / 20)
    tracks, proprio = torch.rand(2, 1, 2, 3, 16, 2) - 0.5, torch.randn(2, 1, 9)

    def told():
        return (model(tokens, tracks, text, proprio) - model(tokens, -tracks, text, proprio)).abs().max()

    assert model(tokens, tracks, text, proprio).shape == (2, 16, 7)
    both = told()
    numbers = model.head[0].weight[:, SMALL.width :]
    kept, numbers[:] = numbers.clone(), 0
    assert 1e-5 < told() != both
    model.tracks.token_in.weight[:, :32] = 0
    assert told() == 0
    numbers[:] = kept
    assert told() > 1e-5
    assert (model(tokens, tracks, text, -proprio) - model(tokens, tracks, text, proprio)).abs().max() > 1e-5


def test_sizes():
    with torch.device("meta"):
        model, small = AtmPolicy(published()), AtmPolicy(nano())
        tokens, _ = model.look(torch.empty(20, 2, 128, 128, 3), torch.empty(20, 768))
        assert tokens.shape == (20, 2, 256, 192)
        chunk = model(tokens, torch.empty(2, 10, 2, 32, 16, 2), torch.empty(2, 768), torch.empty(2, 10, 9))
    assert chunk.shape == (2, 1, 7)
    assert (len(model.seen.layers), len(model.past.layers)) == (7, 4)
    assert model.head[0].in_features == 128 + 2048
    assert sum(p.numel() for p in small.parameters()) < 3.5e6


def test_it_looks_back_on_what_it_has_acted_on():
    """And begins anew where it is reset, told otherwise, or time goes back; asked again it says the same."""
    torch.manual_seed(0)
    policy = TrackConditioned(awaken(AtmPolicy(dataclasses.replace(SMALL, frames=2))), ROBOT)

    def act(step, goal=GO):
        rng = np.random.default_rng(step)
        images = rng.integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
        seen = Observation(10**9 + step * ROBOT.period_ns, step, dict(zip(ROBOT.views, images, strict=True)),
                           rng.normal(size=9).astype(np.float32))  # fmt: skip
        tracks = rng.uniform(-1, 1, (1, 2, 3, 16, 2))
        return policy.act(seen, goal, MotionPlan.of_tracks(seen.stamp_ns, goal, tracks, ROBOT.period_ns))

    alone = {step: (policy.reset(), act(step))[1] for step in (0, 1, 2)}
    policy.reset()
    act(0)
    after = act(1)
    assert np.abs(after - alone[1]).max() > 1e-5
    np.testing.assert_array_equal(act(1), after)
    assert np.abs(act(2) - alone[2]).max() > 1e-5
    np.testing.assert_array_equal(act(0), alone[0])
    act(1, Sentence("close it"))
    np.testing.assert_array_equal(act(2), alone[2])


def test_the_command_leaves_a_policy_for_its_planner(demonstrations, tmp_path, capsys):
    torch.manual_seed(0)
    bundle = tmp_path / "bundle"
    checkpoint.save(bundle / "planner", TrackTransformer(dataclasses.replace(atm_nano(), width=64, depth=1, grid=1)))
    quick = ["train.max_steps=2", "train.warmup_steps=1", "stage.batch_size=2", "stage.validation_windows=4",
             "train.bf16=false", "rephrasings=null", "+model.atm_policy.depth=1"]  # fmt: skip
    keys = [f"data={demonstrations}", f"out={bundle}/atm_policy", f"cache={tmp_path}/cache", *quick]
    assert train.main(["atm_policy", *keys]) == 2
    assert "give it planner=DIR" in capsys.readouterr().err
    assert train.main(["atm_policy", f"planner={bundle}/planner", *keys]) == 0
    description = json.loads((bundle / "atm_policy/config.json").read_text())
    assert (description["kind"], description["config"]["points"]) == ("atm_policy", 2)
    assert "planner" in description["meta"]["sources"]
    policy, planner = (
        load_policy("atm_policy", bundle, ROBOT, Execution()),
        load_planner("atm", bundle, ROBOT, Execution()),
    )
    images = np.zeros((2, 128, 128, 3), np.uint8)
    seen = Observation(0, 0, dict(zip(ROBOT.views, images, strict=True)), np.zeros(9, np.float32))
    assert policy.act(seen, GO, planner.plan(seen, GO, 0)).shape == (16, 7)
    with pytest.raises(ValueError, match="can't act on"):
        policy.act(seen, GO, MotionPlan.of_tracks(0, GO, np.zeros((1, 2, 7, 16, 2)), ROBOT.period_ns))
