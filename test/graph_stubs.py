"""Stand-ins for the models and the simulator: fast, deterministic, and sensitive to everything they are given."""

import dataclasses
import hashlib
from types import SimpleNamespace

import numpy as np

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.plan import MotionPlan, PlanSpec, track_spec
from zipmo_ros.contract.protocols import PlannerSpec, PolicySpec
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.motion.flow import plan_noise
from zipmo_sim.task import Task

ROBOT = load_robot()
HOME = np.array([0, -0.8, 0, -2.4, 0, 2.2, 0.8, 0.02, -0.02])  # proprioception far from all limits
LATENT = (2, 2, 2, 4)
SPEC = PlanSpec("latents", LATENT, 16, ROBOT.period_ns)


class StubPlanner:
    """Sensitive to images, sentence, seed and stamp."""

    spec = PlannerSpec("stub", SPEC, ROBOT.views)

    def __init__(self):
        self.resets, self.observed = 0, []

    def reset(self):
        self.resets += 1

    def observe(self, observation):
        self.observed.append(observation.step)

    def plan(self, observation, goal, seed, samples=1):
        if not isinstance(goal, Sentence):
            raise ValueError(f"the stub follows a sentence, got {goal}")
        sentence = int.from_bytes(hashlib.sha256(goal.text.encode()).digest()[:4], "little") / 2**32
        images = observation.stacked(self.spec.views)
        seen = images.reshape(2, -1, 4).mean(axis=1)[:, None, None, :] / 255
        noise = plan_noise(seed, observation.stamp_ns, (samples, *LATENT))
        return MotionPlan(observation.stamp_ns, goal, SPEC, (seen + sentence + 0.3 * noise).astype(np.float32))

    def show(self, plan, observation, queries):
        drift = np.linspace(0, 0.3, 16)[None, None, :, None]
        return queries[:, :, None, :] + drift * np.ones(2), np.zeros((len(queries), 1, 2), np.float32)


class DoubtfulPlanner(StubPlanner):
    """Understands nothing that is folded."""

    spec = PlannerSpec("doubtful", SPEC, ROBOT.views)

    def plan(self, observation, goal, seed, samples=1):
        plan = super().plan(observation, goal, seed, samples)
        return dataclasses.replace(plan, understood=0.125 if "fold" in goal.text else 0.875)


class StraightPlanner(StubPlanner):
    """Plans of tracks alone, the same for every goal and seed."""

    spec = PlannerSpec("straight", track_spec(2, 16, ROBOT.period_ns), ROBOT.views)
    show = None

    def plan(self, observation, goal, seed, samples=1):
        observation.stacked(self.spec.views)
        shift = np.linspace(0, 0.1, 16)[:, None] * [1.0, observation.step / 100]
        tracks = np.zeros((samples, 2, 5, 16, 2)) + shift
        return MotionPlan.of_tracks(observation.stamp_ns, goal, tracks, ROBOT.period_ns)


class StubPolicy:
    """Sensitive to the plan and the proprioception, and to the images where the plan is tracks alone."""

    spec = PolicySpec("stub", 16, SPEC, proprio=9, encodes=True)

    def reset(self):
        pass

    def check(self, observation, plan):
        if problem := self.spec.misfit(plan and plan.spec):
            raise ValueError(problem)
        if len(observation.proprio) != self.spec.proprio:
            raise ValueError(f"{len(observation.proprio)} numbers of proprioception, not {self.spec.proprio}")

    def act(self, observation, goal, plan):
        self.check(observation, plan)
        z = plan.tracks[0] if plan.spec.kind == "tracks" else plan.embedding
        seen = observation.stacked(ROBOT.views).mean() / 255 if plan.spec.kind == "tracks" else 0.0
        phase = np.arange(16)[:, None] * 0.2 + np.arange(7)[None, :]
        return 0.3 * np.tanh(np.sin(phase * (1 + z.mean()) + z.reshape(-1)[:7] + seen) + observation.proprio[:7])


class LookingPolicy(StubPolicy):
    """Acts on images and a sentence, without a plan."""

    spec = PolicySpec("looking", 16, None, views=ROBOT.views, proprio=9)

    def act(self, observation, goal, plan):
        self.check(observation, plan)
        if not isinstance(goal, Sentence):
            raise ValueError(f"the stub follows a sentence, got {goal}")
        seen = observation.stacked(ROBOT.views).mean() / 255 + len(goal.text) / 100 + observation.step / 50
        phase = np.arange(16)[:, None] * 0.2 + np.arange(7)[None, :]
        return 0.3 * np.tanh(np.sin(phase + seen) + observation.proprio[:7])


class PushingPolicy(StubPolicy):
    """Always moves, to and fro, so that standing still shows."""

    spec = PolicySpec("pushing", 16, SPEC, proprio=9)

    def act(self, observation, goal, plan):
        self.check(observation, plan)
        chunk = np.zeros((16, 7))
        chunk[:, 0], chunk[:, 6] = (0.5 if observation.proprio[0] < 0.03 else -0.5), 1.0
        return chunk


PLANNERS = {"straight": StraightPlanner, "doubtful": DoubtfulPlanner}


def load_planner(settings):
    if settings.checkpoint == "broken":
        raise ValueError("planner/model.safetensors: key 'blocks.0.weight' has shape (3, 4), expected (4, 4)")
    return PLANNERS.get(settings.planner, StubPlanner)(), "stub-hash"


def load_policy(settings):
    if settings.policy == "bc":
        return LookingPolicy(), "stub-hash"
    return (PushingPolicy() if settings.checkpoint == "pushing" else StubPolicy()), "stub-hash"


TASKS = [
    Task("stub", 0, "wander", "wander about the table", "table", 40),
    Task("stub", 1, "rest", "rest where you are", "table", 12),
    Task("stub", 2, "endless", "push for ever", "table", 100_000),
    Task("stub", 3, "crash", "break the simulator", "table", 40),
]


class StubEnv:
    """A point that actions push about; `rest` is done after 10 steps."""

    def __init__(self, task, image_every=1):
        self.task, self.image_every = task, image_every
        self.actions = []

    def reset(self, *, seed=None, options=None):
        self._index = options["init_state"]
        if not 0 <= self._index < self.task.init_states:
            raise ValueError(f"no initial state {self._index}, there are {self.task.init_states}")
        self._position = np.full(9, 0.01 * self._index + 0.001 * seed)
        self._step = 0
        self.actions = []
        self._look()
        return self._observation(), self._info()

    def step(self, action):
        if self.task.name == "crash" and self._step == 3:
            raise RuntimeError("the stub broke as asked")
        self.actions.append(np.array(action))
        self._position[:6] += 0.05 * action[:6]  # the last entry is the gripper's
        self._step += 1
        self._new_views = ()
        if self._step % self.image_every == 0:
            self._look()
        done = "rest" in self._info()["done_tasks"] and self.task.name == "rest"
        return self._observation(), float(done), done, self._step >= self.task.max_steps, self._info()

    def close(self):
        pass

    def _look(self):
        self._new_views = ROBOT.views
        rows = np.arange(128)[:, None, None] * np.array([1, 2, 3])
        shade = (rows + 1000 * self._position[:3]).astype(np.int64)
        image = np.broadcast_to(shade % 256, (128, 128, 3)).astype(np.uint8)
        self._images = {"agentview": image, "eye_in_hand": image[::-1].copy()}

    def _observation(self):
        return {**self._images, "proprio": self._proprio(), "hand": self._hand()}

    def _proprio(self):
        return (HOME + 0.1 * self._position).astype(np.float32)

    def _hand(self):
        return np.append(self._position[:3] + np.array([0.4, 0, 0.5]), [0, 0, 0, 1.0])

    def _info(self):
        done = {"rest"} if self._step >= 10 else set()
        return {"step": self._step, "new_views": self._new_views, "done_tasks": done, "success": self.task.name in done}


def task(suite, name):
    found = {t.name: t for t in TASKS}
    if suite != "stub" or name not in found:
        raise ValueError(f"suite '{suite}' has no task '{name}'; it has {', '.join(found)}")
    return found[name]


def tasks(suite):
    return list(TASKS)


def make_env(suite, task_name, max_steps=None, **options):
    chosen = task(suite, task_name)
    return StubEnv(dataclasses.replace(chosen, max_steps=max_steps or chosen.max_steps), **options)


SUITES = SimpleNamespace(task=task, tasks=tasks, make_env=make_env)
