"""From the name of a stage to its class."""

from __future__ import annotations

import importlib

from zipmo_ros.training.stage import Stage

STAGES = {
    "vae": ("zipmo_ros.training.stages.vae", "VaeStage"),
    "grounding": ("zipmo_ros.training.stages.grounding", "GroundingStage"),
    "bc": ("zipmo_policy.stages.cloning", "CloningStage"),
    "planner": ("zipmo_ros.training.stages.planner", "PlannerStage"),
    "policy": ("zipmo_policy.stages.head", "HeadStage"),
}


def stage_class(name: str) -> type[Stage]:
    if name not in STAGES:
        raise ValueError(f"no stage '{name}'; there are {', '.join(STAGES)}")
    module, attribute = STAGES[name]
    return getattr(importlib.import_module(module), attribute)
