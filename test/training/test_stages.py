"""Every stage of training on synthetic demonstrations: two steps, checkpoints that load, exact resume, and learning."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_settings import stage_options, train_config

from zipmo_policy.policy import ClonedBehaviour, InverseDynamics
from zipmo_policy.stages.head import HeadOptions, HeadStage
from zipmo_ros.apps import train
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.motion.config import image_nano, text_nano
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.points import take_points
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.motion.zipmo.adapter import ZipmoPlanner
from zipmo_ros.motion.zipmo.config import planner_nano, vae_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_ros.training.loop import fit
from zipmo_ros.training.points import TrackErrors, sample_points
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stages.grounding import GroundingOptions, GroundingStage
from zipmo_ros.training.stages.planner import PlannerOptions, PlannerStage, track_latents
from zipmo_ros.training.stages.vae import VaeOptions, VaeStage

COMMON = {"validation_states": (23, 24), "seed": 0, "device": "cpu"}
QUICK = [
    "train.max_steps=2",
    "train.warmup_steps=1",
    "stage.batch_size=4",
    "stage.validation_windows=4",
    "train.bf16=false",
]
ROBOT, GOAL = load_robot(), Sentence("reach the red block")


@pytest.fixture(scope="module")
def bundle(demonstrations, tmp_path_factory):
    """vae, grounding, bc, planner (twice) and policy, two steps each, through the command."""
    root = tmp_path_factory.mktemp("bundle")
    data, vae = f"data={demonstrations}", f"vae={root}/vae"
    cache = f"cache={root}/cache"

    def run(stage, out, *keys):
        assert train.main([stage, data, f"out={root}/{out}", *QUICK, *keys]) == 0

    run("vae", "vae", "stage.statistics_windows=8")
    run("grounding", "grounding")
    encoder = f"encoder={root}/grounding"
    run("bc", "bc", encoder)
    run("planner", "first", vae, encoder, cache, "stage.point_draws=1", "train.learning_rate=0")
    more = ("stage.draws=3", "stage.drop_frame=0.5")
    run("planner", "planner", vae, f"init={root}/first", cache, "stage.point_draws=1", *more)
    run("policy", "policy", vae, f"planner={root}/planner", cache, "stage.point_draws=1", "stage.sampled_fraction=0.5")
    return root


def test_stages_leave_a_bundle_that_acts(bundle):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    seen = Observation(0, 0, dict(zip(ROBOT.views, images, strict=True)), np.zeros(9, np.float32))
    plan = ZipmoPlanner.load(bundle, ROBOT, Execution()).plan(seen, GOAL, 0)
    policy = InverseDynamics.load(bundle, ROBOT, Execution())
    actions = policy.act(seen, GOAL, plan)
    assert actions.shape == (policy.spec.chunk, 7) == (16, 7)
    assert actions.dtype == np.float64
    wild = dataclasses.replace(plan, embeddings=plan.embeddings * 1e3)
    assert np.abs(policy.act(dataclasses.replace(seen, proprio=np.full(9, 50.0, np.float32)), GOAL, wild)).max() <= 1.0
    tracks = rng.uniform(-1, 1, (1, 2, 40, 16, 2))
    alone = policy.act(seen, GOAL, MotionPlan.of_tracks(0, GOAL, tracks, ROBOT.period_ns))
    assert alone.shape == (16, 7)  # plans of tracks alone go through the bundle's autoencoder
    cloned = ClonedBehaviour.load(bundle, ROBOT, Execution())
    assert cloned.spec.plan is None
    assert cloned.act(seen, GOAL, None).shape == (16, 7)


def test_bad_numbers_are_named(bundle):
    policy = InverseDynamics.load(bundle, ROBOT, Execution())
    seen = Observation(0, 0, {}, np.zeros(9, np.float32))
    plan = MotionPlan(0, GOAL, policy.spec.plan, np.zeros((1, *policy.spec.plan.shape), np.float32))
    with pytest.raises(ValueError, match="proprioception holds 9 values that are not finite"):
        policy.act(dataclasses.replace(seen, proprio=seen.proprio + np.inf), GOAL, plan)
    with pytest.raises(ValueError, match=r"proprioception has shape \(7,\)"):
        policy.act(dataclasses.replace(seen, proprio=seen.proprio[:7]), GOAL, plan)
    other = dataclasses.replace(policy.spec.plan, horizon=8)
    with pytest.raises(ValueError, match="plans span 8 steps of 50 ms, not 16 steps of 50 ms"):
        policy.act(seen, GOAL, dataclasses.replace(plan, spec=other))
    with pytest.raises(ValueError, match="there is none"):
        policy.act(seen, GOAL, None)
    with torch.no_grad():
        policy.head.trunk.policy_out_proj.proj.weight.fill_(torch.nan)
    with pytest.raises(ValueError, match="predicted action chunk"):
        policy.act(seen, GOAL, plan)


def test_checkpoints_say_what_they_come_from(bundle, demonstrations):
    windows = DemonstrationWindows.load(demonstrations, images=False, tracks=False)
    for stage in ("vae", "grounding", "bc", "planner", "policy"):
        meta = json.loads((bundle / stage / "config.json").read_text())["meta"]
        assert meta["stage"] == stage
        assert meta["step"] == 2
        assert meta["data_hash"] == windows.data_hash
        assert meta["training"]["train"]["max_steps"] == 2
        for name in ("metrics.jsonl", "loss.png", "config.yaml", "resume.pt"):
            assert (bundle / stage / "run" / name).stat().st_size > 0
    assert set(meta["sources"]) == {"vae", "planner"}
    stats = json.loads((bundle / "policy" / "stats.json").read_text())
    training, _ = windows.split((22, 23, 24))
    np.testing.assert_allclose(stats["proprio_mean"], windows.proprio_statistics(training)[0], rtol=1e-5)
    assert len(json.loads((bundle / "vae" / "stats.json").read_text())["latent_std"]) == 16


def test_latents_are_kept_file_by_file(bundle, demonstrations, write, tmp_path):
    """More demonstrations in another folder leave what was computed for the first one as it is."""
    kept = {path.name: path.stat().st_mtime_ns for path in (bundle / "cache").glob("latents-*")}
    assert len(kept) == 2  # red and blue
    other = write(tmp_path / "more", suite="more", demos=1)
    both = DemonstrationWindows.load([demonstrations, other])
    first = DemonstrationWindows.load(demonstrations)
    _, latents = track_latents(bundle / "vae", both, bundle / "cache", 1)
    _, alone = track_latents(bundle / "vae", first, bundle / "cache", 1)
    assert len(latents) == len(both)
    assert torch.equal(latents[: len(first)], alone)
    now = {path.name: path.stat().st_mtime_ns for path in (bundle / "cache").glob("latents-*")}
    assert len(now) == 4
    assert kept.items() <= now.items()


def test_cloning_keeps_the_pointing_loss_of_its_encoder(bundle):
    """One key and one implementation with the planner's: both log it, and only its weight makes the pointer learn."""
    for stage in ("bc", "planner"):
        first = json.loads((bundle / stage / "run/metrics.jsonl").read_text().splitlines()[0])
        assert first["pointing"] > 0
        parts = {"bc": "actions", "planner": "flow"}
        assert first["loss"] == pytest.approx(first[parts[stage]] + 0.1 * first["pointing"], rel=1e-4)
    begun, kept = (load_file(bundle / stage / "model.safetensors") for stage in ("grounding", "bc"))
    assert not torch.equal(begun["pointer.point.weight"], kept["image_encoder.pointer.point.weight"])


def test_planner_starts_from_the_grounded_encoder_and_trains_it_on(bundle):
    weights = {stage: load_file(bundle / stage / "model.safetensors") for stage in ("grounding", "first", "planner")}
    names = list(weights["grounding"])
    assert "pointer.point.weight" in names
    for name in names:  # its learning rate was zero; mean and deviation of the sentences are summed anew
        summed = name in ("sentence.mean", "sentence.std")
        close = {"rtol": 1e-5, "atol": 1e-6} if summed else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(weights["first"][f"image_encoder.{name}"], weights["grounding"][name], **close)
    assert not all(torch.equal(weights["first"][f"image_encoder.{name}"],
                               weights["planner"][f"image_encoder.{name}"]) for name in names)  # fmt: skip


def test_a_planner_is_taken_to_other_tasks(bundle, demonstrations, tmp_path):
    """Its encoder learns to point there, then goes back in; the rest of its weights stay, the sentences are new."""
    still, data = (*QUICK, "train.learning_rate=0"), f"data={demonstrations}"
    grounding, out = tmp_path / "grounding", tmp_path / "planner"
    assert train.main(["grounding", data, f"out={grounding}", f"encoder={bundle}/planner", *QUICK]) == 0
    starts = (f"init={bundle}/planner", f"encoder={grounding}", f"vae={bundle}/vae", f"cache={bundle}/cache")
    assert train.main(["planner", data, f"out={out}", *starts, "stage.point_draws=1", *still]) == 0
    old, learned, new = (load_file(path / "model.safetensors") for path in (bundle / "planner", grounding, out))
    for name, weight in new.items():
        part, _, inner = name.partition(".")
        if part != "sentence":
            assert torch.equal(weight, learned[inner] if part == "image_encoder" else old[name]), name
    assert not torch.equal(learned["pointer.point.weight"], old["image_encoder.pointer.point.weight"])
    meta = json.loads((out / "config.json").read_text())["meta"]
    assert set(meta["sources"]) == {"vae", "encoder", "init"}


def test_finished_run_resumes_and_other_data_is_refused(bundle, demonstrations, write, tmp_path, capsys):
    more = [key.replace("max_steps=2", "max_steps=3") for key in QUICK]
    out = tmp_path / "bc"
    assert train.main(["bc", f"data={demonstrations}", f"out={out}", *QUICK]) == 0
    assert train.main(["bc", f"data={demonstrations}", f"out={out}", *more]) == 0
    assert json.loads((out / "config.json").read_text())["meta"]["step"] == 3
    other = write(tmp_path / "other", demos=5, steps=4)
    assert train.main(["bc", f"data={other}", f"out={out}", *more]) == 2
    assert "data or options" in capsys.readouterr().err
    assert train.main(["bc", f"data={other}", f"out={out}", f"init={bundle}/bc", "resume=false", *more]) == 0


@pytest.mark.parametrize(
    "request_", [["nothing"], ["vae", "stage.foo=1"], ["vae", "data=missing"], ["planner", "train.schedule=linear"]]
)
def test_wrong_requests_end_with_status_2(request_, capsys):
    assert train.main(request_) == 2
    assert capsys.readouterr().err.startswith("zipmo train")


def test_help_is_readable(capsys):
    assert train.main(["--help"]) == 0
    assert "autoencoder" in capsys.readouterr().out


def test_stage_resume_is_bit_equal(demonstrations, tmp_path):
    """The autoencoder's stage: points, batches, noise and averages all continue."""
    windows = DemonstrationWindows.load(demonstrations)
    results = []
    for folder, budgets in (("whole", [4]), ("parts", [2, 4])):
        for steps in budgets:
            torch.manual_seed(0)
            stage = VaeStage(windows, vae_nano(), stage_options(VaeOptions, "vae", batch_size=4, shift=4), **COMMON)
            config = train_config(max_steps=steps, schedule="constant", warmup_steps=1)
            result = fit(stage.model, stage.loss, stage.batches, config, tmp_path / folder)
        results.append((stage.model.state_dict(), result.model.state_dict()))
    for whole, parts in zip(*results, strict=True):
        assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_vae_learns_one_batch(demonstrations, tmp_path):
    windows = DemonstrationWindows.load(demonstrations, max_demos=1)
    torch.manual_seed(0)
    stage = VaeStage(windows, vae_nano(), stage_options(VaeOptions, "vae", batch_size=4), **COMMON)
    one = next(stage.batches)
    stage.batches.collate = lambda *_: one
    with torch.no_grad():
        still = (one.asked - one.asked[:, :, :1]).abs().mean()
    result = fit(
        stage.model, stage.loss, stage.batches, train_config(max_steps=90, warmup_steps=5, ema_decay=0.5), tmp_path
    )
    with torch.no_grad():
        predicted, _ = result.model(one.given, one.asked[:, :, 0], one.images)
    assert (predicted - one.asked).abs().mean() < 0.5 * still


def test_planner_learns_one_batch(demonstrations, tmp_path):
    """Sign and direction of time: after fitting few windows, integrating from noise finds their latents."""
    windows = DemonstrationWindows.load(demonstrations, max_demos=1)
    latents = torch.randn(len(windows), 1, 32, 16, generator=torch.Generator().manual_seed(1)).half()
    torch.manual_seed(0)
    chosen = stage_options(
        PlannerOptions, "planner", batch_size=2, draws=8, augment=None, drop_text=0.0, pointing_weight=0.0
    )
    words = Sentences(windows, text_nano())
    model = MotionPlanner(planner_nano())
    set_sentence_statistics(model, words.vectors)
    stage = PlannerStage(windows, model, TrackVAE(vae_nano()), latents, words, chosen, **COMMON)
    stage.batches.indices = torch.tensor([0, 12])  # another image and another sentence
    config = train_config(max_steps=130, warmup_steps=5, learning_rate=3e-3, ema_decay=0.8, bf16=True)
    result = fit(stage.model, stage.loss, stage.batches, config, tmp_path)
    stage.validation = stage.batches.indices
    with torch.no_grad():
        assert stage.validate(result.model)["latent_mse_nfe4"] < 0.3


def test_encoder_learns_to_point_where_the_sentence_says(demonstrations, tmp_path):
    """Images of one scene, two sentences: the same image has to give two places."""
    windows = DemonstrationWindows.load(demonstrations, tracks=False, max_demos=1)
    words = Sentences(windows, text_nano())
    torch.manual_seed(0)
    model = ConvEncoder(dataclasses.replace(image_nano(), width=64, channels=(8, 16, 64)))
    set_sentence_statistics(model, words.vectors)
    stage = GroundingStage(
        windows, model, words, stage_options(GroundingOptions, "grounding", batch_size=8, augment=None), **COMMON
    )
    config = train_config(max_steps=160, warmup_steps=5, learning_rate=1e-3, ema_decay=0.8)
    result = fit(stage.model, stage.loss, stage.batches, config, tmp_path)
    stage.validation = stage.training
    with torch.no_grad():
        assert stage.validate(result.model)["agentview_thing_near"] > 0.9


def test_head_reads_plans_when_asked(demonstrations):
    from zipmo_policy.head import PolicyHead, nano

    windows = DemonstrationWindows.load(demonstrations, images=False, tracks=False)
    zeros, ones = torch.zeros(len(windows), 1, 32, 16).half(), torch.ones(len(windows), 2, 32, 16).half()
    make = lambda fraction: HeadStage(  # noqa: E731
        windows,
        PolicyHead(nano()),
        zeros,
        ones,
        stage_options(HeadOptions, "policy", latent_noise=0.0, sampled_fraction=fraction, batch_size=200),
        **COMMON,
    )
    share = next(make(0.25).batches).latents.mean()
    assert 0.15 < share < 0.35
    assert not next(make(0.0).batches).latents.any()
    with torch.no_grad():
        metrics = make(0.25).validate(PolicyHead(nano()).eval())
    assert {"l1", "plan_l1"} <= set(metrics)


def test_points_prefer_motion_and_do_not_repeat():
    moving = torch.zeros(200, 160, dtype=torch.bool)
    moving[:, :40] = True
    points = sample_points(moving, 40, 7.0, torch.Generator().manual_seed(0))
    assert all(len(set(row.tolist())) == 40 for row in points)
    share = take_points(moving, points).float().mean()
    assert 0.5 < share < 0.7
    with pytest.raises(ValueError, match="161 points"):
        sample_points(moving, 161, 7.0, torch.Generator())


def test_track_errors_in_pixels():
    target = torch.zeros(1, 2, 16, 2)
    target[:, 1, 1:, 0] = 8 / 64
    predicted = target.clone()
    predicted[:, 0] += 3 / 64
    errors = TrackErrors()
    errors.add(predicted, target, torch.tensor([[False, True]]))
    means = errors.means()
    assert means["epe"] == pytest.approx(3 * 2**0.5 / 2)
    assert means["epe_moving"] == 0
    assert means["still_epe_moving"] == pytest.approx(8 * 15 / 16)
    assert means["mse"] == pytest.approx(9 / 2)
    assert means["pck4"] == 0.5
