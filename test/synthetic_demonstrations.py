"""Synthetic demonstrations in the project's format: a coloured block, and an arm that moves towards it."""

import hashlib
import json

import h5py
import numpy as np
import pytest

VIEWS = ("agentview", "eye_in_hand")
POINTS = 160
COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


def write_demo(data, key, init_state, colour, steps=24, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.uniform(-0.6, 0.6, 2)
    demo = data.create_group(key)
    demo.attrs.update(
        init_state=init_state, seed=seed, noise=0.1, num_samples=steps, success=True, orientation="upright"
    )
    demo.attrs["fixture_poses"] = json.dumps({})
    demo.attrs["sha256"] = hashlib.sha256(f"{init_state} {colour} {steps} {seed}".encode()).hexdigest()
    actions = np.zeros((steps, 7))
    actions[:, :2] = target * np.linspace(1, 0.2, steps)[:, None]
    actions[:, 6] = np.where(np.arange(steps) < steps // 2, -1.0, 1.0)
    demo["actions"], demo["executed_actions"] = actions, actions + rng.normal(0, 0.05, actions.shape).clip(-1, 1)
    demo["states"], demo["robot_states"] = np.zeros((steps, 5)), np.zeros((steps, 9))
    demo["rewards"] = demo["dones"] = (np.arange(steps) == steps - 1).astype(np.uint8)
    demo["obs/joint_states"] = np.cumsum(actions, axis=0)[:, :7] * 0.1 + rng.normal(0, 0.01, (steps, 7))
    demo["obs/gripper_states"] = np.stack([actions[:, 6], -actions[:, 6]], axis=1) * 0.02 + 0.02
    for name, width in {"ee_pos": 3, "ee_ori": 3, "ee_states": 6}.items():
        demo[f"obs/{name}"] = np.zeros((steps, width))
    rendered = np.arange(0, steps, 2, dtype=np.int32)
    demo["render_steps"] = rendered
    row, column = ((target + 1) * 64).astype(int)
    image = np.full((128, 128, 3), 90, np.uint8)
    image[max(row - 8, 0) : row + 8, max(column - 8, 0) : column + 8] = COLOURS[colour]
    for view in VIEWS:
        places = np.stack([target, -target]) if colour == "red" else np.stack([-target, target])  # of red, of blue
        demo[f"landmarks/{view}"] = np.tile(places[:, None], (len(rendered), 1, 2, 1)).astype(np.float16)
        demo.create_dataset(f"obs/{view}_rgb", data=np.repeat(image[None], len(rendered), 0), chunks=(1, 128, 128, 3),
                            compression="lzf")  # fmt: skip
        starts = rng.uniform(-1, 1, (len(rendered), POINTS, 2))
        moving = rng.random((len(rendered), POINTS)) < 0.4
        path = np.linspace(0, 1, 16)[:, None] * target * 0.3
        tracks = starts[:, :, None] + moving[:, :, None, None] * path
        demo[f"tracks/{view}"] = tracks.astype(np.float16)
        demo[f"tracks/{view}_visible"] = np.abs(tracks).max(-1) <= 1
        demo[f"tracks/{view}_moving"] = moving


def write_suite(folder, demos=6, suite="synthetic", steps=24, first_state=19, **attrs):
    """Two tasks (red, blue), `demos` demonstrations each, from init states first_state, first_state + 1, ..."""
    (folder / suite).mkdir(parents=True, exist_ok=True)
    for number, colour in enumerate(COLOURS):
        task = f"reach_the_{colour}_block"
        with h5py.File(folder / suite / f"{task}_demo.hdf5", "w") as file:
            data = file.create_group("data")
            language = task.replace("_", " ")
            told = [f"reach the {name} block" for name in COLOURS]
            data.attrs.update(
                suite=suite, task=task, language=language, landmark_sentences=json.dumps(told), env_args="{}",
                num_demos=demos, total=demos * steps,
                problem_info=json.dumps({"language_instruction": language}), macros_image_convention="upright",
                obs_alignment="before_action", asset_hash="assets", render_hash="fast",
                render_every=2, format_version=2,
            )  # fmt: skip
            data.attrs.update(attrs)
            for index in range(demos):
                write_demo(data, f"demo_{index}", first_state + index, colour, steps, seed=100 * number + index)
    return folder


@pytest.fixture(scope="session")
def demonstrations(tmp_path_factory):
    return write_suite(tmp_path_factory.mktemp("demonstrations"))


@pytest.fixture
def write():
    return write_suite
