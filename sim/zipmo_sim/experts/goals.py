"""The expert of LIBERO's tasks: from the predicates of a goal to skills, one after another."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import numpy as np

from zipmo_sim.experts.core import Expert
from zipmo_sim.experts.skills.door import CloseDoorSkill, OpenDoorSkill
from zipmo_sim.experts.skills.knob import KnobSkill
from zipmo_sim.experts.skills.place import PlaceSkill
from zipmo_sim.experts.skills.skill import Skill
from zipmo_sim.experts.skills.slide import CloseSkill, OpenSkill
from zipmo_sim.suites.libero import env as libero_env
from zipmo_sim.suites.libero.env import LiberoEnv
from zipmo_sim.suites.libero.furniture import swings
from zipmo_sim.suites.libero.steps import Predicate, steps
from zipmo_sim.task import Task

_FALLING = 0.05  # m/s
# Predicates that no skill brings about, and why.
_BEYOND = (
    (r"in \w+ wooden_two_layer_shelf_1_(top|bottom)_region", "nothing is put into a shelf from its front"),
    (r"in \w+ microwave_1_heating_region", "nothing is put into a microwave from its front"),
    (r"open \w+_bottom_region", "a bottom drawer's bar is too near the table and the bar above it for the hand"),
    (r"in ketchup_1 \w+_cabinet_1_\w+", "nothing is laid down, and upright it does not fit into a drawer"),
)
Make = Callable[..., Skill]


def skill_for(env: LiberoEnv, predicate: Predicate) -> Make:
    """What brings a predicate about."""
    match predicate[0]:
        case "on" | "in":
            return PlaceSkill
        case "open":
            return OpenDoorSkill if swings(env.robosuite, predicate[1]) else OpenSkill
        case "close":
            return CloseDoorSkill if swings(env.robosuite, predicate[1]) else CloseSkill
        case "turnon" | "turnoff":
            return KnobSkill
        case kind:
            raise ValueError(f"no expert knows how to bring about '{kind}', which {env.task.name} asks for")


def beyond(task: Task) -> str | None:
    """Why no expert can do a task; None: one can."""
    goal = [" ".join(predicate) for predicate in libero_env.goal(task)]
    return next((why for pattern, why in _BEYOND for part in goal if re.fullmatch(pattern, part)), None)


def make_expert(env: LiberoEnv, rng: np.random.Generator, noise: float) -> GoalExpert:
    return GoalExpert(env, rng, noise)


class GoalExpert(Expert):
    """Brings about the predicates of the task's goal, each by its skill."""

    env: LiberoEnv

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float):
        super().__init__(env, rng, noise)
        self._steps = steps(env.robosuite, env.predicates)
        self._index = 0
        self._begun = False
        self._skill = self._make(0)

    def __copy__(self) -> GoalExpert:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), _skill=copy.copy(self._skill))
        return twin

    def _make(self, index: int) -> Skill:
        step = self._steps[index]
        return skill_for(self.env, step)(self.env, self.rng, self.noise, step)

    def wrong_place(self) -> np.ndarray:
        return self._skill.wrong_place()

    def _rests(self) -> bool:
        """Whether nothing falls any more: LIBERO's own initial states have things 60 cm in the air."""
        data = self.env.sim.data
        return all(abs(data.get_body_xvelp(f"{name}_main")[2]) < _FALLING for name in self.env.object_poses())

    def act(self) -> np.ndarray:
        if not self._begun and not self._rests():
            return np.array([0, 0, 0, 0, 0, 0, -1.0])
        self._begun = True
        for _ in self._steps:
            if not self._skill.finished or self.env.success():
                break
            self._index = (self._index + 1) % len(self._steps)  # from the first again, where something was undone
            self._skill = self._make(self._index)
        action = self._skill.act()
        self.phase = self._skill.phase
        return action
