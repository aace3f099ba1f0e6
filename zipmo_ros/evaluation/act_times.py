"""A plan with its chunk of actions beside lerobot's ACT: what each costs, in turns."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.evaluation.bench import SENTENCE, Times, interleave, percentiles
from zipmo_ros.models import load_planner, load_policy
from zipmo_ros.motion.engines import carried_out

ACTION_SIZE = 7
_PARTS = ("modeling", "configuration")
_HOW = "pip install lerobot, in an environment of its own with this package: it pins other versions of torch"


class ActCall(nn.Module):
    """lerobot's ACT of its default sizes (chunks of 100 actions, ResNet-18), with weights drawn at random, as a call of
    tensors: states [B, S], images [B, V, 3, H, W] -> actions [B, 100, 7].

    Raises ValueError where lerobot is not installed, saying what is missing.
    """

    def __init__(self, states: int, views: int) -> None:
        super().__init__()
        try:
            act, configs = (importlib.import_module(f"lerobot.policies.act.{name}_act") for name in _PARTS)
            types = importlib.import_module("lerobot.configs.types")
        except (ImportError, RuntimeError) as error:  # the latter from a torchvision of another torch
            raise ValueError(f"lerobot's ACT is compared with, and can't be imported ({error}): {_HOW}") from error
        feature, kind = types.PolicyFeature, types.FeatureType
        image = feature(kind.VISUAL, (3, IMAGE_SIZE, IMAGE_SIZE))
        config = configs.ACTConfig(
            input_features={
                "observation.state": feature(kind.STATE, (states,)),
                **{f"observation.images.{view}": image for view in range(views)},
            },
            output_features={"action": feature(kind.ACTION, (ACTION_SIZE,))},
            pretrained_backbone_weights=None,  # of no weight for its cost, and not to be fetched
            device="cpu",
        )
        self.model = act.ACT(config)
        self.eval()

    def forward(self, states: Tensor, images: Tensor) -> tuple[Tensor]:
        return (self.model({"observation.state": states, "observation.images": list(images.unbind(1))})[0],)


def chunk_times(
    bundle: Path,
    robot: RobotSpec,
    *,
    nfe: Sequence[int],
    engines: Sequence[str],
    threads: int,
    repetitions: int,
    seed: int,
) -> dict[str, Any]:
    """Rows of what a chunk of actions costs, by engine: a plan of `nfe` Euler steps and the policy's chunk, as the loop
    calls them, and ACT's network alone, without what prepares its images. Medians over the repetitions of CPU time over
    that of ACT in the same one: ratio, with the same engine; eager_ratio, by PyTorch as lerobot runs it (None where
    that is not among the engines).

    Raises ValueError for an engine that is not installed, and where lerobot is not.
    """
    draw = np.random.default_rng(seed)
    images = {view: draw.integers(0, 256, (IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8) for view in robot.views}
    seen = Observation(0, 0, images, draw.standard_normal(len(robot.proprio_names)).astype(np.float32))
    torch.manual_seed(seed)
    act = ActCall(len(robot.proprio_names), len(robot.views))
    policy = load_policy(None, bundle, robot, Execution(threads=threads))
    calls: dict[Any, Callable[[], Any]] = {}  # by engine and steps; of ACT, None
    for engine in engines:
        calls[engine, None] = partial(_by_act, carried_out(act, Execution(threads=threads, engine=engine)), seen)
        for steps in nfe:
            planner = load_planner(None, bundle, robot, Execution(threads=threads, steps=steps, engine=engine))
            calls[engine, steps] = partial(_by_plan, planner, policy, seen)
    for call in calls.values():
        call()
    times = interleave(calls, repetitions, "cpu", seed)
    rows = []
    for engine, steps in calls:
        own = times[engine, steps]
        rows.append({
            "engine": engine, "nfe": steps, **percentiles(own), "ratio": _ratio(own, times[engine, None]),
            "eager_ratio": _ratio(own, times["eager", None]) if "eager" in engines else None,
        })  # fmt: skip
    return {"act_parameters": sum(p.numel() for p in act.parameters()), "rows": rows}


def _ratio(own: Times, other: Times) -> float:
    return round(float(np.median(own.cpu / other.cpu)), 4)


@torch.no_grad()
def _by_act(call: Callable[..., tuple[Tensor, ...]], seen: Observation) -> np.ndarray:
    images = torch.from_numpy(np.stack([*seen.images.values()])).movedim(-1, 1) / 255
    return call(torch.from_numpy(seen.proprio)[None], images[None])[0].numpy()


def _by_plan(planner: Any, policy: Any, seen: Observation) -> np.ndarray:
    plan = planner.plan(seen, Sentence(SENTENCE), 0)
    return policy.act(seen, plan.goal, plan)
