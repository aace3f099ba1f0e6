"""The suite `mini`: environments, initial states and experts."""

import dataclasses

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from zipmo_ros.contract.robot import load_robot
from zipmo_sim import suites
from zipmo_sim.env import INIT_STATES, ManipulationEnv
from zipmo_sim.experts import make_expert
from zipmo_sim.suites.mini.scenes import SCENES as SCENES_OF_MINI

SCENES = {"bins": "put_can_in_right_bin", "blocks": "stack_green_on_red", "lever": "turn_lever_left"}

VIEWS = load_robot().views


@pytest.fixture(params=SCENES)
def env(request):
    env = suites.make_env("mini", SCENES[request.param], image_every=0)
    yield env
    env.close()


@pytest.fixture
def seeing():
    env = suites.make_env("mini", "put_milk_in_left_bin", image_every=2)
    yield env
    env.close()


def _run(env: ManipulationEnv, init_state: int, steps: int) -> tuple[list, list]:
    """States and observations of a run of seeded random actions."""
    rng = np.random.default_rng(0)
    observation, _ = env.reset(options={"init_state": init_state})
    states, observations = [env.get_state()], [observation]
    for _ in range(steps):
        observation, *_ = env.step(rng.uniform(-1, 1, 7))
        states.append(env.get_state())
        observations.append(observation)
    return states, observations


def _equal(first: tuple[list, list], second: tuple[list, list]) -> bool:
    states = all(np.array_equal(a, b) for a, b in zip(first[0], second[0], strict=True))
    pairs = zip(first[1], second[1], strict=True)
    return states and all(np.array_equal(a[key], b[key]) for a, b in pairs for key in a)


def test_ten_tasks_with_sentences_of_their_own():
    tasks = suites.tasks("mini")
    assert [task.index for task in tasks] == list(range(10))
    assert len({task.language for task in tasks}) == 10
    assert {task.scene for task in tasks} == set(SCENES)


def test_landmarks_are_of_all_that_the_scene_can_do(env):
    env.reset(options={"init_state": 60})
    marks, poses = env.landmarks(), env.object_poses()
    assert [suites.sentence("mini", name) for name in marks] == suites.sentences(env.task)
    for upper, lower in (("blue", "red"), ("green", "blue")) if env.task.scene == "blocks" else ():
        above, below = marks[f"stack the {upper} block on the {lower} block"]
        assert np.array_equal(above, poses[upper][0])
        assert np.array_equal(below, poses[lower][0])


def test_arrangements_are_where_the_simulator_puts_things(env):
    for init_state in (25, 61):
        env.reset(options={"init_state": init_state})
        told, poses = suites.arrangement(env.task, init_state), env.object_poses()
        assert set(told) == set(poses)
        for name, across in told.items():
            assert abs(poses[name][0][1] - across) < 0.01  # it has settled


def test_unknown_names_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="choose one of mini, libero_object_mixed"):
        suites.tasks("maxi")
    with pytest.raises(ValueError, match="turn_lever_right"):
        suites.make_env("mini", "open_the_door")


@pytest.mark.filterwarnings("ignore")  # unbounded proprioception, no render-mode registry
def test_gymnasium_checker(seeing):
    check_env(seeing, skip_render_check=True)


def test_repeats_bit_by_bit(seeing):
    first = _run(seeing, 7, 12)
    _run(seeing, 8, 5)
    assert _equal(first, _run(seeing, 7, 12))
    assert not _equal(first, _run(seeing, 9, 12))


def test_repeats_in_a_fresh_environment():
    runs = []
    for _ in range(2):
        env = suites.make_env("mini", "stack_red_on_green", image_every=4)
        runs.append(_run(env, 3, 8))
        env.close()
    assert _equal(*runs)


def test_replayed_state_shows_the_live_image(seeing):
    states, observations = _run(seeing, 4, 6)
    poses = seeing.fixture_poses()
    seeing.reset(options={"init_state": 20})
    seeing.set_fixture_poses(poses)
    for step in (0, 4, 6):
        seeing.set_state(states[step])
        replayed = seeing.render_views()
        assert all(np.array_equal(replayed[view], observations[step][view]) for view in seeing.robot.views)


def test_images_repeat_between_renders(seeing):
    seeing.reset(options={"init_state": 0})
    shown = []
    for _ in range(4):
        observation, *_, info = seeing.step(np.array([1.0, 1, 0, 0, 0, 0, -1]))
        shown.append((info["step"], info["new_views"], observation["agentview"].sum()))
    assert [pair[:2] for pair in shown] == [(1, ()), (2, VIEWS), (3, ()), (4, VIEWS)]
    assert shown[1][2] == shown[2][2] != shown[3][2]


def test_cameras_out_of_step(seeing):
    """Both at first, then each at steps of its own."""
    seeing.image_phase = 1
    seeing.reset(options={"init_state": 0})
    views = [seeing.step(np.zeros(7))[-1]["new_views"] for _ in range(4)]
    seeing.image_phase = 0
    assert views == [VIEWS[1:], VIEWS[:1], VIEWS[1:], VIEWS[:1]]


def test_left_is_left_in_the_image(seeing):
    """The bins' teal fills both halves; moving the left one away empties the left half."""
    seeing.reset(options={"init_state": 0})
    poses = seeing.fixture_poses()
    poses["left_bin"] = (np.array([0.0, 0, -5]), poses["left_bin"][1])
    seeing.set_fixture_poses(poses)
    image = seeing.render_views()["agentview"].astype(int)
    teal = (image[..., 2] > image[..., 0] + 40) & (image[..., 1] > image[..., 0] + 30)
    assert teal[:, :64].sum() < 10 < 100 < teal[:, 64:].sum()


def test_initial_states_are_distinct(env):
    place = SCENES_OF_MINI[env.task.scene].place
    layouts = []
    for index in range(INIT_STATES):
        place(env.robosuite, index)
        fixtures = [np.concatenate(pose) for pose in env.fixture_poses().values()]
        layouts.append(np.concatenate([env.get_state(), *fixtures]))
    assert min(np.abs(a - b).max() for i, a in enumerate(layouts) for b in layouts[:i]) > 0.01


def test_initial_states_are_unsolved_and_shared_by_the_tasks_of_a_scene(env):
    states = []
    for index in (0, 5, 24, 49):
        env.reset(options={"init_state": index})
        assert not env.success()
        states.append(env.get_state())
    sibling = next(t.name for t in suites.tasks("mini") if t.scene == env.task.scene and t.name != env.task.name)
    other = suites.make_env("mini", sibling, image_every=0)
    other.reset(options={"init_state": 5})
    assert np.array_equal(other.get_state(), states[1])
    other.close()


def test_expert_solves_its_task(env):
    env.reset(options={"init_state": 30})
    expert = make_expert(env, np.random.default_rng(1), noise=0.1)
    for step in range(env.task.max_steps):
        assert expert.done == env.success()
        *_, terminated, truncated, info = env.step(expert.disturb(expert.act()))
        assert truncated == (step + 1 == env.task.max_steps)
        if terminated:
            break
    assert terminated
    assert info["success"]
    assert info["step"] < 150


def test_expert_recovers_from_a_wrong_place(env):
    env.reset(options={"init_state": 31})
    home = env.eef_pose()[0]
    expert = make_expert(env, np.random.default_rng(2), recovery=True)
    assert np.linalg.norm(env.eef_pose()[0] - home) > 0.05
    for _ in range(env.task.max_steps):
        *_, terminated, _, _ = env.step(expert.act())
        if terminated:
            break
    assert terminated


def test_a_new_expert_takes_over_in_the_middle(env):
    """The expert reads its phase from the state, so it can label states that another policy led to."""
    env.reset(options={"init_state": 32})
    terminated = False
    for step in range(env.task.max_steps):
        if step % 15 == 0:
            expert = make_expert(env, np.random.default_rng(step))
        *_, terminated, _, _ = env.step(expert.act())
        if terminated:
            break
    assert terminated


def test_a_task_of_few_initial_states_is_drawn_from_them(env):
    env.task = dataclasses.replace(env.task, init_states=2)
    assert {env.reset(seed=seed)[1]["init_state"] for seed in range(8)} == {0, 1}


def test_bad_input_is_refused(env):
    env.reset(options={"init_state": 0})
    with pytest.raises(ValueError, match="finite"):
        env.step(np.full(7, np.nan))
    with pytest.raises(ValueError, match=r"0\.\.999"):
        env.reset(options={"init_state": 1000})
    with pytest.raises(ValueError, match="noise"):
        make_expert(env, np.random.default_rng(0), noise=2.0)
