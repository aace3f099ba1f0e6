"""Training ARFM: what is drawn, hidden, seen and told, what the losses say, and that it learns."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from training_settings import request, stage_options, train_config
from window_stubs import make_windows

from zipmo_ros.apps import train
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.models import load_planner
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.arfm.config import arfm_nano
from zipmo_ros.motion.arfm.predictor import MotionPredictor
from zipmo_ros.motion.config import image_nano
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.training.loop import fit
from zipmo_ros.training.seen_frames import newest_rows, seen_frames
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stages.arfm import (
    TIMES,
    ArfmOptions,
    ArfmStage,
    beginnings,
    consistency,
    cosmap,
    encode,
    followed,
    initial_predictor,
    predict,
)

COMMON = {"validation_states": (23, 24), "seed": 0, "device": "cpu"}
SMALL = {"width": 64, "depth": 2, "hidden": 96, "head_depth": 1, "points": 6, "steps": 4, "global_grid": 2}
IMAGE = dataclasses.replace(image_nano(), width=64, depth=1, image_size=32, channels=(8, 64))


@pytest.fixture(scope="module")
def windows(demonstrations):
    return DemonstrationWindows.load(demonstrations)


def make_model(**changes):
    return MotionPredictor(dataclasses.replace(arfm_nano(), image=IMAGE, **SMALL, **changes))


def make_stage(windows, model=None, **options):
    torch.manual_seed(0)
    model = make_model(**(model or {}))
    words = Sentences(windows, model.config.text)
    set_sentence_statistics(model, words.vectors)
    return ArfmStage(windows, model, words, stage_options(ArfmOptions, "arfm", **options), **COMMON)


def test_later_frames_are_those_of_later_windows():
    """Windows of two demonstrations, in turn, every second step."""
    windows = make_windows(8)
    newest = newest_rows(windows, 5)
    assert newest[0].tolist() == [0, 0, 2, 2, 4]
    assert newest[1].tolist() == [1, 1, 3, 3, 5]
    assert newest[6].tolist() == [6] * 5, "the last of a demonstration"
    frames = seen_frames(newest[[0, 1, 0]], torch.tensor([5, 1, 2]))
    assert frames.rows[frames.frame_of].tolist() == [[0, 0, 2, 2, 4], [1] * 5, [0] * 5]
    assert frames.seen.tolist() == [[True] * 5, [True] + [False] * 4, [True] * 2 + [False] * 3]
    assert (frames.sample[frames.frame_of] == torch.arange(3)[:, None]).all()
    assert len(frames.rows) == 5


def test_a_batch_is_what_it_says(windows):
    stage = make_stage(windows, batch_size=100, most_seen=4, drop_text=0.25)
    batch = next(stage.batches)
    assert batch.tracks.shape == (100, 2, windows.tracks.shape[2] // 2, 16, 2)
    assert (batch.visible.float().mean(-1) > 0.5).float().mean() > 0.95
    assert 0.1 < batch.hidden.float().mean() < 0.4  # of those, and no others: see the test of the model
    counts = batch.seen.sum(dim=1)
    assert set(counts.tolist()) == {1, 2, 3, 4}
    shifts = batch.offset * 64
    torch.testing.assert_close(shifts, shifts.round(), atol=1e-4, rtol=0)
    assert shifts.abs().max() == 2
    at = rearranged(batch.inputs - batch.tracks[:, :, :, :-1])
    torch.testing.assert_close(at, batch.offset[:, :, :, None].expand_as(at), atol=1e-6, rtol=0)
    first = make_stage(windows, batch_size=8, most_seen=1, augment=None)
    batch = next(first.batches)
    assert len(batch.images) == 8
    assert not batch.offset.any()
    assert batch.seen.sum() == 8


def test_pasts_are_off_as_a_plans_own_are(windows):
    """Alike for all that moves in a view, from where it begins; what is to be told stays as it was."""
    batches = [next(make_stage(windows, batch_size=3, past_error=error).batches) for error in (0.0, 0.7)]
    exact, off = batches
    assert torch.equal(exact.tracks, off.tracks)
    torch.testing.assert_close(exact.past, exact.tracks[:, :, :, :-1])
    assert torch.equal(off.past[:, :, :, 0], off.tracks[:, :, :, 0])
    true, said = off.tracks[:, :, :, :-1].diff(dim=3), off.past.diff(dim=3)
    for window, view in ((0, 0), (0, 1), (2, 0)):
        of_view = true[window, view].flatten(0, 1), said[window, view].flatten(0, 1)
        way = torch.linalg.lstsq(*of_view).solution
        torch.testing.assert_close(of_view[0] @ way, of_view[1], atol=1e-4, rtol=0)
        assert 0.01 < (way - torch.eye(2)).abs().max() < 3
    stage = make_stage(windows)
    generators = (torch.Generator().manual_seed(0) for _ in range(2))
    exact, off = (stage.shifts(batch, generator) for batch, generator in zip(batches, generators, strict=True))
    assert torch.equal(exact.data, off.data)
    assert not torch.equal(exact.previous, off.previous)


def test_windows_are_cut_to_their_first_steps(windows):
    """All numbers of steps occur, most often the first one alone, and what is told are the windows' own first steps."""
    stage = make_stage(windows, batch_size=3, most_seen=None, augment=None, fewest_steps=1)
    generator = torch.Generator().manual_seed(0)
    told = torch.tensor([stage.told_steps(generator) for _ in range(3000)])
    assert set(told.tolist()) == set(range(1, 16))
    assert (told < 4).float().mean() == pytest.approx(0.8, abs=0.03)
    indices, seen = torch.tensor([0, 7, 100]), set()
    for number in range(20):
        batch = stage.collate(indices, torch.Generator().manual_seed(number))
        steps = batch.tracks.shape[3] - 1
        seen.add(steps)
        assert batch.visible.shape[3] == steps + 1
        assert batch.frame_of.shape == batch.seen.shape == batch.offset.shape[:2] == (3, steps)
        starts = stage.windows.tracks[indices][:, :, :, : steps + 1].float()
        assert all((starts[0, 0] == track).flatten(1).all(1).any() for track in batch.tracks[0, 0])
        total, _ = stage.loss(stage.model, batch, torch.Generator().manual_seed(number))
        assert total.isfinite()
    assert len(seen) > 3
    assert make_stage(windows, fewest_steps=None).told_steps(generator) == 15


def test_validation_tells_another_sentence_too(windows):
    figures = make_stage(windows, validation_windows=4).validate(make_model())
    assert figures["epe_moving"] > 0
    assert figures["another_epe_moving"] > 0
    assert not any("another_still" in name for name in figures)


def rearranged(values):
    """[B, V, N, T, 2] -> [B, T, V, N, 2]."""
    return values.permute(0, 3, 1, 2, 4)


def test_which_points_there_are_does_not_tell_what_moves(windows):
    """They are drawn by what is expected of them, of those that lie anywhere: the future has no say."""
    stage = make_stage(windows, batch_size=3, augment=None)
    indices = torch.tensor([0, 7, 100])
    batch = stage.collate(indices, torch.Generator().manual_seed(0))
    second_half = windows.tracks[indices][:, :, windows.tracks.shape[2] // 2 :].float()
    assert torch.equal(batch.tracks, second_half)
    stage.model.queries.forward = lambda features: torch.arange(features.shape[2]).expand(features.shape[:3]) * 1.0
    context, *_ = encode(stage.model, batch)
    features = beginnings(context, batch)
    first = followed(stage.model, features, batch, torch.Generator().manual_seed(0))
    assert first.tracks.shape[2] == first.visible.shape[2] == 6
    other = dataclasses.replace(batch, tracks=batch.tracks[:, :, :, :1] + 0 * batch.tracks, moved=0 * batch.moved)
    again = followed(stage.model, features, other, torch.Generator().manual_seed(0))
    assert torch.equal(again.tracks[:, :, :, 0], first.tracks[:, :, :, 0])
    drawn = (first.tracks[0, 0, :, None, 0] == batch.tracks[0, 0, None, :, 0]).all(-1).float().argmax(-1)
    assert drawn.float().mean() > windows.tracks.shape[2] / 4, "those of which more is expected"


def test_only_what_is_visible_is_told(windows):
    """Where a track is hidden, its shift may be anything."""
    stage = make_stage(windows, batch_size=4, augment=None, drop_text=0.0, most_seen=1)
    batch = next(stage.batches)
    visible = batch.visible.clone()
    visible[:, :, 2, 10:] = False
    batch = dataclasses.replace(batch, tracks=batch.tracks[:, :, :6], visible=visible[:, :, :6])
    shifts = stage.shifts(batch, torch.Generator().manual_seed(0))
    assert shifts.data.shape == (4 * 15, 12, 2)
    known = shifts.known.unflatten(0, (4, 15)).unflatten(2, (2, 6))
    assert not known[:, 9:, :, 2].any()
    assert known[:, :9, :, 2].any()
    data = shifts.data.unflatten(0, (4, 15))
    torch.testing.assert_close(shifts.previous.unflatten(0, (4, 15))[:, 1:], data[:, :-1])
    assert not shifts.previous.unflatten(0, (4, 15))[:, 0].any()
    pixels = (batch.tracks[0, 1, 3, 5] - batch.tracks[0, 1, 3, 4]) * stage.model.config.scale
    assert pixels.abs().max() > 0.1
    torch.testing.assert_close(data[0, 4, 6 + 3], pixels)
    errors = torch.ones_like(shifts.data).masked_fill(~shifts.known[..., None], 1e6)
    assert shifts.mean(errors) == 1


def test_the_consistency_has_its_signs():
    """Defect 5: two networks that know the way agree, at times that differ; one that errs is found."""
    data, noise = torch.randn(2, 6, 5, 2)
    t = torch.rand(6)
    near = (t - 1e-3).clamp_min(0)
    z, near_z = ((1 - time[:, None, None]) * data + time[:, None, None] * noise for time in (t, near))
    v = noise - data
    assert (near_z - z).abs().max() > 1e-4
    assert consistency(z, t, v, near_z, near, v).max() < 1e-10
    torch.testing.assert_close(
        consistency(z, t, v + 1, near_z, near, v), (t**2 + 1e-5)[:, None, None].expand_as(z), atol=1e-5, rtol=1e-3
    )


def test_the_average_is_asked_closer_to_the_data(windows):
    stage = make_stage(windows, batch_size=2, most_seen=1, consistency=1.0)
    batch = next(stage.batches)
    with pytest.raises(ValueError, match="average"):
        stage.loss(stage.model, batch, torch.Generator())
    average = make_stage(windows).model
    times, plain = [], average.velocity
    average.velocity = lambda z, t, *rest: (times.append(t), plain(z, t, *rest))[1]
    stage.teach(average)
    total, told = stage.loss(stage.model, batch, torch.Generator().manual_seed(1))
    total.backward()
    generator = torch.Generator().manual_seed(1)
    context, *_ = encode(stage.model, batch)
    t = stage.shifts(followed(stage.model, beginnings(context, batch), batch, generator), generator).t
    torch.testing.assert_close(times[0], t - 1e-3, atol=1e-6, rtol=0)
    assert told["consistency"] >= 0
    assert all(parameter.grad is None for parameter in average.parameters())


def test_times():
    u = torch.linspace(0.01, 0.99, 99)
    t = cosmap(u)
    torch.testing.assert_close(t + t.flip(0), torch.ones(99))
    assert (t.diff() > 0).all()
    assert t[49] == pytest.approx(0.5)
    assert TIMES["noisy"](u).mean() == pytest.approx(2 / 3, abs=0.01)


def test_it_learns_where_points_go(windows, tmp_path):
    """Sign and direction of time: after fitting two windows, futures from noise are near the truth."""
    stage = make_stage(windows, batch_size=2, augment=None, drop_text=0.0, most_seen=1, draws=4)
    batch = stage.collate(torch.tensor([0, 100]), torch.Generator().manual_seed(0))
    begun, ways = batch.tracks[:, :, :, 0], torch.tensor([[0.02, 0.0], [-0.01, -0.02]])
    tracks = begun[:, :, :, None] + torch.arange(16)[:, None] * ways[:, None, None, None]
    batch = dataclasses.replace(batch, tracks=tracks, visible=torch.ones_like(batch.visible))
    stage.batches.collate = lambda *_: batch
    config = train_config(max_steps=60, warmup_steps=5, learning_rate=3e-3, ema_decay=0.8)
    result = fit(stage.model, stage.loss, stage.batches, config, tmp_path)
    noise = torch.randn(2, 1, 15, 2, 6, 2, generator=torch.Generator().manual_seed(1))
    predicted = predict(result.model, batch.images, batch.told.text, begun[:, :, :6], noise, steps=8)[:, 0]
    tracks = tracks[:, :, :6]
    still, error = ((other - tracks).norm(dim=-1).mean() for other in (tracks[:, :, :, :1], predicted))
    assert error < 0.3 * still


def test_regression_is_trained_without_noise(windows):
    stage = make_stage(windows, {"objective": "regression"}, batch_size=2)
    shifts = stage.shifts(next(stage.batches), torch.Generator().manual_seed(0))
    assert not shifts.noise.any()
    assert (shifts.t == 1).all()
    assert not shifts.at(shifts.t).any()


def test_the_command_leaves_a_planner(demonstrations, tmp_path):
    quick = ["train.max_steps=2", "train.warmup_steps=1", "train.bf16=false", "stage.batch_size=2",
             "stage.validation_windows=2", "stage.consistency=0.5"]  # fmt: skip
    image = {"width": 64, "depth": 1, "image_size": 32, "channels": "[8,64]"}
    size = [f"+model.arfm.{key}={value}" for key, value in SMALL.items()]
    size += [f"+model.arfm.image.{key}={value}" for key, value in image.items()]
    data, out = f"data={demonstrations}", f"out={tmp_path}/bundle/planner"
    quick += [f"cache={tmp_path}/cache", "rephrasings=null"]
    assert train.main(["arfm", data, out, *quick, *size]) == 0
    logged = (tmp_path / "bundle/planner/run/metrics.jsonl").read_text()
    assert '"validation/agentview_delta"' in logged
    assert '"consistency"' in logged
    description = json.loads((tmp_path / "bundle/planner/config.json").read_text())
    assert (description["kind"], description["config"]["points"]) == ("arfm", 6)
    robot = load_robot()
    planner = load_planner(None, tmp_path / "bundle", robot, Execution())
    images = np.zeros((2, 128, 128, 3), np.uint8)
    plan = planner.plan(Observation(0, 0, dict(zip(robot.views, images, strict=True))), Sentence("go"), 0)
    assert plan.tracks.shape == (1, 2, 6, 16, 2)
    more = [key.replace("max_steps=2", "max_steps=3") for key in quick]
    assert train.main(["arfm", data, out, *more, *size]) == 0
    assert json.loads((tmp_path / "bundle/planner/config.json").read_text())["meta"]["step"] == 3
    assert train.main(["arfm", data, out, "model.preset=base"]) == 2


def test_where_it_starts_from(tmp_path):
    """New with an encoder's size and weights, or one that is there, with another encoder."""
    torch.manual_seed(0)
    encoder, arfm = (
        ConvEncoder(dataclasses.replace(IMAGE, width=128, image_size=64, channels=(8, 64, 128))),
        make_model(),
    )
    checkpoint.save(tmp_path / "grounding", encoder)
    checkpoint.save(tmp_path / "arfm", arfm)
    asked = dataclasses.replace(request("arfm"), encoder=str(tmp_path / "grounding"))
    new = initial_predictor(asked)
    assert new.config == dataclasses.replace(arfm_nano(), image=encoder.config)
    assert torch.equal(new.encoders.images.stems[0].weight, encoder.stems[0].weight)
    again = initial_predictor(dataclasses.replace(asked, encoder=None, init=str(tmp_path / "arfm")))
    assert again.config == arfm.config
    assert torch.equal(again.no_text, arfm.no_text)
    other = make_model().encoders.images
    checkpoint.save(tmp_path / "other", other)
    both = dataclasses.replace(asked, init=str(tmp_path / "arfm"), encoder=str(tmp_path / "other"))
    assert torch.equal(initial_predictor(both).no_text, arfm.no_text)
    assert torch.equal(initial_predictor(both).encoders.images.stems[0].weight, other.stems[0].weight)
    with pytest.raises(checkpoint.CheckpointError, match="does not fit"):
        initial_predictor(dataclasses.replace(both, encoder=asked.encoder))


def test_options_are_checked():
    for changes, words in (
        ({"times": "late"}, "times must be one of"),
        ({"drop_text": 1.0}, "probability"),
        ({"most_seen": 0}, "at least 1"),
        ({"fewest_steps": 0}, "at least 1"),
        ({"past_error": -0.1}, "standard deviation"),
    ):
        with pytest.raises(ValueError, match=words):
            stage_options(ArfmOptions, "arfm", **changes)
