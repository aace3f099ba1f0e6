"""The planners and policies that the nodes run, from their parameters."""

from __future__ import annotations

from zipmo_ros.contract.protocols import Execution, Planner, Policy
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.models import bundle_hash, bundle_path, load_planner, load_policy
from zipmo_ros.nodes.settings import PlannerParameters, PolicyParameters


def make_planner(settings: PlannerParameters) -> tuple[Planner, str]:
    """The planner, and the hash of the bundle's content."""
    bundle = bundle_path(settings.checkpoint, planner=settings.planner)
    execution = Execution(settings.device, settings.threads, settings.nfe or None, settings.dtype,
                          settings.warm_start or None, settings.engine, settings.text_encoder or None)  # fmt: skip
    return load_planner(settings.planner, bundle, load_robot(settings.robot), execution), bundle_hash(bundle)


def make_policy(settings: PolicyParameters) -> tuple[Policy, str]:
    """The policy, and the hash of the bundle's content."""
    bundle = bundle_path(settings.checkpoint)
    execution = Execution(settings.device, settings.threads)
    return load_policy(settings.policy, bundle, load_robot(settings.robot), execution), bundle_hash(bundle)
