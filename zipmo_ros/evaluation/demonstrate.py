"""One demonstration: the expert rolls out without images; if it succeeds, its states are rendered and tracked."""

import contextlib
import json
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from einops import rearrange
from scipy.spatial.transform import Rotation

from zipmo_ros.data import schema
from zipmo_ros.data.demos import Demo, Identity, look_seed
from zipmo_sim.env import ManipulationEnv, cameras
from zipmo_sim.experts import make_expert
from zipmo_sim.perturbations.look import dressed, vary_layout
from zipmo_sim.suites import scenery

if TYPE_CHECKING:
    from zipmo_ros.evaluation.leading import Leader  # imports torch, which collecting alone does not need

NOISE = (0.0, 0.1, 0.2)
_LOOKED_AT = 5  # control steps between the states that distractors are kept clear of


@dataclass(frozen=True)
class CollectionSettings:
    """How demonstrations are made.

    noise: levels to draw from, standard deviation of the disturbance in units of action. render_every: steps between
    stored frames. recovery: share of demonstrations that start from a wrong place.
    after_success: steps for which an episode goes on, so that its end is in the data.
    led: share of demonstrations that start where a leader has got to, if there is one (see leading.py).
    looks: "training" draws a look for each (perturbations/look.py), and how things stand; None: as the suite has it.
    looks_per_demo: each is rendered in so many, as demonstrations of their own.
    aside: where a look is drawn and things turn, three of five also start with what is taken up to so far (m) from its
    place.
    """

    noise: tuple[float, ...] = NOISE
    render_every: int = 2
    recovery: float = 0.25
    after_success: int = 8
    led: float = 0.8
    looks: str | None = None
    looks_per_demo: int = 1
    aside: float = 0.0


@dataclass(frozen=True)
class Attempt:
    """What became of an attempt. status: kept, failed (no success), error (an exception), died (its process).

    seconds: of "rollout", "render", "tracks" and "write", as far as they were reached. detail: what went wrong.
    """

    task: str
    identity: Identity
    status: str
    steps: int = 0
    seconds: dict[str, float] | None = None
    detail: str = ""


def make_demo(
    env: ManipulationEnv, identity: Identity, settings: CollectionSettings, leader: "Leader | None" = None
) -> tuple[list[Demo], Attempt]:
    """Attempt one demonstration in an environment made with image_every=0: one for each look, none if it fails.

    leader: model that may take the episode some steps on before the expert begins; it sees the suite's own look.
    """
    init_state, seed = identity
    rng = np.random.default_rng([seed, env.task.index, init_state])
    noise = float(rng.choice(settings.noise))
    recovery = bool(rng.random() < settings.recovery)
    clock = _Clock()
    env.reset(seed=seed, options={"init_state": init_state})
    if settings.looks:
        vary_layout(env, scenery(env.task.suite, env.task.name), rng, settings.aside)
    led = leader.lead(env, rng) if leader and rng.random() < settings.led else 0
    steps = roll_out(env, make_expert(env, rng, noise, recovery and not led), settings.after_success)
    clock.lap("rollout")
    if steps is None:
        why = "the expert did not succeed"
        return [], Attempt(env.task.name, identity, "failed", env.task.max_steps, clock.laps, why)
    attrs = {
        "init_state": init_state,
        "noise": noise,
        "recovery": recovery and not led,
        "led": led,
        "leader": leader.name if led else "",
        "success": True,
        "fixture_poses": json.dumps(
            {name: [pos.tolist(), quat.tolist()] for name, (pos, quat) in env.fixture_poses().items()}
        ),
    }
    demos = []
    for look in range(settings.looks_per_demo):
        with _look(env, settings.looks, steps["states"], rng):
            seen = _see(env, steps["states"], settings.render_every, rng, clock)
        demos.append(Demo(steps | seen, attrs | {"seed": look_seed(seed, look)}))
    return demos, Attempt(env.task.name, identity, "kept", len(steps["states"]), clock.laps)


def _look(env: ManipulationEnv, looks: str | None, states: np.ndarray, rng: np.random.Generator):
    """The environment in one of the looks, as a context."""
    if looks is None:
        return contextlib.nullcontext(env)
    return dressed(env, scenery(env.task.suite, env.task.name), rng, states[::_LOOKED_AT])


def _see(
    env: ManipulationEnv, states: np.ndarray, every: int, rng: np.random.Generator, clock: "_Clock"
) -> dict[str, np.ndarray]:
    """What is seen of an episode's states in the environment's present look: frames, tracks and landmarks."""
    rendered = np.arange(0, len(states), every)
    frames, depths, landmarks = _render(env, states, rendered)
    clock.lap("render")
    tracks = _track(env, states, rendered, depths, landmarks, rng)
    clock.lap("tracks")
    return frames | tracks | {schema.RENDER_STEPS: rendered}


def roll_out(env: ManipulationEnv, expert, after_success: int) -> dict[str, np.ndarray] | None:
    """Arrays over steps of an episode that ends solved, or None."""
    rows: dict[str, list] = {name: [] for name in ("states", "actions", "executed_actions", "proprio", "pos", "ori")}
    solved: list[bool] = []
    while True:
        position, rotation = env.eef_pose()
        clean = np.clip(expert.act(), -1.0, 1.0)
        executed = expert.disturb(clean)
        values = (env.get_state(), clean, executed, env.proprio(), position, Rotation.from_matrix(rotation).as_rotvec())
        for column, value in zip(rows.values(), values, strict=True):
            column.append(value)
        _, _, success, truncated, _ = env.step(executed)
        solved.append(success)
        if success and sum(solved) > after_success:
            break
        if truncated:
            return None
    arrays = {name: np.array(column) for name, column in rows.items()}
    proprio, pos, ori = (arrays.pop(name).astype(np.float32) for name in ("proprio", "pos", "ori"))
    rewards = np.array(solved, np.uint8)
    dones = np.zeros_like(rewards)
    dones[-1] = 1
    return arrays | {
        "robot_states": proprio,
        "rewards": rewards,
        "dones": dones,
        "obs/joint_states": proprio[:, :7],
        "obs/gripper_states": proprio[:, 7:],
        "obs/ee_pos": pos,
        "obs/ee_ori": ori,
        "obs/ee_states": np.concatenate([pos, ori], axis=1),
    }


def _render(
    env: ManipulationEnv, states: np.ndarray, rendered: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, dict[int, np.ndarray]], np.ndarray]:
    """Of states: frames {"obs/<view>_rgb": [R, H, W, 3]}, depths {view: {step: [H, W]}}, landmarks [K, 2, R, 3] (m)."""
    frames: dict[str, list[np.ndarray]] = {view: [] for view in env.robot.views}
    depths: dict[str, dict[int, np.ndarray]] = {view: {} for view in env.robot.views}
    landmarks = []
    for step in rendered.tolist():
        env.set_state(states[step])
        landmarks.append(np.reshape(list(env.landmarks().values()), (-1, 2, 3)))
        images, ranges = env.render_views_and_depths()
        for view in env.robot.views:
            frames[view].append(images[view])
            depths[view][step] = ranges[view]
    stacked = {schema.IMAGES.format(view=view): np.stack(frames[view]) for view in env.robot.views}
    return stacked, depths, np.stack(landmarks, axis=2)


def _track(
    env: ManipulationEnv,
    states: np.ndarray,
    rendered: np.ndarray,
    depths: dict[str, dict[int, np.ndarray]],
    landmarks: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    from zipmo_sim.tracks import LIMIT, ExactTracker  # imports mujoco, which must find its backend chosen

    tracker = ExactTracker(env.sim.model._model, states, cameras())
    arrays = {}
    for view in env.robot.views:
        windows = [tracker.window(view, step, rng, depths=depths[view]) for step in rendered.tolist()]
        arrays[schema.TRACKS.format(view=view)] = np.stack([window.tracks for window in windows])
        arrays[schema.VISIBLE.format(view=view)] = np.stack([window.visible for window in windows])
        arrays[schema.MOVING.format(view=view)] = np.stack([window.moving for window in windows])
        seen = tracker.locate(view, rearrange(landmarks, "k two r w -> (k two) r w"), rendered)
        places = rearrange(seen, "(k two) r yx -> r k two yx", two=2).clip(-LIMIT, LIMIT)
        arrays[schema.LANDMARKS.format(view=view)] = places
    return arrays


class _Clock:
    def __init__(self):
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now
