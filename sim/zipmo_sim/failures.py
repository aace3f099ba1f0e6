"""Why an episode failed, from what the simulator knows: contacts, poses and the command to the gripper.

| category      | a thing to take somewhere (pick, stack)           | the lever                                        |
|---------------|---------------------------------------------------|--------------------------------------------------|
| wrong_goal    | another task of the scene got done, or the thing  | it was turned so far to the other side that      |
|               | was let go of and ends where another one takes it | another task got done                            |
| never_reached | the hand never touched the thing, nor handled     | the hand never touched the lever                 |
|               | another one                                       |                                                  |
| wrong_object  | another thing was handled before the right one    | it was turned 0.15 rad to the other side before  |
|               | was touched, or held while the right one never was | it was turned so far to the right one           |
| slipped       | held, then lost while the gripper was told to be  | turned 0.15 rad the right way, and at the end    |
|               | shut, and at the end neither held nor at the goal | the hand does not touch it                       |
| dropped_early | lifted, then let go (gripper told to open), and   | never                                            |
|               | at the end neither held nor at the goal           |                                                  |
| timeout       | anything else: it was on its way, tried to grasp, | anything else                                    |
|               | or had only to settle at the goal                 |                                                  |

The first row that fits, from the top, is the verdict. "Held" is touched by both fingers for 3 steps in a row; it ends
when for 3 steps in a row not both touch. "Lifted" is held 2 cm above where it stood first. "Handled" is held, or
touched and 2 cm from where it stood first. "At the goal" is horizontally over the bin or the other block; the last loss
counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from zipmo_sim.env import ManipulationEnv

CATEGORIES = ("wrong_goal", "never_reached", "wrong_object", "slipped", "dropped_early", "timeout")
HELD_STEPS = 3
LIFT = 0.02  # m
MOVED = 0.02  # m
TURNED = 0.15  # rad
_FINGERS = ("gripper0_leftfinger", "gripper0_rightfinger")


@dataclass(frozen=True)
class Delivery:
    """A task: `thing` (a free object) is to end within `radius` m, horizontally, of the middle of a body."""

    thing: str
    body: str
    radius: float


@dataclass
class _History:
    """What has happened to one thing. Steps are inf for never."""

    start: np.ndarray
    touched_at: float = inf
    handled_at: float = inf
    held_at: float = inf
    together: int = 0  # steps for which both fingers have touched it
    apart: int = 0  # steps since they did
    held: bool = False
    lifted: bool = False  # since it was last taken
    loss: str | None = None


class DeliveryMonitor:
    """For tasks that take one of several things somewhere; see the module for what is told apart.

    goals: {task: Delivery}.
    """

    def __init__(self, env: ManipulationEnv, goals: Mapping[str, Delivery]):
        self._env, self._goals = env, goals
        self.begin()

    def begin(self) -> None:
        self._step = 0
        self._done: set[str] = set()
        self._things = {name: _History(position) for name, (position, _) in self._env.object_poses().items()}

    def watch(self, action: np.ndarray) -> None:
        self._step += 1
        self._done.update(self._env.done_tasks())
        contacts = touched_by_hand(self._env)
        positions = {name: pose[0] for name, pose in self._env.object_poses().items()}
        for name, thing in self._things.items():
            self._update(thing, contacts.get(f"{name}_main", set()), positions[name], shut=action[6] > 0)

    def _update(self, thing: _History, touching: set[str], position: np.ndarray, shut: bool) -> None:
        if touching:
            thing.touched_at = min(thing.touched_at, self._step)
        both = touching >= set(_FINGERS)
        thing.together, thing.apart = (thing.together + 1, 0) if both else (0, thing.apart + 1)
        if thing.together >= HELD_STEPS:
            thing.held, thing.loss = True, None
            thing.held_at = min(thing.held_at, self._step)
            thing.lifted |= position[2] - thing.start[2] > LIFT
        elif thing.held and thing.apart >= HELD_STEPS:
            thing.loss = "slipped" if shut else "dropped_early" if thing.lifted else None
            thing.held = thing.lifted = False
        pushed = thing.touched_at < inf and np.linalg.norm(position - thing.start) > MOVED
        if thing.held or pushed:
            thing.handled_at = min(thing.handled_at, self._step)

    def verdicts(self) -> dict[str, str]:
        return {task: self._verdict(task, goal) for task, goal in self._goals.items()}

    def _verdict(self, task: str, goal: Delivery) -> str:
        thing = self._things[goal.thing]
        if self._done - {task} or self._astray(goal):
            return "wrong_goal"
        others = [history for name, history in self._things.items() if name != goal.thing]
        handled, held = (min(getattr(other, at) for other in others) for at in ("handled_at", "held_at"))
        if handled < thing.touched_at or held < inf == thing.held_at:
            return "wrong_object"
        if thing.touched_at == inf:
            return "never_reached"
        if thing.loss and not thing.held and not self._at(goal):
            return thing.loss
        return "timeout"

    def _astray(self, goal: Delivery) -> bool:
        """Whether the thing was let go of, not lost, and is where another task takes it."""
        thing = self._things[goal.thing]
        if thing.held_at == inf or thing.held or thing.loss == "slipped":
            return False
        elsewhere = [other for other in self._goals.values() if other.thing == goal.thing and other.body != goal.body]
        return any(map(self._at, elsewhere))

    def _at(self, goal: Delivery) -> bool:
        data, model = self._env.sim.data, self._env.sim.model
        middle = data.body_xpos[model.body_name2id(goal.body)]
        offset = self._env.object_poses()[goal.thing][0] - middle
        return bool(np.linalg.norm(offset[:2]) < goal.radius)


class TurnMonitor:
    """For tasks that turn one hinge either way; see the module for what is told apart.

    joint: the hinge. body: what the hand has to touch. goals: {task: +1 or -1, the side asked for}.
    """

    def __init__(self, env: ManipulationEnv, joint: str, body: str, goals: Mapping[str, int]):
        self._env, self._joint, self._body, self._goals = env, joint, body, goals
        self.begin()

    def begin(self) -> None:
        self._start = self._angle()
        self._first_side = 0
        self._sides: set[int] = set()
        self._done: set[str] = set()
        self._touched = self._touching = False

    def watch(self, action: np.ndarray) -> None:
        self._touching = self._body in touched_by_hand(self._env)
        self._touched |= self._touching
        self._done.update(self._env.done_tasks())
        turn = self._angle() - self._start
        if abs(turn) > TURNED:
            self._sides.add(int(np.sign(turn)))
            self._first_side = self._first_side or int(np.sign(turn))

    def verdicts(self) -> dict[str, str]:
        return {task: self._verdict(task, side) for task, side in self._goals.items()}

    def _verdict(self, task: str, side: int) -> str:
        if self._done - {task}:
            return "wrong_goal"
        if not self._touched:
            return "never_reached"
        if self._first_side == -side:
            return "wrong_object"
        if side in self._sides and not self._touching:
            return "slipped"
        return "timeout"

    def _angle(self) -> float:
        return float(self._env.sim.data.get_joint_qpos(self._joint))


def touched_by_hand(env: ManipulationEnv) -> dict[str, set[str]]:
    """Bodies that the hand touches now, by the name of their root: {body: names of the bodies of the hand}.

    The hand's own bodies are called gripper0_*; a finger's tip counts as the finger that it is part of.
    """
    model, data = env.sim.model, env.sim.data._data
    found: dict[str, set[str]] = {}
    for pair in data.contact.geom:
        bodies = [model.geom_bodyid[geom] for geom in pair]
        for hand, other in (bodies, bodies[::-1]):
            name, root = model.body_id2name(hand), model.body_id2name(model.body_rootid[other])
            if name.startswith("gripper0_") and not root.startswith("robot0_"):
                part = model.body_id2name(model.body_parentid[hand]) if name.endswith("_tip") else name
                found.setdefault(root, set()).add(part)
    return found
