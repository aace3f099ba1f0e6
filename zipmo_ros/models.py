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

from zipmo_ros.contract.protocols import Execution, Planner, Policy, Tracker
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.share import share_path
from zipmo_sim.suites import DEFAULT, SUITES

Make = Callable[[Path, RobotSpec, Execution], Any]  # bundle, robot, execution -> a planner or a policy

# Of a checkpoint's kind: what makes a planner or a policy of it, `part` being its folder in the bundle.
PLANNERS = {
    "planner": "zipmo_ros.motion.zipmo.adapter:ZipmoPlanner.load",
    "arfm": "zipmo_ros.motion.arfm.adapter:ArfmPlanner.load",
    "atm": "zipmo_ros.motion.atm.adapter:AtmPlanner.load",
}
POLICIES = {
    "policy": "zipmo_policy.policy:InverseDynamics.load",
    "track_policy": "zipmo_policy.policy:TrackInverseDynamics.load",
    "atm_policy": "zipmo_policy.policy:TrackConditioned.load",
    "arfm_policy": "zipmo_policy.policy:GuidedBehaviour.load",
    "bc": "zipmo_policy.policy:ClonedBehaviour.load",
}
PLANNER, POLICY = "planner", "policy"  # folders of a bundle
NAMED = {"zipmo": "planner", "arfm": "arfm", "atm": "atm"}  # of planner=NAME: the kind that PLANNER has to be of
TRACKER = "zipmo_ros.data.trackers.opencv:LucasKanade"  # follows the points of planners that do so
FOLLOWING = ("arfm",)
NO_PLANNER = "none"  # as a planner's name: the policy needs none
CLONING = "bc"  # folder of a bundle whose policy needs none
PLANNER_GROUP, POLICY_GROUP = "zipmo_ros.planners", "zipmo_ros.policies"  # entry points of other packages


def shipped() -> dict[str, tuple[str, ...]]:
    """Names of the bundles that come with the package, and the suites that each is taken for where none is named."""
    folder, names = share_path("checkpoints"), dict[str, tuple[str, ...]]()
    for suite, entry in SUITES.items():
        if entry.base is not None:  # evaluated with another suite's
            continue
        for name in (_bundle_of(entry.checkpoint, planner) for planner in NAMED if entry.checkpoint):
            if (folder / name).is_dir():
                names[name] = (*names.get(name, ()), suite)
    others = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in names)
    return names | dict.fromkeys(others, ())


def _bundle_of(name: str, planner: str | None) -> str:
    """Name of the bundle that has a planner of this name where the bundle `name` has ZipMo's."""
    return f"{name}-{planner}" if planner in NAMED and planner != "zipmo" else name


def shipped_for(suite: str, planner: str | None = None) -> str:
    """Name of the shipped bundle that knows a suite and, if it is one of NAMED, has the planner of this name.

    Raises ValueError, naming all that there are, where none does.
    """
    there, entry = shipped(), SUITES.get(suite)
    if entry and entry.checkpoint and (name := _bundle_of(entry.checkpoint, planner)) in there:
        return name
    known = "; ".join(f"{name}: {', '.join(suites)}" for name, suites in there.items() if suites)
    kind = f" with planner={planner}" if planner in NAMED else ""
    raise ValueError(
        f"no shipped checkpoint{kind} was trained on '{suite}' (there are {known}): name one with checkpoint="
    )


def bundle_path(named: str | Path | None, suite: str = DEFAULT, planner: str | None = None) -> Path:
    """A bundle: of a directory, of a shipped one's name, or (None, "") the one shipped for a suite and a named planner.

    Raises FileNotFoundError for a directory that is not there, ValueError for a suite that no shipped one knows.
    """
    if not named or str(named) in shipped():
        return share_path(f"checkpoints/{named or shipped_for(suite, planner)}")
    if not Path(named).is_dir():
        raise FileNotFoundError(
            f"there is no checkpoint directory '{named}', and those shipped are {', '.join(shipped())}"
        )
    return Path(named)


def bundle_hash(bundle: Path) -> str:
    """What /diagnostics and result files call a bundle by: the hash of its content."""
    from zipmo_ros.motion.checkpoint import content_hash  # torch, only where models are

    return content_hash(bundle)


def planner_part(named: str | None) -> str:
    """The folder of a bundle that a planner of this name is in, if it is in a bundle."""
    return PLANNER if not named or named in NAMED else named


def find_planner(named: str | None, bundle: Path) -> Make:
    """What makes a planner: the bundle's own by its kind (None, "", or a name of NAMED, whose kind it has to be of),
    another folder of the bundle, module:callable, or somebody else's name.

    Raises ValueError or FileNotFoundError where there is none of that name.
    """
    kinds = {NAMED[named]: PLANNERS[NAMED[named]]} if named in NAMED else PLANNERS
    return _find(planner_part(named), kinds, PLANNER_GROUP, bundle)


def find_policy(named: str | None, bundle: Path) -> Make:
    """As find_planner, for a policy: a folder of the bundle ("policy", "bc"), module:callable, or another's name."""
    return _find(named or POLICY, POLICIES, POLICY_GROUP, bundle)


def load_planner(
    named: str | None, bundle: Path, robot: RobotSpec, execution: Execution, tracker: Tracker | None = None
) -> Planner:
    """The planner of this name (see find_planner). tracker: follows its points in place of the usual one.

    Raises ValueError or FileNotFoundError for what can't be made, ValueError for a tracker where none is followed.
    """
    make: Callable[..., Any] = find_planner(named, bundle)
    if tracker is not None:
        if not follows(named, bundle):
            raise ValueError(f"the planner of {bundle} follows no points from image to image: nothing for a tracker")
        make = partial(make, tracker=tracker)
    return _make(make, bundle, robot, execution)


def follows(named: str | None, bundle: Path) -> bool:
    """Whether a planner of the bundle follows points; of one that is from elsewhere nothing is known."""
    from zipmo_ros.motion.checkpoint import read_description

    folder = bundle / planner_part(named)
    return folder.is_dir() and read_description(folder)["kind"] in FOLLOWING


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
        raise CheckpointError(f"{bundle / named} holds a checkpoint of kind '{kind}', not {' or '.join(ours)}")
    make = partial(resolve(ours[kind]), part=named)
    return partial(make, tracker=resolve(TRACKER)()) if kind in FOLLOWING else make
