"""Other ways to compute the same plan, and the least that a plan can take on this machine: what `bench` sets beside."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from zipmo_ros.contract.protocols import Execution
from zipmo_ros.evaluation.plan_variants import plan
from zipmo_ros.motion.engines import carried_out, check_installed
from zipmo_ros.motion.zipmo.plan_pass import PlanPass
from zipmo_ros.motion.zipmo.planner import MotionPlanner

SIDE = 512  # of the square matrices whose product tells what the machine can do
STREAM = 1 << 24  # float32 numbers that are read to tell how fast it reads: more than caches hold

Make = Callable[[MotionPlanner, Tensor, Tensor, Tensor, int], Callable[[], Tensor]]


class PlanColumn(NamedTuple):
    """tolerance: of the largest latent value, to the full version in float32; None: its error is told, and may be any.

    needs: the kind of device; None: any. make: of planner, images, text, noise and steps.
    """

    what: str
    tolerance: float | None
    needs: str | None
    make: Make


def _by_engine(
    engine: str, planner: MotionPlanner, images: Tensor, text: Tensor, noise: Tensor, steps: int
) -> Callable[[], Tensor]:
    execution = Execution(threads=torch.get_num_threads(), engine=engine)
    call = carried_out(PlanPass(planner, steps).eval(), execution)
    return torch.no_grad()(lambda: call(images, text, noise)[0])


def _graphs(planner: MotionPlanner, images: Tensor, text: Tensor, noise: Tensor, steps: int) -> Callable[[], Tensor]:
    call = torch.compile(PlanPass(planner, steps).eval(), dynamic=False, mode="reduce-overhead")
    return torch.no_grad()(lambda: call(images, text, noise)[0].clone())  # the next launch writes over it


def _bfloat16(planner: MotionPlanner, images: Tensor, text: Tensor, noise: Tensor, steps: int) -> Callable[[], Tensor]:
    return torch.autocast(images.device.type, torch.bfloat16)(lambda: plan(planner, images, text, noise, steps).float())


def _all_cores(planner: MotionPlanner, images: Tensor, text: Tensor, noise: Tensor, steps: int) -> Callable[[], Tensor]:
    def call() -> Tensor:
        usual = torch.get_num_threads()
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        try:
            return plan(planner, images, text, noise, steps)
        finally:
            torch.set_num_threads(usual)

    return call


COLUMNS = {
    "compile": PlanColumn("by PyTorch's compiler (engine=compile)", 1e-4, None, partial(_by_engine, "compile")),
    "onnx": PlanColumn("by ONNX Runtime (engine=onnx)", 1e-4, "cpu", partial(_by_engine, "onnx")),
    "cuda_graphs": PlanColumn("compiled, and launched as CUDA graphs", 1e-3, "cuda", _graphs),
    "bfloat16": PlanColumn("in bfloat16 in place of float32", None, None, _bfloat16),
    "all_cores": PlanColumn("with a thread on each core", 1e-3, "cpu", _all_cores),
}


def left_out(columns: Iterable[str], device: str) -> dict[str, str]:
    """Those that can't be measured here, and why."""
    reasons = {}
    for name in columns:
        needs = COLUMNS[name].needs
        if needs is not None and not device.startswith(needs):
            reasons[name] = f"it needs device={needs}"
            continue
        try:
            check_installed(name)
        except ValueError as error:
            reasons[name] = str(error)
    return reasons


def needed_flops(planner: MotionPlanner, images: Tensor, text: Tensor, noise: Tensor, steps: int) -> int:
    """Of a plan with all its savings, multiplications and additions."""
    with FlopCounterMode(display=False) as counter:
        plan(planner, images, text, noise, steps)
    return counter.get_total_flops()


def read_bytes(planner: MotionPlanner, steps: int) -> int:
    """Of the weights: all of them once, and those of the trunk again at every further step."""
    every, trunk = (
        sum(p.numel() * p.element_size() for p in module.parameters()) for module in (planner, planner.backbone)
    )
    return every + (steps - 1) * trunk


def machine_calls(device: str) -> dict[str, Callable[[], Tensor]]:
    """What the machine can do: a product of matrices (2 * SIDE^3 operations), and reading (4 * STREAM bytes)."""
    matrix = torch.randn(SIDE, SIDE, device=device)
    stream = torch.randn(STREAM, device=device)
    return {"products": lambda: matrix @ matrix, "reading": stream.sum}
