"""How long silence lasts until it is known, by the parameters of the nodes."""

from __future__ import annotations

from collections.abc import Mapping

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.graph import ARM, POLICY, SIM, parameters_path
from zipmo_ros.nodes.parameters import documented
from zipmo_ros.nodes.view import FROZEN

REPLAN = "replan_every"


def in_force(rig: str, given: Mapping[tuple[str, str], str]) -> dict[str, float]:
    """Seconds by what evaluation/faults/kinds.py calls them. given: {(node, parameter): value} beside what ships."""
    entries = {entry.name: entry for entry in (POLICY, ARM, SIM)}

    def of(node: str, parameter: str) -> float:
        known = documented(parameters_path(entries[node]))[parameter].default
        return float(given.get((node, parameter), known))

    return {
        "plan": of("policy", "plan_timeout"),
        "replan": of("policy", REPLAN) * load_robot().period_s,
        "command": of(rig, "command_timeout"),
        "joints": of("policy", "joint_timeout"),
        "hand": of("arm" if rig == "arm" else "policy", "joint_timeout"),
        "deadman": of("policy", "deadman_timeout"),
        "picture": FROZEN,
    }
