"""Checkpoints and configurations: what was saved is what is loaded, and everything else is refused by name."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from zipmo_policy.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from zipmo_policy.head import HeadConfig, PolicyHead
from zipmo_ros.apps import cli
from zipmo_ros.motion import checkpoint, config
from zipmo_ros.motion.checkpoint import CheckpointError
from zipmo_ros.motion.zipmo import config as zipmo
from zipmo_ros.motion.zipmo import interop
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

from .conftest import CONV_VIEWS, PLANNERS, VAES

HEAD = HeadConfig(width=64, depth=1, latent_grid=2)


def vouch_for(directory):
    """Let config.json tell of the weights that are there."""
    description = json.loads((directory / "config.json").read_text())
    description["weights"] = checkpoint.sha256(directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(description))


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    head = PolicyHead(HEAD)
    head.set_statistics([0.5] * 9, [2.0] * 9)
    checkpoint.save(tmp_path / "policy", head, {"note": "test"})
    return head, tmp_path / "policy"


def test_round_trip(saved):
    head, directory = saved
    loaded = checkpoint.load(directory, PolicyHead)
    assert not loaded.training
    z, proprio = torch.randn(2, 8, 16), torch.randn(2, 9)
    assert torch.equal(loaded(z, proprio), head(z, proprio))
    assert loaded.config == head.config
    assert checkpoint.read_description(directory)["meta"] == {"note": "test"}
    assert sorted(path.name for path in directory.iterdir()) == ["config.json", "model.safetensors", "stats.json"]


@pytest.mark.parametrize(
    ("model_class", "model_config"),
    [*((TrackVAE, c) for c in VAES.values()), *((MotionPlanner, c) for c in PLANNERS.values())],
    ids=[*VAES, *PLANNERS],
)
def test_every_variant_round_trips(model_class, model_config, tmp_path):
    model = model_class(model_config)
    checkpoint.save(tmp_path, model)
    loaded = checkpoint.load(tmp_path, model_class)
    assert loaded.config == model_config
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), model.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("track_embedder.bias"), "missing track_embedder.bias"),
        (lambda w: w.update(stray=torch.zeros(1)), "extra stray"),
        (lambda w: w.update({"track_embedder.bias": torch.zeros(3)}), r"track_embedder.bias is \[3\], not \[64\]"),
    ],
)
def test_weights_that_do_not_fit_are_named(saved, change, message):
    _, directory = saved
    weights = load_file(directory / "model.safetensors")
    change(weights)
    save_file(weights, directory / "model.safetensors")
    vouch_for(directory)
    with pytest.raises(CheckpointError, match=message) as error:
        checkpoint.load(directory, PolicyHead)
    assert str(directory) in str(error.value)


def test_damaged_directories_are_refused(saved, tmp_path):
    _, directory = saved
    with pytest.raises(CheckpointError, match="holds a policy, not a vae"):
        checkpoint.load(directory, TrackVAE)
    with pytest.raises(CheckpointError, match="missing"):
        checkpoint.load(tmp_path / "nowhere", PolicyHead)
    description = json.loads((directory / "config.json").read_text())
    description["config"]["wings"] = 2
    (directory / "config.json").write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match="no field wings"):
        checkpoint.load(directory, PolicyHead)
    (directory / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        checkpoint.load(directory, PolicyHead)


def test_truncated_weights_are_refused(saved):
    _, directory = saved
    file = directory / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        checkpoint.load(directory, PolicyHead)
    vouch_for(directory)
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(directory, PolicyHead)


def test_other_statistics_than_the_ones_written_are_refused(saved):
    _, directory = saved
    file = directory / "stats.json"
    file.write_text(file.read_text().replace("2.0", "2.5"))
    with pytest.raises(CheckpointError, match=r"stats\.json is damaged"):
        checkpoint.load(directory, PolicyHead)


def test_half_precision_is_for_the_file_only(saved, tmp_path):
    head, _ = saved
    checkpoint.save(tmp_path / "half", head, dtype=torch.float16)
    assert {value.dtype for value in load_file(tmp_path / "half/model.safetensors").values()} == {torch.float16}
    loaded = checkpoint.load(tmp_path / "half", PolicyHead)
    for ours, theirs in zip(loaded.parameters(), head.parameters(), strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs.half().float())


@pytest.fixture
def of_format_1(tmp_path):
    """A bundle with an autoencoder of the old format."""
    torch.manual_seed(0)
    model = TrackVAE(zipmo.vae_nano())
    checkpoint.save(tmp_path / "old/vae", model, {"note": "kept", "points_in": 12})
    file = tmp_path / "old/vae/config.json"
    description = json.loads(file.read_text())
    for key in ("points_in", "moving_weight"):
        del description["config"][key]
    old = {"format": 1, **{key: description[key] for key in ("kind", "config", "meta")}}
    file.write_text(json.dumps(old))
    return tmp_path / "old", model


def test_upgrade_keeps_weights_and_words_and_types_what_inference_reads(of_format_1, tmp_path):
    old, model = of_format_1
    with pytest.raises(CheckpointError, match=r"has format 1; .* `zipmo interop upgrade .*old/vae`"):
        checkpoint.load(old / "vae", TrackVAE)
    assert cli.main(["interop", "upgrade", str(old), "--out", str(tmp_path / "new")]) == 0
    assert json.loads((old / "vae/config.json").read_text())["format"] == 1
    loaded = checkpoint.load(tmp_path / "new/vae", TrackVAE)
    assert (loaded.config.points_in, loaded.config.moving_weight) == (12, 7.0)
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True))
    assert checkpoint.read_description(tmp_path / "new/vae")["meta"] == {"note": "kept"}
    assert cli.main(["interop", "upgrade", str(old), "--dtype", "float16"]) == 0
    half = checkpoint.load(old / "vae", TrackVAE)
    assert all(torch.equal(a, b.half().float()) for a, b in zip(half.parameters(), model.parameters(), strict=True))
    assert checkpoint.content_hash(old) != checkpoint.content_hash(tmp_path / "new")
    assert cli.main(["interop", "upgrade", str(tmp_path / "nowhere")]) == 1


def test_a_failed_write_leaves_the_old_file(saved, monkeypatch):
    head, directory = saved
    before = checkpoint.content_hash(directory)
    monkeypatch.setattr(checkpoint.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(directory, head, {"note": "other"})
    assert checkpoint.content_hash(directory) == before
    assert not list(directory.glob(".*"))


def test_content_hash_sees_weights_stats_and_place(saved):
    head, directory = saved
    first = checkpoint.content_hash(directory)
    assert checkpoint.save(directory, head, {"note": "in other words"}) == first
    (directory / "training.log").write_text("not part of it")
    assert checkpoint.content_hash(directory) == first
    head.set_statistics([0.5] * 9, [2.1] * 9)
    assert checkpoint.save(directory, head, {"note": "test"}) != first
    assert checkpoint.content_hash(directory.parent) != checkpoint.content_hash(directory)


def test_behaviour_cloning_pretrains_the_planners_eyes():
    bc = BehaviourCloning(BehaviourCloningConfig(width=64, depth=1, image=CONV_VIEWS))
    planner = MotionPlanner(PLANNERS["nano"])
    planner.image_encoder.load_state_dict(bc.image_encoder.state_dict(), strict=True)
    images, text = torch.rand(2, 2, 32, 32, 3), torch.randn(2, 384)
    assert torch.equal(planner.encode_images(images, text), bc.image_encoder(images, text))
    assert bc(images, text, torch.zeros(2, 9)).shape == (2, 16, 7)


def test_head_tells_views_hand_and_latents_apart():
    torch.manual_seed(0)
    head = PolicyHead(HEAD)
    for layer in head.trunk.policy_net:
        torch.nn.init.normal_(layer.cross_attn.out_proj.weight, std=0.2)
    z, hand = torch.randn(1, 8, 16), torch.randn(1, 9)
    chunk = head(z, hand)
    assert chunk.shape == (1, 16, 7)
    assert (head(z, hand + 1) - chunk).abs().max() > 1e-4
    assert (head(z.roll(4, dims=1), hand) - chunk).abs().max() > 1e-4, "swapping the views"
    assert (chunk[:, 0] - chunk[:, 1]).abs().max() > 1e-4
    with pytest.raises(ValueError, match="proprioception"):
        head(z)
    with pytest.raises(ValueError, match="latents"):
        head(z[:, :3], hand)
    blind = PolicyHead(HeadConfig(width=64, depth=1, latent_grid=2, proprio_width=0))
    assert blind(z).shape == (1, 16, 7)


@pytest.mark.parametrize(
    "preset",
    ["vae_nano", "vae_base", "planner_nano", "planner_base_sparse", "planner_base_dense", "planner_base_libero"],
)
def test_configurations_survive_json(preset):
    original = getattr(zipmo, preset)()
    assert config.from_dict(type(original), json.loads(json.dumps(config.to_dict(original)))) == original


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: zipmo.VaeConfig(width=100), "multiple of 64"),
        (lambda: zipmo.VaeConfig(queries="cross"), "query_depth"),
        (lambda: zipmo.VaeConfig(clip_samples=10, samples_per_token=4), "not a multiple"),
        (lambda: zipmo.PlannerConfig(), "pokes or by text"),
        (lambda: zipmo.PlannerConfig(pokes=zipmo.PokeConfig(), step_token=True), "need text"),
        (lambda: config.ImageEncoderConfig(image_size=100), "divisible by 14"),
        (lambda: config.ImageEncoderConfig(kind="conv", width=64, channels=(32,)), "token width"),
        (lambda: config.TextConfig(encoder="gpt"), "unknown text encoder"),
    ],
)
def test_impossible_configurations_raise(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_foreign_files_are_loaded_strictly(tmp_path, monkeypatch):
    small = {"vae": TrackVAE(VAES["reference"])}
    monkeypatch.setattr(interop.Layout, "parts", lambda self, policy=None: {"vae": TrackVAE(VAES["reference"])})
    weights = {key: value.half() for key, value in interop.to_reference(small, {"vae": ""}).items()}
    assert "img_embedder.model.blocks.0.attn.qkv.weight" in weights
    save_file(weights, tmp_path / "zipmo_vae.safetensors")
    name, parts = interop.load_released(tmp_path)
    assert name == "vae"
    state = parts["vae"].state_dict()
    assert all(v.dtype == torch.float32 for v in state.values())
    assert torch.equal(state["encoder.to_mean.weight"], small["vae"].encoder.to_mean.weight.half().float())
    del weights["img_embedder.model.norm.bias"]
    weights["encoder.more"] = torch.zeros(1)
    save_file(weights, tmp_path / "zipmo_vae.safetensors")
    with pytest.raises(CheckpointError, match=r"missing img_embedder.model.norm.bias; extra encoder.more"):
        interop.load_released(tmp_path)
    save_file({"other": torch.zeros(1)}, tmp_path / "zipmo_vae.safetensors")
    with pytest.raises(CheckpointError, match="none of the released files"):
        interop.load_released(tmp_path)


def test_the_dense_planner_is_told_by_the_name_of_its_file(monkeypatch):
    """Its keys are the sparse one's."""
    monkeypatch.setattr(interop.Layout, "parts", lambda self, policy=None: {})
    monkeypatch.setattr(interop, "from_reference", lambda *_: None)
    monkeypatch.setattr(interop, "read_weights", lambda path: ({"learnable_emb_dino": None}, Path(path)))
    assert interop.load_released("folder/zipmo_planner_dense.safetensors")[0] == "planner_dense"
    assert interop.load_released("folder/mine.safetensors")[0] == "planner_sparse"
    assert interop.load_released("folder/mine.safetensors", "planner_dense")[0] == "planner_dense"
