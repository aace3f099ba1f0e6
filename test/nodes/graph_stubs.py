"""Stand-ins for the models and the simulator: fast, deterministic, and sensitive to everything they are given."""

import hashlib
from types import SimpleNamespace

import numpy as np

from zipmo_sim.task import Task

LATENT = (2, 2, 2, 4)


class StubGenerator:
    latent_shape = LATENT

    def plan(self, images, instruction, noise, steps):
        sentence = int.from_bytes(hashlib.sha256(instruction.encode()).digest()[:4], "little") / 2**32
        seen = images.reshape(2, -1, 4).mean(axis=1)[:, None, None, :] / 255
        return (seen + sentence + 0.3 * noise + 0.01 * (steps or 0)).astype(np.float32)

    def point(self, images, instruction):
        return np.zeros((len(images), 1, 2), np.float32)

    def decode(self, z, images, queries):
        drift = np.linspace(0, 0.3, 16)[None, None, :, None]
        return queries[:, :, None, :] + drift * np.ones(2)


class StubPolicy:
    def act(self, z, proprio):
        phase = np.arange(16)[:, None] * 0.2 + np.arange(7)[None, :]
        return np.tanh(np.sin(phase * (1 + z.mean()) + z.reshape(-1)[:7]) + proprio[:7])


class PushingPolicy:
    """Always moves forward, so that standing still shows."""

    def act(self, z, proprio):
        chunk = np.zeros((16, 7))
        chunk[:, 0], chunk[:, 6] = 0.5, 1.0
        return chunk


def load_generator(checkpoint, device, threads):
    if checkpoint == "broken":
        raise ValueError("planner/model.safetensors: key 'blocks.0.weight' has shape (3, 4), expected (4, 4)")
    return StubGenerator(), "stub-hash"


def load_policy(checkpoint, device, threads):
    return (PushingPolicy() if checkpoint == "pushing" else StubPolicy()), "stub-hash"


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
        self._position = np.full(9, 0.01 * self._index + 0.001 * seed)
        self._step = 0
        self.actions = []
        self._look()
        return self._observation(), self._info()

    def step(self, action):
        if self.task.name == "crash" and self._step == 3:
            raise RuntimeError("the stub broke as asked")
        self.actions.append(np.array(action))
        self._position[:7] += 0.05 * action
        self._step += 1
        if self._step % self.image_every == 0:
            self._look()
        done = "rest" in self._info()["done_tasks"] and self.task.name == "rest"
        return self._observation(), float(done), done, self._step >= self.task.max_steps, self._info()

    def close(self):
        pass

    def _look(self):
        self._image_step = self._step
        rows = np.arange(128)[:, None, None] * np.array([1, 2, 3])
        shade = (rows + 1000 * self._position[:3]).astype(np.int64)
        image = np.broadcast_to(shade % 256, (128, 128, 3)).astype(np.uint8)
        self._images = {"agentview": image, "eye_in_hand": image[::-1].copy()}

    def _observation(self):
        return {**self._images, "proprio": self._position.astype(np.float32)}

    def _info(self):
        done = {"rest"} if self._step >= 10 else set()
        steps = {"step": self._step, "image_step": self._image_step}
        return {**steps, "done_tasks": done, "success": self.task.name in done}


def task(suite, name):
    found = {t.name: t for t in TASKS}
    if suite != "stub" or name not in found:
        raise ValueError(f"suite '{suite}' has no task '{name}'; it has {', '.join(found)}")
    return found[name]


def tasks(suite):
    return TASKS


def make_env(suite, task_name, **options):
    return StubEnv(task(suite, task_name), **options)


SUITES = SimpleNamespace(task=task, tasks=tasks, make_env=make_env)
