"""Synthetic demonstrations in the project's format: a coloured block, and an arm that moves towards it."""

import json

import h5py
import numpy as np
import pytest

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.data import schema
from zipmo_ros.data.demos import Demo, demo_path, merge, write_part

POINTS = 160
COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}
EVERY = 2


def make_demo(init_state, colour="red", steps=24, seed=0, points=POINTS):
    """A demonstration as the writer takes it; seed draws where the block lies and everything else."""
    rng = np.random.default_rng(seed)
    target = rng.uniform(-0.6, 0.6, 2)
    actions = np.zeros((steps, 7))
    actions[:, :2] = target * np.linspace(1, 0.2, steps)[:, None]
    actions[:, 6] = np.where(np.arange(steps) < steps // 2, -1.0, 1.0)
    rendered = np.arange(0, steps, EVERY)
    executed = actions + rng.normal(0, 0.05, actions.shape)
    joints = np.cumsum(actions, axis=0) * 0.1 + rng.normal(0, 0.01, (steps, 7))
    fingers = np.stack([actions[:, 6], -actions[:, 6]], axis=1) * 0.02 + 0.02
    solved = (np.arange(steps) == steps - 1).astype(np.uint8)
    arrays = {
        "actions": actions,
        "executed_actions": executed,
        "states": np.zeros((steps, 5)),
        "robot_states": np.concatenate([joints, fingers], axis=1),
        "rewards": solved,
        "dones": solved,
        schema.RENDER_STEPS: rendered,
        "obs/joint_states": joints,
        "obs/gripper_states": fingers,
        **{
            f"obs/{name}": np.zeros((steps, width))
            for name, width in {"ee_pos": 3, "ee_ori": 3, "ee_states": 6}.items()
        },
    }
    row, column = ((target + 1) * IMAGE_SIZE / 2).astype(int)
    image = np.full((IMAGE_SIZE, IMAGE_SIZE, 3), 90, np.uint8)
    image[max(row - 8, 0) : row + 8, max(column - 8, 0) : column + 8] = COLOURS[colour]
    for view in load_robot().views:
        places = np.stack([target, -target]) if colour == "red" else np.stack([-target, target])  # of red, of blue
        starts = rng.uniform(-1, 1, (len(rendered), points, 2))
        moving = rng.random((len(rendered), points)) < 0.4
        path = np.linspace(0, 1, HORIZON)[:, None] * target * 0.3
        tracks = starts[:, :, None] + moving[:, :, None, None] * path
        seen = {
            schema.IMAGES: np.repeat(image[None], len(rendered), 0),
            schema.LANDMARKS: np.tile(places[:, None], (len(rendered), 1, 2, 1)),
            schema.TRACKS: tracks,
            schema.VISIBLE: np.abs(tracks).max(-1) <= 1,
            schema.MOVING: moving,
        }
        arrays |= {name.format(view=view): array for name, array in seen.items()}
    attributes = {"init_state": init_state, "seed": seed, "noise": 0.1, "recovery": False, "success": True}
    return Demo(arrays, attributes)


def write_suite(folder, demos=6, suite="synthetic", steps=24, first_state=19, says="reach the {} block", **attributes):
    """Two tasks (red, blue), `demos` demonstrations each, from init states first_state, first_state + 1, ...

    says: the sentence of a colour, or {colour: sentence}.
    attributes: of the files, put there afterwards: the writer would not write wrong ones.
    """
    for number, colour in enumerate(COLOURS):
        task = f"reach_the_{colour}_block"
        sentences = says if isinstance(says, dict) else {name: says.format(name) for name in COLOURS}
        language, told = sentences[colour], json.dumps(list(sentences.values()))
        shared = dict.fromkeys(schema.SHARED, "synthetic") | {
            "suite": suite, "task": task, "language": language, "landmark_sentences": told, "render_every": EVERY,
        }  # fmt: skip
        path = demo_path(folder, suite, task)
        path.unlink(missing_ok=True)
        for index in range(demos):
            write_part(folder, shared, make_demo(first_state + index, colour, steps, 100 * number + index))
        merge(folder, suite, task)
        with h5py.File(path, "a") as file:
            file[schema.DATA].attrs.update(attributes)
    return folder


@pytest.fixture(scope="session")
def demonstrations(tmp_path_factory):
    return write_suite(tmp_path_factory.mktemp("demonstrations"))


@pytest.fixture
def write():
    return write_suite
