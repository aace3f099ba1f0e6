"""The benchmark: variants plan the same, the report is complete, wrong requests are named."""

import json

import pytest
import torch

from zipmo_ros.apps import cli
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation import bench
from zipmo_ros.evaluation.plan_variants import applicable, plan, plan_without
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.config import ImageEncoderConfig, TextConfig
from zipmo_ros.motion.flow import plan_noise
from zipmo_ros.motion.text import embed_sentences
from zipmo_ros.motion.zipmo.adapter import ZipmoPlanner
from zipmo_ros.motion.zipmo.config import PlannerConfig, planner_nano, vae_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE


def released_shape() -> PlannerConfig:
    """The released text planner's architecture, small: frames join the self-attention, the context is one token."""
    image = ImageEncoderConfig(width=64, depth=1, image_size=28)
    text = TextConfig(width=48)
    return PlannerConfig(
        width=128, depth=2, time_width=32, mapping_hidden=64, latent_grid=2, views=2, text=text, text_depth=1,
        image_time=-1.0, self_rope="3d_40", cross_rope=None, image=image,
    )  # fmt: skip


def subject(config: PlannerConfig) -> tuple:
    torch.manual_seed(0)
    planner = MotionPlanner(config).eval()
    bench.wake(planner)
    images = torch.randint(0, 256, (1, config.views, 128, 128, 3), dtype=torch.uint8)
    return (
        planner,
        images,
        torch.randn(1, config.text.width) / 8,
        torch.randn(1, config.latent_tokens, config.latent_channels),
    )


@pytest.mark.parametrize("config", [planner_nano(), released_shape()], ids=["nano", "released"])
def test_every_variant_plans_the_same(config):
    inputs = subject(config)
    full = plan(*inputs, 3)
    assert (full - inputs[-1]).abs().max() > 1e-2, "the planner does nothing: equality would prove nothing"
    names = [saving.name for saving in applicable(config)]
    for without in [(), *((name,) for name in names), names]:
        other = plan_without(*inputs, 3, frozenset(without))
        torch.testing.assert_close(other, full, rtol=1e-4, atol=1e-5, msg=lambda text, w=without: f"{w}: {text}")
    with pytest.raises(ValueError, match="no saving"):
        plan_without(*inputs, 1, frozenset(["magic"]))


def test_an_undone_saving_is_computed_at_every_step(monkeypatch):
    inputs = subject(released_shape())
    planner, calls = inputs[0], []

    def count(owner, method, name):
        real = getattr(owner, method)
        monkeypatch.setattr(owner, method, lambda *a, **k: calls.append(name) or real(*a, **k))

    count(planner.backbone, "context", "context")
    count(planner.backbone, "rope", "rope")
    count(planner.in_proj.cond_proj, "forward", "image")
    count(planner, "time_condition", "norms")
    for layer in planner.backbone:
        count(layer.cross_attn.q_proj, "forward", "one token")
    for name in ("context", "rope", "image", "norms", "one token"):
        calls.clear()
        plan(*inputs, 3)
        assert calls.count(name) == (name != "one token")
        calls.clear()
        plan_without(*inputs, 3, frozenset([name]))
        assert calls.count(name) == (6 if name == "one token" else 3)
        assert all(calls.count(other) == 1 for other in {"context", "rope", "image", "norms"} - {name})


def test_full_is_what_the_generator_does():
    inputs = subject(planner_nano())
    planner, images, _, noise = inputs
    robot = load_robot()
    zipmo = ZipmoPlanner(TrackVAE(vae_nano()), planner, robot.views, robot.period_ns, Execution(steps=2))
    seen = Observation(3, 0, dict(zip(robot.views, images[0].numpy(), strict=True)))
    z = torch.from_numpy(zipmo.plan(seen, Sentence(bench.SENTENCE), 0).embedding)
    noise = torch.from_numpy(plan_noise(0, 3, noise.shape))
    assert torch.equal(z.reshape(noise.shape), plan(planner, images, embed_sentences([bench.SENTENCE]), noise, 2))


def test_report(tmp_path, capsys):
    torch.manual_seed(0)
    digest = checkpoint.save(tmp_path / "bundle/planner", MotionPlanner(planner_nano()))
    words = [f"out={tmp_path}/out", f"checkpoint={tmp_path}/bundle", "nfe=[1,2]", "repetitions=2",
             "columns=[bfloat16,cuda_graphs]"]  # fmt: skip
    assert cli.main(["bench", "plan", *words]) == 0
    text = capsys.readouterr().out
    assert "without context" in text
    assert digest[:12] in text
    report = json.loads((tmp_path / "out/plan.json").read_text())
    result = report["sizes"]["nano"]
    assert result["hash"] == digest
    assert {"cpu", "cores", "torch", "threads"} <= set(report["machine"])
    assert {(row["variant"], row["nfe"]) for row in result["plans"]} >= {("full", 1), ("plain", 2), ("without rope", 2)}
    assert all(0 < row["p50_ms"] <= row["p95_ms"] for row in result["plans"])
    assert all(row["ratio"] == 1 for row in result["plans"] if row["variant"] == "full")
    assert all(row["of_floor"] > 1 for row in result["plans"])
    assert 1.1 < result["floors"]["2"]["flops"] / result["floors"]["1"]["flops"] < 2
    assert 0 < next(row for row in result["plans"] if row["variant"] == "bfloat16")["max_abs_difference"] < 0.5
    assert result["left_out"] == {"cuda_graphs": "it needs device=cuda"}
    assert "cuda_graphs is left out: it needs device=cuda" in text
    assert (tmp_path / "out/plan.png").stat().st_size > 5000
    assert bench.differing(report) == []
    for wrong in (0.1, float("nan")):
        result["plans"][3]["max_abs_difference"] = wrong
        assert len(bench.differing(report)) == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "zipmo bench plan"),
        (["nosuch"], "zipmo bench plan"),
        (["plan", "sizes=[huge]"], "huge"),
        (["plan", "checkpoint=/nowhere"], "/nowhere"),
        (["plan", "nfe=[0]", "checkpoint=random"], "nfe[0] must be a whole number from 1 to 1000, got 0"),
        (["plan", "nfe=[]", "checkpoint=random"], "nfe must be a list, each a whole number"),
        (["plan", "sizes=[base,nano]", "checkpoint=/nowhere"], "/nowhere"),
        (["plan", "device=gpu9"], "device must be"),
        (["plan", "columns=[tensorrt]"], "one of compile, onnx"),
        (["plan", "repetitons=3"], "repetitons"),
    ],
)
def test_wrong_requests_say_what_is_wrong(words, reason, capsys):
    assert cli.main(["bench", *words]) == 2
    assert reason in capsys.readouterr().err
