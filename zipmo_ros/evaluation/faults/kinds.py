"""The kinds of faults, what must come of each, and after what time. nodes/faults brings them about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

Expected = Literal["stop", "go on", "either", "nobody left"]
REACTION_S = 0.15  # s that a stop may take besides a control period, once it is known that there is a reason
BOTH = ("arm", "sim")


@dataclass(frozen=True)
class Kind:
    """name: as nodes/faults/injections.py has it. group: what it happens to.

    expected: a stop that is latched; that motion goes on; either, as long as it is safe; or nobody left, where what
    could stop the arm is gone itself, and only its controller could. causes: one of these must be named
    (runtime/causes.py); none: who stops the arm is gone with that, and begins unarmed when it is back. waits: timeouts
    that pass, one after another, before anybody can know; sim_waits: in the simulator, which drops what it can't use.
    rigs: where it is tried.
    """

    name: str
    group: str
    expected: Expected = "stop"
    causes: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    rigs: tuple[str, ...] = BOTH
    sim_waits: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.expected not in get_args(Expected):
            raise ValueError(f"nothing is expected like '{self.expected}'")
        if self.causes and self.expected != "stop":
            raise ValueError(f"{self.name}: only a stop has causes")

    def wait_s(self, timeouts: Mapping[str, float]) -> float:
        """Seconds before anybody can know."""
        return sum(timeouts[name] for name in self.waits)

    def budget_s(self, timeouts: Mapping[str, float], period_s: float) -> float:
        """Seconds after which a hand that moves is a failure."""
        return self.wait_s(timeouts) + REACTION_S + period_s


ARM = ("arm",)
PLAN, COMMAND, JOINTS, HAND = ("stale plan",), ("stale command",), ("stale observation",), ("stale observation",)
KINDS = (
    Kind("planner killed", "processes", "stop", PLAN, ("plan",)),
    Kind("planner stopped", "processes", "stop", PLAN, ("plan",)),
    Kind("planner terminated", "processes", "stop", PLAN, ("plan",)),
    Kind("planner deactivated", "processes", "stop", PLAN, ("plan",)),
    Kind("policy killed", "processes", "stop", COMMAND, ("command",)),
    Kind("policy stopped", "processes", "stop", COMMAND, ("command",)),
    Kind("policy terminated", "processes", "stop", (*COMMAND, "inactive", "commander")),
    Kind("policy interrupted", "processes", "stop", (*COMMAND, "inactive", "commander")),
    Kind("policy deactivated", "processes", "stop", (*COMMAND, "inactive", "commander")),
    Kind("arm node terminated", "processes", "stop", rigs=ARM),
    Kind("arm node interrupted", "processes", "stop", rigs=ARM),
    Kind("arm node deactivated", "processes", "stop", ("inactive", "stop request"), rigs=ARM),
    Kind("arm node killed", "processes", "nobody left", rigs=ARM),
    Kind("arm node stopped", "processes", "nobody left", rigs=ARM),
    Kind("controller gone", "processes", "stop", ("controller",), rigs=ARM),
    Kind("processor busy", "processes", "either"),
    Kind("pictures frozen", "cameras", "stop", PLAN, ("picture", "plan")),
    Kind("one picture frozen", "cameras", "stop", PLAN, ("picture", "plan")),
    Kind("picture stamps frozen", "cameras", "stop", PLAN, ("plan",)),
    Kind("cameras silent", "cameras", "stop", PLAN, ("plan",)),
    Kind("one camera silent", "cameras", "stop", PLAN, ("plan",)),
    Kind("pictures of another size", "cameras", "stop", PLAN, ("plan",)),
    Kind("pictures in grey", "cameras", "stop", PLAN, ("plan",)),
    Kind("pictures in bgr8", "cameras", "go on"),
    Kind("cameras 1 ns apart", "cameras", "go on"),
    Kind("camera clocks ahead", "cameras", "stop", PLAN, ("plan",)),
    Kind("joint states silent", "joint states", "stop", (*JOINTS, *COMMAND), ("joints",)),
    Kind("joint stamps frozen", "joint states", "stop", (*JOINTS, *COMMAND), ("joints",)),
    Kind("joint positions frozen", "joint states", "stop", (*JOINTS, "frozen content"), ("joints",)),
    Kind("joint positions NaN", "joint states", "stop", (*JOINTS, *COMMAND, "not finite"), ("joints",)),
    Kind("joint names of another arm", "joint states", "stop", (*JOINTS, *COMMAND), ("joints",)),
    Kind("a joint missing", "joint states", "stop", (*JOINTS, *COMMAND), ("joints",)),
    Kind("joint stamps back", "joint states", "stop", ("backward stamp", *JOINTS)),
    Kind("joint stamps ahead", "joint states", "stop", ("future stamp", *PLAN)),  # which makes plans old, too
    Kind("joint at its limit", "joint states", "stop", ("joint margin",)),
    Kind("second publisher of joint states", "joint states", "stop", ("two publishers",)),
    Kind("pose silent", "hand's pose", "stop", HAND, ("hand",)),
    Kind("pose stamps frozen", "hand's pose", "stop", HAND, ("hand",)),
    Kind("pose frozen", "hand's pose", "stop", (*HAND, "frozen content"), ("hand",)),
    Kind("pose NaN", "hand's pose", "stop", (*HAND, "not finite"), ("hand",)),
    Kind("pose jumps", "hand's pose", "stop", ("jump",)),
    Kind("pose of another frame", "hand's pose", "stop", ("wrong frame", *HAND), ("hand",)),
    Kind("second publisher of the pose", "hand's pose", "stop", ("two publishers",)),
    Kind("plan NaN", "plans", "stop", PLAN, ("plan",)),
    Kind("plan absurd", "plans", "stop", ("chunk",), ("replan",)),
    Kind("policy raises", "plans", "stop", PLAN, ("plan",)),
    Kind("plan of another size", "plans", "stop", PLAN, ("plan",)),
    Kind("plans silent", "plans", "stop", PLAN, ("plan",)),
    Kind("plan repeated", "plans", "stop", PLAN, ("replan", "plan")),  # the first one is still new
    Kind("plans 3.5 s old", "plans", "stop", PLAN, ("plan",)),
    Kind("plans of the future", "plans", "stop", PLAN, ("plan",)),
    Kind("plans late by 0.1 s", "plans", "go on"),
    Kind("plans late by 0.5 s", "plans", "stop", PLAN, ("plan",)),
    Kind("plans in the wrong order", "plans", "go on"),
    Kind("plan info is nonsense", "plans", "stop", PLAN, ("plan",)),
    Kind("second publisher of plans", "plans", "stop", ("two publishers",)),
    Kind("new sentence", "plans", "go on"),
    Kind("commands silent", "commands", "stop", COMMAND, ("command",)),
    Kind("gripper half silent", "commands", "stop", COMMAND, ("command",)),
    Kind("command repeated", "commands", "stop", COMMAND, ("command",)),
    Kind("command NaN", "commands", "stop", ("not finite", *COMMAND), sim_waits=("command",)),
    Kind("command infinite", "commands", "stop", ("not finite", *COMMAND), sim_waits=("command",)),
    Kind("gripper NaN", "commands", "stop", ("not finite", *COMMAND), sim_waits=("command",)),
    Kind("command in another frame", "commands", "stop", ("wrong frame", *COMMAND), sim_waits=("command",)),
    Kind("commands 3.5 s old", "commands", "stop", COMMAND, sim_waits=("command",)),
    Kind("commands of the future", "commands", "stop", ("future stamp", *COMMAND), sim_waits=("command",)),
    Kind("command stamps back", "commands", "stop", ("backward stamp", *COMMAND), ("replan",)),
    Kind("goal jumps", "commands", "stop", ("jump",)),
    Kind("goal outside the workspace", "commands", "stop", ("workspace",), rigs=ARM),
    Kind("second publisher of commands", "commands", "stop", ("two publishers",)),
    Kind("second publisher of the gripper", "commands", "stop", ("two publishers",)),
    Kind("emergency stop", "people", "stop", ("e-stop",)),
    Kind("emergency stop says false", "people", "go on"),
    Kind("deadman let go", "people", "stop", ("deadman",)),
    Kind("deadman silent", "people", "stop", ("deadman",), ("deadman",)),
    Kind("stop called at the policy", "people", "stop", ("stop request",)),
    Kind("stop called at the arm node", "people", "stop", ("stop request",), rigs=ARM),
)
BY_NAME = {kind.name: kind for kind in KINDS}

# Causes of runtime/causes.py that no message, signal or call of these rigs can bring about, and why.
NOT_INJECTED = {
    "no measured pose": "a node that has no pose of an observation's time sends nothing for it: 'stale observation' "
    "comes first (test/runtime/test_safety.py has it)",
    "clock stopped": "no node takes its time from /clock by itself: one that stands still ends the stamps that come, "
    "which is 'stale observation'",
    "failure": "nothing on the wire makes a node's own control loop fail (test/nodes/test_arm_node.py makes it)",
}


def of_rig(rig: str, groups: tuple[str, ...] = ()) -> list[Kind]:
    """The kinds that can be tried there; groups or names: only these. Raises ValueError for unknown ones."""
    known = {kind.group for kind in KINDS} | set(BY_NAME)
    if unknown := [name for name in groups if name not in known]:
        raise ValueError(f"no kind of faults is called '{unknown[0]}'; there are {', '.join(BY_NAME)}")
    chosen = [kind for kind in KINDS if not groups or kind.name in groups or kind.group in groups]
    there = [kind for kind in chosen if rig in kind.rigs]
    return [replace(kind, waits=kind.sim_waits) if rig == "sim" and kind.sim_waits else kind for kind in there]
