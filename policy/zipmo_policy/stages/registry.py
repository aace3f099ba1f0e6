"""From the name of a stage and plain settings (config/hydra/train.yaml) to the stage."""

from __future__ import annotations

import importlib
from typing import Any

from zipmo_ros.data.windows import DemonstrationWindows
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


def make_stage(name: str, windows: DemonstrationWindows, settings: dict[str, Any]) -> Stage:
    """Raises ValueError for settings that the stage lacks."""
    return stage_class(name).create(windows, settings)
