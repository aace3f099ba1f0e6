"""Training ATM: what is hidden, shifted and counted, and that it learns."""

import dataclasses
import json

import pytest
import torch
from training_settings import stage_options, train_config
from window_stubs import make_windows

from zipmo_ros.apps import train
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.models import load_planner
from zipmo_ros.motion.atm.config import atm_nano
from zipmo_ros.motion.atm.track_transformer import TrackTransformer
from zipmo_ros.motion.config import image_nano
from zipmo_ros.motion.images import sample_at
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.training.loop import fit
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stages.atm import AtmOptions, AtmStage, predict_tracks, track_error

COMMON = {"validation_states": (23, 24), "seed": 0, "device": "cpu"}
IMAGE = dataclasses.replace(image_nano(), width=16, depth=1, image_size=32, channels=(8, 16))
SMALL = {"width": 64, "depth": 2, "heads": 1, "image_size": 32, "patch": 32 // IMAGE.grid}


def untold(count, **given):
    """Windows of scenes of which nobody says what is where."""
    told = {"told": torch.full((count, 1), -1), "landmarks": torch.zeros(count, 1, 2, 2, 2)}
    return make_windows(count, **told, **given)


def make_stage(windows, **options):
    torch.manual_seed(0)
    model = TrackTransformer(dataclasses.replace(atm_nano(), image=IMAGE, **SMALL))
    words = Sentences(windows, model.config.text)
    set_sentence_statistics(model, words.vectors)
    return AtmStage(windows, model, words, stage_options(AtmOptions, "atm", **options), **COMMON)


def test_points_stay_on_what_they_are_on():
    """The release's mistake: tracks are shifted by the wrong axis and sign when their image is."""
    generator = torch.Generator().manual_seed(3)
    images = torch.zeros(6, 2, 128, 128, 3, dtype=torch.uint8)
    spots = torch.randint(20, 108, (6, 2, 24, 2), generator=generator)
    for window in range(6):
        for view in range(2):
            for row, column in spots[window, view]:
                images[window, view, row, column] = 255
    starts = (spots + 0.5) / 64 - 1
    windows = untold(6, images=images, tracks=starts[:, :, :, None].expand(-1, -1, -1, 16, -1))
    still = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}
    stage = make_stage(windows, points=24, batch_size=6)
    stage.options = dataclasses.replace(stage.options, augment=dataclasses.replace(stage.options.augment, **still))
    batch = stage.collate(torch.arange(6), torch.Generator().manual_seed(0))
    places = batch.tracks[:, :, :, 5].flatten(0, 1)
    assert (places.unsqueeze(2) - starts.flatten(0, 1)[:, None]).abs().amax(-1).amin(-1).max() > 2 / 128
    pixels = (batch.images.flatten(0, 1).flatten(1, 2) + 1) / 2
    assert sample_at(pixels, places).min() > 0.99


def test_points_are_those_that_are_seen_at_first():
    """Of those that were drawn uniformly: the first half of a window's are there because they move."""
    visible = torch.ones(4, 2, 24, 16, dtype=torch.bool)
    visible[:, :, ::2, 0] = False
    tracks = torch.zeros(4, 2, 24, 16, 2) + torch.arange(24)[:, None, None] / 24
    stage = make_stage(untold(4, visible=visible, tracks=tracks), augment=None, points=60)
    batch = stage.collate(torch.arange(4), torch.Generator().manual_seed(0))
    assert batch.tracks.shape == (4, 2, 60, 16, 2)
    assert set((batch.tracks[..., 0, 0] * 24).round().long().unique().tolist()) == set(range(13, 24, 2))
    assert 0.3 < batch.hidden.float().mean() < 0.7


def test_what_is_not_visible_counts_less_and_distances_are_of_the_frame():
    target, visible = torch.zeros(1, 1, 2, 4, 2), torch.ones(1, 1, 2, 4, dtype=torch.bool)
    off = target + torch.tensor([1.0, 0.0])[:, None, None]  # the first point by half of the frame
    assert track_error(off, target, visible, 0.1) == pytest.approx(0.5 * 0.25)
    visible[:, :, 0] = False
    assert track_error(off, target, visible, 0.1) == pytest.approx(0.1 * 0.5 * 0.25)


def test_only_hidden_patches_are_asked_for():
    stage = make_stage(untold(2), points=4, augment=None, pointing_weight=0.0, track_weight=0.0)
    batch = stage.collate(torch.arange(2), torch.Generator().manual_seed(0))
    nothing = dataclasses.replace(batch, hidden=torch.zeros_like(batch.hidden))
    assert stage.loss(stage.model, nothing, torch.Generator())[0] == 0
    total, told = stage.loss(stage.model, batch, torch.Generator())
    assert total == told["image"] > 0.1


def test_it_learns_where_points_go(tmp_path):
    """Two windows of one sentence, in which points go other ways: it has to look."""
    starts = torch.rand(2, 2, 24, 1, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    ways = torch.tensor([[0.03, 0.0], [-0.01, -0.03]])[:, None, None, None]
    windows = untold(2, tracks=starts + torch.arange(16)[:, None] * ways, demo=torch.zeros(2, dtype=torch.int64))
    stage = make_stage(windows, points=16, augment=None, batch_size=2, hide_image=0.0, pointing_weight=0.0)
    config = train_config(max_steps=200, warmup_steps=5, learning_rate=3e-3, ema_decay=0.8)
    result = fit(stage.model, stage.loss, stage.batches, config, tmp_path)
    text = stage.sentences.own(windows.sentence)
    target = windows.tracks
    predicted = predict_tracks(result.model, windows.images, text, target[:, :, :, 0])
    still, error = ((other - target).norm(dim=-1).mean() for other in (target[:, :, :, :1], predicted))
    assert error < 0.6 * still


def test_the_command_leaves_a_planner(demonstrations, tmp_path):
    quick = ["train.max_steps=2", "train.warmup_steps=1", "train.bf16=false", "stage.batch_size=2", "stage.points=6",
             "stage.validation_windows=2", f"cache={tmp_path}/cache", "rephrasings=null"]  # fmt: skip
    size = ["+model.atm.width=64", "+model.atm.depth=1", "+model.atm.heads=1"]
    data, out = f"data={demonstrations}", f"out={tmp_path}/bundle/planner"
    assert train.main(["atm", data, out, *quick, *size]) == 0
    logged = (tmp_path / "bundle/planner/run/metrics.jsonl").read_text()
    assert '"validation/agentview_delta"' in logged
    assert '"image"' in logged
    assert json.loads((tmp_path / "bundle/planner/config.json").read_text())["kind"] == "atm"
    assert load_planner("atm", tmp_path / "bundle", load_robot(), Execution()).spec.name == "atm"
    assert DemonstrationWindows.load(demonstrations).views == load_robot().views
