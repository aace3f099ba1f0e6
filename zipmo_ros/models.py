"""Planners and policies by name: from a bundle's checkpoint by its kind, or somebody else's by module path.

What they need is imported when they are made.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from zipmo_ros.contract.protocols import Execution, Planner, Policy
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.share import share_path
from zipmo_sim.suites import DEFAULT, SUITES

Make = Callable[[Path, RobotSpec, Execution], Any]  # bundle, robot, execution -> a planner or a policy

# Of a checkpoint's kind: what makes a planner or a policy of it, `part` being its folder in the bundle.
PLANNERS = {
    "planner": "zipmo_ros.motion.zipmo.adapter:ZipmoPlanner.load",
    "arfm": "zipmo_ros.motion.arfm.adapter:ArfmPlanner.load",
}
POLICIES = {"policy": "zipmo_policy.policy:InverseDynamics.load", "bc": "zipmo_policy.policy:ClonedBehaviour.load"}
TRACKER = "zipmo_ros.data.trackers.opencv:LucasKanade"  # follows the points of planners that do so
FOLLOWING = ("arfm",)
NO_PLANNER = "none"  # as a planner's name: the policy needs none
PLANNER_GROUP, POLICY_GROUP = "zipmo_ros.planners", "zipmo_ros.policies"  # entry points of other packages


def shipped() -> dict[str, tuple[str, ...]]:
    """Names of the bundles that come with the package, and the suites that each was trained on."""
    names = dict.fromkeys(entry.checkpoint for entry in SUITES.values() if entry.checkpoint)
    trained = {suite: entry.checkpoint for suite, entry in SUITES.items() if entry.base is None}
    return {name: tuple(suite for suite, known in trained.items() if known == name) for name in names}


def shipped_for(suite: str) -> str:
    """Name of the shipped bundle that knows a suite. Raises ValueError, naming all of them, where none does."""
    if suite in SUITES and (name := SUITES[suite].checkpoint):
        return name
    known = "; ".join(f"{name}: {', '.join(suites)}" for name, suites in shipped().items())
    raise ValueError(f"no shipped checkpoint was trained on '{suite}' (there are {known}): name one with checkpoint=")


def bundle_path(named: str | Path | None, suite: str = DEFAULT) -> Path:
    """A bundle: of a directory, of a shipped one's name, or (None, "") the one shipped for a suite.

    Raises FileNotFoundError for a directory that is not there, ValueError for a suite that no shipped one knows.
    """
    if not named or str(named) in shipped():
        return share_path(f"checkpoints/{named or shipped_for(suite)}")
    if not Path(named).is_dir():
        raise FileNotFoundError(
            f"there is no checkpoint directory '{named}', and those shipped are {', '.join(shipped())}"
        )
    return Path(named)


def bundle_hash(bundle: Path) -> str:
    """What /diagnostics and result files call a bundle by: the hash of its content."""
    from zipmo_ros.motion.checkpoint import content_hash  # torch, only where models are

    return content_hash(bundle)


def find_planner(named: str | None, bundle: Path) -> Make:
    """What makes a planner: a folder of the bundle (None, "": planner) by its kind, module:callable, or another's name.

    Raises ValueError or FileNotFoundError where there is none of that name.
    """
    return _find(named or "planner", PLANNERS, PLANNER_GROUP, bundle)


def find_policy(named: str | None, bundle: Path) -> Make:
    """As find_planner, for a policy: a folder of the bundle ("policy", "bc"), module:callable, or another's name."""
    return _find(named or "policy", POLICIES, POLICY_GROUP, bundle)


def load_planner(named: str | None, bundle: Path, robot: RobotSpec, execution: Execution) -> Planner:
    """The planner of this name (see find_planner). Raises ValueError or FileNotFoundError for what can't be made."""
    return _make(find_planner(named, bundle), bundle, robot, execution)


def load_policy(named: str | None, bundle: Path, robot: RobotSpec, execution: Execution) -> Policy:
    """The policy of this name (see find_policy). Raises ValueError or FileNotFoundError for what can't be made."""
    return _make(find_policy(named, bundle), bundle, robot, execution)


def resolve(path: str) -> Any:
    """What "module:attribute" (or "module:Class.method") names. Raises ValueError saying what is missing."""
    module, _, attributes = path.partition(":")
    try:
        found = importlib.import_module(module)
        for attribute in attributes.split("."):
            found = getattr(found, attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"'{path}' can't be used: {error}") from error
    return found


def _make(make: Make, bundle: Path, robot: RobotSpec, execution: Execution) -> Any:
    import torch

    torch.set_num_threads(execution.threads)  # sums in one order: equal actions, to the bit
    return make(bundle, robot, execution)


def _find(named: str, ours: dict[str, str], group: str, bundle: Path) -> Make:
    if ":" in named:
        return resolve(named)
    others = {entry.name: entry for entry in entry_points(group=group)}
    if named in others:
        return others[named].load()
    if not (bundle / named).is_dir():
        known = ", ".join([*sorted(path.name for path in bundle.iterdir() if path.is_dir()), *others])
        raise FileNotFoundError(f"{bundle} holds no '{named}'; it and the entry points of {group} have {known}")
    from zipmo_ros.motion.checkpoint import CheckpointError, read_description

    kind = read_description(bundle / named)["kind"]
    if kind not in ours:
        raise CheckpointError(f"{bundle / named} holds a '{kind}', which is none of {', '.join(ours)}")
    make = partial(resolve(ours[kind]), part=named)
    return partial(make, tracker=resolve(TRACKER)()) if kind in FOLLOWING else make
