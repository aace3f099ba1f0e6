"""From the name of a stage and plain settings (config/hydra/train.yaml) to the stage."""

from __future__ import annotations

import importlib
from typing import Any

from zipmo_policy.dataset import DemonstrationWindows
from zipmo_policy.stages.stage import Stage

STAGES = {
    "vae": ("vae", "VaeStage"),
    "grounding": ("grounding", "GroundingStage"),
    "bc": ("cloning", "CloningStage"),
    "planner": ("planner", "PlannerStage"),
    "policy": ("head", "HeadStage"),
}


def stage_class(name: str) -> type[Stage]:
    if name not in STAGES:
        raise ValueError(f"no stage '{name}'; there are {', '.join(STAGES)}")
    module, attribute = STAGES[name]
    return getattr(importlib.import_module(f"zipmo_policy.stages.{module}"), attribute)


def make_stage(name: str, windows: DemonstrationWindows, settings: dict[str, Any]) -> Stage:
    """Raises ValueError for settings that the stage lacks."""
    return stage_class(name).create(windows, settings)
