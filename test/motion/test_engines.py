"""Engines carry out the same plan: equal to PyTorch's own within 1e-4, whichever it is."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.evaluate import resolve
from zipmo_ros.models import bundle_path, load_planner
from zipmo_ros.motion import engines
from zipmo_ros.motion.atm.adapter import AtmPlanner
from zipmo_ros.motion.config import TextConfig, TokenConfig
from zipmo_ros.motion.sentence import SentenceInput
from zipmo_ros.motion.zipmo.adapter import ZipmoPlanner
from zipmo_ros.motion.zipmo.plan_pass import padded
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

from .atm_models import tiny_atm
from .conftest import PLANNERS, VAES, awaken

ROBOT = load_robot()
GOAL = Sentence("put the milk in the left bin")


def planner(**execution):
    return load_planner(None, bundle_path("nano-mini"), ROBOT, Execution(**execution))


def seen(stamp_ns=0):
    draw = np.random.default_rng(stamp_ns)
    return Observation(stamp_ns, 0, {view: draw.integers(0, 256, (128, 128, 3), np.uint8) for view in ROBOT.views})


def assert_plans_alike(one, other, **asked):
    for stamp in (0, ROBOT.period_ns):
        plans = [planner.plan(seen(stamp), GOAL, 0, **asked) for planner in (one, other)]
        np.testing.assert_allclose(plans[1].embeddings, plans[0].embeddings, rtol=0, atol=1e-4)


def test_onnx_runtime_plans_as_pytorch_does():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    eager, onnx = (planner(engine=name, steps=1) for name in ("eager", "onnx"))
    assert_plans_alike(eager, onnx)
    first, again = (onnx.plan(seen(), GOAL, 0).embeddings for _ in range(2))
    assert np.array_equal(first, again)


def test_onnx_runtime_goes_on_from_a_plan():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    assert_plans_alike(*(planner(engine=name, steps=1, warm_start=0.5) for name in ("eager", "onnx")))


def test_what_says_nothing_changes_no_sentence():
    torch.manual_seed(0)
    config = TextConfig(width=48, tokens=TokenConfig(width=64, depth=1), standardised=False)
    sentence = SentenceInput(config).eval()
    rows = torch.randn(1, 7, 48)
    longer = padded(rows)
    assert longer.shape[1] == padded(longer).shape[1] == 32
    assert torch.equal(padded(rows[:, 0]), rows[:, 0])
    one, other = sentence.read(rows), sentence.read(longer)
    torch.testing.assert_close(other.vector, one.vector, rtol=0, atol=1e-5)
    torch.testing.assert_close(other.tokens[:, :7], one.tokens, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"engine": "tensorrt"}, "engine is one of eager, compile, onnx, got 'tensorrt'"),
        ({"engine": "onnx", "device": "cuda"}, "float32 on the CPU, not float32 on cuda"),
        ({"engine": "onnx", "dtype": "bfloat16"}, "not bfloat16 on cpu"),
    ],
)
def test_wrong_engines_say_what_is_wrong(asked, complaint):
    with pytest.raises(ValueError, match=complaint):
        Execution(**asked)


def test_what_is_not_installed_is_told_before_anything_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="needs the extra `engines`"):
        planner(engine="onnx")
    settings = {"suite": "mini", "checkpoint": None, "via": "direct", "seed": 0, "ensemble": "intended", "nfe": None}
    with pytest.raises(ValueError, match="pip install onnxruntime onnx"):
        resolve(**settings, replan_every=2, engine="onnx")


def test_only_zipmo_has_engines():
    with pytest.raises(ValueError, match=r"engine=compile is ZipMo's: ATM"):
        AtmPlanner(tiny_atm(), ROBOT.views, ROBOT.period_ns, Execution(engine="compile"))


def test_models_that_are_too_large_for_a_file_are_refused():
    pytest.importorskip("onnxruntime")
    with torch.device("meta"):
        large = torch.nn.Linear(2**15, 2**14)
    with pytest.raises(ValueError, match="below 2 GiB"):
        engines.OnnxCall(large, 1)


@pytest.mark.slow
def test_the_compiler_plans_as_pytorch_does():
    """On a small model: what takes time is compiling it."""
    torch.manual_seed(0)
    vae = dataclasses.replace(VAES["nano"], points_in=8, clip_samples=HORIZON, samples_per_token=HORIZON)
    text = dataclasses.replace(PLANNERS["nano"].text, tokens=TokenConfig(width=64, depth=1), standardised=False)
    image = dataclasses.replace(PLANNERS["nano"].image, text=text)
    reading = dataclasses.replace(PLANNERS["nano"], text=text, image=image)  # words, as the shipped one
    models = awaken(TrackVAE(vae)), awaken(MotionPlanner(reading))
    make = lambda name: ZipmoPlanner(*models, ROBOT.views, ROBOT.period_ns, Execution(engine=name, steps=1))  # noqa: E731
    assert_plans_alike(make("eager"), make("compile"))
