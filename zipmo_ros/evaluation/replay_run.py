"""The report of `zipmo replay`: the models of a recording, or others, on what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.topics import MOTION_EMBEDDING
from zipmo_ros.data.bag import Bag
from zipmo_ros.evaluation.origin import check_device
from zipmo_ros.evaluation.replay import Replay, differing
from zipmo_ros.models import NO_PLANNER, bundle_hash, bundle_path, load_planner, load_policy
from zipmo_ros.runtime.horizons import make_horizon

UNSAID = {"planner": "", "policy": "", "robot": "", "seed": 0, "nfe": 0, "warm_start": 0.0, "engine": "eager",
          "dtype": "float32", "text_encoder": "", "device": "cpu", "threads": 1, "execution": "ensemble",
          "ensemble": "intended", "image_transport": "raw", "camera_skew": 0.0}  # fmt: skip


def recorded_settings(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the nodes of a recording were told, by the names of their parameters; what is unknown is missing."""
    nodes = run.get("nodes", {})
    planner, policy = (nodes.get(name, {}).get("parameters", {}) for name in ("planner", "policy"))
    settings = {**policy, **planner}
    settings.update({name: policy[name] for name in ("mode", "ensemble", "replan_every", "policy") if name in policy})
    if policy and not planner:
        settings["planner"] = NO_PLANNER
    if planner and not policy:
        settings["policy"] = NO_PLANNER
    return settings


def recorded_hash(run: Mapping[str, Any]) -> str | None:
    """Of the bundle that planned, or acted where nobody did."""
    models = [run.get("nodes", {}).get(name, {}).get("models", {}) for name in ("planner", "policy")]
    return next((told["checkpoint_hash"] for told in models if "checkpoint_hash" in told), None)


def changed_seed(run: Mapping[str, Any]) -> bool:
    """Whether the planner's seed was set to another one during the recording."""
    return any(change["node"] == "planner" and change["name"] == "seed" for change in run.get("changes", ()))


def replay_bag(folder: Path, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Replay a bag with its own settings but for the overrides that are not None.

    Raises ValueError or FileNotFoundError for what can't be replayed.
    """
    bag = Bag(folder)
    recorded = recorded_settings(bag.run)
    if changed_seed(bag.run) and overrides["seed"] is None:
        raise ValueError("the planner's seed was changed during this recording: say which one with seed=")
    given = {name: value for name, value in overrides.items() if value is not None and name != "out"}
    if "checkpoint" not in recorded and "checkpoint" not in given:
        raise ValueError(f"'{folder}' does not say which checkpoint it was made with: name one with checkpoint=")
    changed = [f"{name}={value}" for name, value in given.items() if recorded.get(name) != value]
    settings = {**UNSAID, **recorded, **given}
    digest = bundle_hash(_bundle(settings))
    known = recorded_hash(bag.run)
    if known != digest:
        changed.append(f"checkpoint {digest[:12]}, recorded {known[:12] if known else 'unknown'}")
    replay = _prepare(bag, settings)
    topics = replay.run()
    same, lockstep = not changed, settings.get("mode") == "lockstep"
    if not any(comparison.stamps for comparison in topics.values()):
        raise ValueError(f"'{folder}' holds no plan and no command that could be made again: {bag.counts()}")
    binding = lockstep and not replay.stopped
    must = {topic: found for topic, found in topics.items() if binding or topic == MOTION_EMBEDDING}
    return {
        "bag": str(folder),
        "mode": settings.get("mode", "mode unknown"),
        "same": same,
        "changed": changed,
        "hash": digest,
        "recorded_hash": known,
        "replayed_with": {name: settings.get(name) for name in (*UNSAID, "checkpoint", "replan_every", "mode")},
        "episodes": replay.episodes,
        "dropped": replay.dropped,
        "stopped": replay.stopped,
        "topics": {topic: comparison.plain() for topic, comparison in topics.items() if comparison.heard},
        "broken": list(differing(must)) if same else [],
    }


def _bundle(settings: Mapping[str, Any]) -> Path:
    return bundle_path(settings["checkpoint"], planner=settings["planner"])


def _prepare(bag: Bag, settings: Mapping[str, Any]) -> Replay:
    """The models and a replay of them. Raises ValueError or FileNotFoundError for what can't be made."""
    check_device(settings["device"])
    bundle, robot = _bundle(settings), load_robot(*filter(None, [settings["robot"]]))
    planner = policy = None
    if settings["planner"] != NO_PLANNER:
        execution = Execution(settings["device"], settings["threads"], settings["nfe"] or None, settings["dtype"],
                              settings["warm_start"] or None, settings["engine"],
                              settings["text_encoder"] or None)  # fmt: skip
        planner = load_planner(settings["planner"], bundle, robot, execution)
    if settings["policy"] != NO_PLANNER:
        execution = Execution(settings["device"], settings["threads"])
        policy = load_policy(settings["policy"], bundle, robot, execution)
    if planner is None and policy is None:
        raise ValueError("neither a planner nor a policy is to be replayed")
    if policy is not None and "replan_every" not in settings:
        raise ValueError("the recording does not say how often the policy took a plan: say it with replan_every=")
    horizon = make_horizon(settings["execution"], settings["ensemble"], settings.get("replan_every", 1), robot)
    return Replay(bag, robot, planner, policy, horizon=horizon, seed=settings["seed"],
                  lockstep=settings.get("mode") == "lockstep", transport=settings["image_transport"],
                  skew_ns=round(1e9 * settings["camera_skew"]))  # fmt: skip
