"""Engines carry out the same plan: equal to PyTorch's own within 1e-4, whichever it is."""

import numpy as np
import pytest

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.models import bundle_path, load_planner

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


@pytest.mark.slow
def test_the_compiler_plans_as_pytorch_does():
    assert_plans_alike(*(planner(engine=name, steps=1) for name in ("eager", "compile")))
