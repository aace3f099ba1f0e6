"""Perturbations of LIBERO's scenes: what they are about, that they are seen, and that nothing comes to harm."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from zipmo_ros.contract.splits import EVALUATION
from zipmo_sim import suites
from zipmo_sim.env import ManipulationEnv
from zipmo_sim.experts.core import body_box
from zipmo_sim.perturbations import bodies, clutter, thing
from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.kinds import KINDS
from zipmo_sim.perturbations.perturbation import Perturbation

pytestmark = pytest.mark.libero

SUITE, TASK, THING = "libero_goal", "put_the_cream_cheese_in_the_bowl", "cream_cheese_1_main"  # all kinds fit it
STATE = EVALUATION[3]
SURFACES = ("surface_colour", "surface_texture", "surface_sheen")


@pytest.fixture(scope="module")
def env() -> Iterator[ManipulationEnv]:
    made = suites.make_env(SUITE, TASK, image_every=0)
    yield made
    made.close()


def begun(env: ManipulationEnv, name: str | None = None, strength: float = 1.0, seed: int = 7) -> np.ndarray:
    """Begin an episode under a perturbation, of a model that is as it was at first; what is seen then, as int."""
    Draft(env).install()
    env.perturbation = Perturbation(name, strength, suites.subject(SUITE, TASK)) if name else None
    env.reset(seed=seed, options={"init_state": STATE})
    images = env.render_views()
    return np.stack([*(env.perturbation.see(images) if name else images).values()]).astype(int)


def attitude(env: ManipulationEnv) -> Rotation:
    return Rotation.from_matrix(env.sim.data.get_body_xmat(THING))


def bottom(env: ManipulationEnv) -> float:
    """Height of the thing's lowest point, m."""
    centre, half = body_box(env, THING)
    frame = env.sim.data.get_body_xmat(THING)
    return float(bodies.position(env, THING)[2] + (frame @ centre)[2] - np.abs(frame[2]) @ half)


def overlap(env: ManipulationEnv) -> float:
    """How deep the thing is in anything, m."""
    model, data = env.sim.model._model, env.sim.data._data
    own = model.body_rootid == env.sim.model.body_name2id(THING)
    return max((-contact.dist for contact in data.contact if own[model.geom_bodyid[contact.geom]].any()), default=0.0)


# -- what a task is about: needs no assets -------------------------------------------------------------------------


def unfit(suite: str, task: str) -> set[str]:
    subject = suites.subject(suite, task)
    return {name for name, kind in KINDS.items() if not kind.fits(subject)}


def named(suite: str, part: str) -> str:
    return next(task.name for task in suites.tasks(suite) if part in task.name)


@pytest.mark.parametrize(
    ("suite", "part", "about", "goal", "lacking"),
    [
        ("libero_object", "milk", "milk_1", "basket_1", set()),
        ("libero_object_mixed", "pick_butter_in_scene_0", "butter_1", "basket_1", set()),
        ("libero_spatial", "between", "akita_black_bowl_1", "plate_1", {"object_yaw", "object_colour"}),
        ("libero_spatial", "in_the_top_drawer", "akita_black_bowl_1", "plate_1",
         {"object_yaw", "object_colour", "object_scale", "moved_thing"}),
        ("libero_spatial_mixed", "bowl_2_in_scene_0", "akita_black_bowl_2", "plate_1", {"object_yaw", "object_colour"}),
        ("libero_goal", "turn_on", "flat_stove_1", None, {"object_yaw", "object_scale", "moved_thing", "moved_goal"}),
        ("libero_goal", "bottle_on_the_rack", "wine_bottle_1", None, {"moved_goal"}),
        ("libero_10", "turn_on_the_stove", "moka_pot_1", None, {"moved_goal"}),
        ("libero_90", "stack_the_left_bowl", "akita_black_bowl_2", "wooden_tray_1", {"object_yaw", "object_colour"}),
        ("libero_90", "white_mug_on_the_plate", "porcelain_mug_1", "plate_1", {"object_colour"}),
    ],
)  # fmt: skip
def test_a_task_says_what_it_takes_and_what_can_be_done_to_that(suite, part, about, goal, lacking):
    task = named(suite, part)
    subject = suites.subject(suite, task)
    assert (subject.thing, subject.goal) == (f"{about}_main", goal and f"{goal}_main")
    assert unfit(suite, task) == lacking


@pytest.mark.parametrize("suite", [name for name, entry in suites.SUITES.items() if entry.libero and not entry.base])
def test_furniture_stays_and_whatever_is_only_seen_fits_every_task(suite):
    for task in suites.tasks(suite):
        subject = suites.subject(suite, task.name)
        assert subject.goal not in subject.fixtures
        assert (subject.thing in subject.fixtures) <= (not subject.alone)
        assert set(subject.handled) <= set(subject.fixtures)
        assert unfit(suite, task.name) <= {"object_yaw", "object_colour", "object_scale", "moved_thing", "moved_goal"}


def test_what_can_not_be_perturbed_is_refused():
    with pytest.raises(ValueError, match="no perturbations of libero_goal_swap, only of mini, libero_object_mixed, "):
        suites.make_env("libero_goal_swap", TASK, perturb="noise")
    with pytest.raises(ValueError, match="perturb=object_scale needs a free thing, and this task has none"):
        suites.make_env("libero_goal", "turn_on_the_stove", perturb="object_scale")


# -- in a scene ------------------------------------------------------------------------------------------------------


def test_a_model_compiled_anew_is_the_same_to_the_bit(env):
    env.perturbation = None
    env.reset(options={"init_state": STATE})
    state, images = env.get_state(), env.render_views()
    again = begun(env)
    np.testing.assert_array_equal(env.get_state(), state)
    np.testing.assert_array_equal(again, np.stack([*images.values()]))


def test_a_seed_repeats_an_episode_and_another_one_does_not(env):
    first, state = begun(env, "surface_texture"), env.get_state()
    assert np.abs(begun(env, "surface_texture", seed=8) - first).mean() > 1
    np.testing.assert_array_equal(begun(env, "surface_texture"), first)
    np.testing.assert_array_equal(env.get_state(), state)


def test_surfaces_with_a_texture_are_seen_to_change_and_nothing_else_does(env):
    plain, state = begun(env)[0], env.get_state()
    for name in SURFACES:
        weak, strong = (np.abs(begun(env, name, strength)[0] - plain).mean() for strength in (0.25, 1.0))
        assert 0.5 < weak < strong, name
        np.testing.assert_array_equal(env.get_state(), state)


def test_things_of_meshes_are_turned_scaled_and_glazed_and_stand(env):
    plain = begun(env)
    before, half, deep = attitude(env), body_box(env, THING)[1], overlap(env)
    height = suites.subject(SUITE, TASK).height
    assert bottom(env) == pytest.approx(height, abs=2e-3)

    begun(env, "object_yaw")
    turn = (attitude(env) * before.inv()).as_rotvec()
    assert abs(turn[2]) == pytest.approx(thing.YAW, abs=0.05)
    assert np.abs(turn[:2]).max() < 0.02
    assert (bottom(env), overlap(env)) == (pytest.approx(height, abs=2e-3), pytest.approx(deep, abs=2e-3))

    begun(env, "object_scale")
    ratio = body_box(env, THING)[1] / half
    assert np.abs(ratio - 1) == pytest.approx(thing.SCALE, abs=1e-3)
    assert (bottom(env), overlap(env)) == (pytest.approx(height, abs=2e-3), pytest.approx(deep, abs=2e-3))

    changed = np.abs(begun(env, "object_colour") - plain).max(-1)[0] > 10
    assert 10 < changed.sum() < 0.05 * changed.size


def test_distractors_stand_apart(env):
    begun(env, "clutter")
    spots = np.array([bodies.position(env, clutter.NAME.format(number)) for number in range(clutter.MOST)])
    placed = spots[spots[:, 2] > 0]
    assert len(placed)
    for name in bodies.things(env, suites.subject(SUITE, TASK)):
        middle, radius = bodies.circle(env, name)
        assert np.linalg.norm(placed[:, :2] - middle, axis=1).min() > radius + clutter.RADIUS
