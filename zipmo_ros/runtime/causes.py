"""Why an arm stops: the names of all causes, what each means and what to do about it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class Cause(NamedTuple):
    """meaning: what was found. remedy: what to do, so that the arm can be armed again."""

    meaning: str
    remedy: str


CAUSES = {
    "e-stop": Cause("emergency_stop said true", "publish false on emergency_stop"),
    "deadman": Cause("the deadman input was let go of or fell silent", "hold it"),
    "stop request": Cause("somebody called ~/stop", "nothing more than to arm"),
    "inactive": Cause("the node is not active, or its publishers are not", "activate it"),
    "not finite": Cause("a NaN, an infinity or a quaternion of another length than 1", "see who publishes it"),
    "jump": Cause("the goal, or the measured pose, is too far from where the hand was", "see who publishes it"),
    "workspace": Cause("the goal is outside of the workspace", "send goals inside of it, or widen it"),
    "joint margin": Cause("a joint is too close to its limit", "move the arm away by its own means"),
    "no measured pose": Cause("where the hand is is not known any more", "see who publishes current_pose"),
    "wrong frame": Cause("a pose came in another frame than the robot's", "publish it in the base frame"),
    "stale observation": Cause(
        "joint states, images or the pose fell silent, or are old by their stamps", "start them"
    ),
    "stale plan": Cause("plans fell silent, or the last one is too old", "start the planner"),
    "stale command": Cause("commands fell silent, or are old by their stamps", "start the policy"),
    "frozen content": Cause("the same content keeps coming while the arm moves", "restart what publishes it"),
    "future stamp": Cause("a stamp lies ahead of the clock here", "synchronise the clocks"),
    "backward stamp": Cause("a stamp lies before the last one", "see who else publishes"),
    "commander": Cause("whoever commands the arm has stopped it", "see what the policy says"),
    "two publishers": Cause("two nodes publish what one alone may", "end one of them"),
    "clock stopped": Cause("/clock stands still", "let the simulator go on"),
    "chunk": Cause("a chunk of actions is no such thing", "see what the policy was given"),
    "controller": Cause("the arm's controller refused a command or is gone", "see what it says"),
    "failure": Cause("a node failed where it must not", "see its log"),
}
ASKED_FOR = ("e-stop", "deadman", "stop request")  # by a person: they outlast an episode
AT_ONCE_OVER = ("stop request", "commander")  # nothing persists
NEVER_AUTOMATIC = ("e-stop", "stop request")
MEASURED = ("not finite", "jump", "workspace", "joint margin", "no measured pose", "backward stamp")  # by Safety.allow


def known(cause: str) -> str:
    """The cause itself. Raises ValueError for none, naming those that there are."""
    if cause not in CAUSES:
        raise ValueError(f"no cause of a stop is called '{cause}'; there are {', '.join(CAUSES)}")
    return cause


def automatic_ones(causes: Collection[str]) -> frozenset[str]:
    """The causes, all of which motion may resume after by itself. Raises ValueError for others."""
    if wrong := [cause for cause in map(known, causes) if cause in NEVER_AUTOMATIC]:
        allowed = ", ".join(cause for cause in CAUSES if cause not in NEVER_AUTOMATIC)
        raise ValueError(f"motion never resumes by itself after {', '.join(wrong)}; it may after {allowed}")
    return frozenset(causes)
