"""Perturbations, on `mini`: each changes what it says and nothing else, by the seed; and the families are apart."""

import itertools
from contextlib import contextmanager

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from zipmo_ros.contract.splits import DEVELOPMENT, EVALUATION, TRAINING
from zipmo_sim import suites
from zipmo_sim.env import cameras
from zipmo_sim.experts import make_expert
from zipmo_sim.experts.core import body_box
from zipmo_sim.perturbations import bodies, camera, clutter, light, look, surface, textures, thing
from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.draw import Draw, family_of
from zipmo_sim.perturbations.kinds import DIMENSIONS, KINDS

STATE, TASK = EVALUATION[3], "stack_red_on_green"
SEEN = [name for name, kind in KINDS.items() if kind.edit or kind.see]
PUSH = np.array([0.3, -0.5, 0.2, 0, 0, 0.2, -1.0])
FAMILIES = ("training", "development", "test")


@contextmanager
def made(perturb=None, strength=1.0, task=TASK, image_every=1):
    env = suites.make_env("mini", task, image_every=image_every, perturb=perturb, strength=strength)
    try:
        yield env
    finally:
        env.close()


def begun(env, seed=7, state=STATE):
    return env.reset(seed=seed, options={"init_state": state})[0]


def run(env, seed=7, steps=3):
    """Images, and states, of an episode's first steps."""
    seen = [begun(env, seed)]
    states = [env.get_state()]
    for _ in range(steps):
        seen.append(env.step(PUSH)[0])
        states.append(env.get_state())
    return np.stack([image["agentview"] for image in seen]).astype(int), np.stack(states)


@pytest.fixture(scope="module")
def usual():
    with made() as env:
        return run(env)


# -- what is seen ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEEN)
def test_it_shows_and_the_more_the_stronger(name, usual):
    differences = []
    for strength in (0.25, 1.0):
        with made(name, strength) as env:
            images, states = run(env, steps=1)
        differences.append(np.abs(images - usual[0][:2]).mean())
        assert images[0].std() > 8, "the scene can't be seen any more"
        if name not in ("object_scale", "clutter"):  # solid things: states may differ
            np.testing.assert_array_equal(states, usual[1][:2], err_msg="what is seen is no matter of physics")
    assert 0.1 < differences[0] < differences[1]


def test_a_seed_repeats_an_episode_another_one_does_not_and_nothing_is_left_of_it():
    with made("surface_texture") as env:
        (first, states), (other, _), (again, repeated) = run(env), run(env, seed=8), run(env)
        np.testing.assert_array_equal(again, first)
        np.testing.assert_array_equal(repeated, states)
        assert np.abs(other - first).mean() > 1
    with made("surface_texture") as env:
        np.testing.assert_array_equal(run(env)[0], first)


def test_without_one_a_model_compiled_anew_is_the_same_to_the_bit(usual):
    with made() as env:
        begun(env)
        Draft(env).install()
        images, states = run(env)
    np.testing.assert_array_equal(images, usual[0])
    np.testing.assert_array_equal(states, usual[1])


# -- what happens ----------------------------------------------------------------------------------------------------


def yaw(env, body):
    quaternion = env.sim.data.body_xquat[env.sim.model.body_name2id(body)]
    return Rotation.from_quat(quaternion, scalar_first=True).as_euler("zyx")[0]


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_things_are_changed_by_what_is_said(strength):
    with made(image_every=0) as env:
        begun(env)
        angle, half, hand = yaw(env, "red_main"), body_box(env, "red_main")[1], env.eef_pose()[0]
    with made("object_yaw", strength, image_every=0) as env:
        begun(env)
        assert abs(yaw(env, "red_main") - angle) == pytest.approx(strength * thing.YAW, abs=0.02)
    with made("object_scale", strength, image_every=0) as env:
        begun(env)
        ratio = body_box(env, "red_main")[1] / half
        assert np.abs(ratio - 1) == pytest.approx(strength * thing.SCALE, abs=1e-4)
        centre, now = body_box(env, "red_main")
        lowest = bodies.position(env, "red_main")[2] + centre[2] - now[2]
        assert lowest == pytest.approx(env.perturbation.subject.height, abs=2e-3), "it stands on the table"
    with made("hand_pose", strength, image_every=0) as env:
        begun(env)
        assert np.linalg.norm(env.eef_pose()[0] - hand) == pytest.approx(0.08 * strength, abs=0.01)


def test_a_thing_turns_the_other_way_where_something_is_in_its_way(monkeypatch):
    with made("object_yaw", image_every=0) as env:
        begun(env)
        usual, subject = yaw(env, "red_main"), env.perturbation.subject
        assert not bodies.overlaps(env, subject, "red_main")
        asked = []
        monkeypatch.setattr(bodies, "overlaps", lambda env, subject, body: asked.append(body) or True)
        begun(env)
        assert asked == ["red_main"]
        assert abs(yaw(env, "red_main") - usual) == pytest.approx(2 * thing.YAW, abs=0.04)
        monkeypatch.undo()
        offset = bodies.position(env, "green_main") - bodies.position(env, "red_main")
        bodies.shift(env, "red_main", offset + np.array([0.03, 0, 0]))
        assert bodies.overlaps(env, subject, "red_main")


@pytest.mark.parametrize(("name", "body"), [("moved_thing", "red_main"), ("moved_goal", "green_main")])
def test_what_is_moved_in_mid_episode_moves_once_and_can_still_be_done(name, body):
    with made(name, image_every=0) as env:
        begun(env)
        expert, lengths, before = make_expert(env, np.random.default_rng(1)), [], bodies.position(env, body)
        for _ in range(env.task.max_steps):
            idle = not env.perturbation.move.done
            *_, done, _, _ = env.step(expert.act())
            after = bodies.position(env, body)
            if idle and env.perturbation.move.done:
                lengths.append(np.linalg.norm(after[:2] - before[:2]))
                held = any(expert.touches("red_main"))
            before = after
            if done:
                break
        assert done
        assert lengths == [pytest.approx(0.06, abs=0.005)]
        assert held == (name == "moved_goal")


def test_distractors_leave_the_hand_its_room():
    with made("clutter", image_every=0) as env:
        begun(env)
        circles = {name: bodies.circle(env, name)[0] for name in bodies.things(env, env.perturbation.subject)}
        spots = [bodies.position(env, clutter.NAME.format(number)) for number in range(clutter.MOST)]
    placed = [spot[:2] for spot in spots if spot[2] > 0]
    assert len(placed) == clutter.MOST
    distances = [np.linalg.norm(spot - circles["red_main"]) for spot in placed]
    assert 0.09 < min(distances) < 0.16, "one is beside the thing"
    assert distances.index(min(distances)) == 0
    assert min(np.linalg.norm(spot - middle) for spot in placed for middle in circles.values()) > 0.08


def test_what_a_task_or_a_suite_has_not_is_refused():
    for name, task in (("moved_goal", "turn_lever_left"), ("object_scale", "turn_lever_right")):
        with pytest.raises(ValueError, match=f"perturb={name} needs a"):
            suites.make_env("mini", task, perturb=name)
    with pytest.raises(ValueError, match="unknown perturbation 'earthquake'; choose one of camera_angle"):
        suites.make_env("mini", TASK, perturb="earthquake")
    with pytest.raises(ValueError, match="strength must be above 0"):
        suites.make_env("mini", TASK, perturb="blur", strength=0.0)


def test_every_dimension_has_a_perturbation_but_that_of_words():
    assert {kind.dimension for kind in KINDS.values()} == set(DIMENSIONS) - {"language instructions"}


# -- families --------------------------------------------------------------------------------------------------------

SECTORS = {"light": light.TINTS, "sides": light.SIDES, "surface": surface.HUES, "clutter": clutter.HUES,
           "thing": thing.TINTS}  # fmt: skip


def test_figures_and_choices_have_instances_of_their_own():
    assert {family_of(state) for state in EVALUATION} == {"test"}
    assert {family_of(state) for state in (*DEVELOPMENT, *TRAINING)} == {"development"}
    assert "training" not in {family_of(state) for state in range(1000)}


@pytest.mark.parametrize("name", SECTORS)
def test_sectors_of_families_are_apart(name):
    """By construction, and by what is drawn."""
    sectors = SECTORS[name]
    covered = {family: np.zeros(3600, bool) for family in FAMILIES}
    for family in FAMILIES:
        for low, high in sectors[family]:
            covered[family][np.arange(round(10 * low), round(10 * high) + 1) % 3600] = True
        rng = np.random.default_rng(0)
        drawn = [Draw(rng, 1.0, family, None).angle(sectors) for _ in range(300)]
        assert covered[family][np.floor(np.mod(drawn, 360) * 10).astype(int)].all()
    total = sum(mask.astype(int) for mask in covered.values())
    assert total.max() == 1


def test_light_comes_from_the_familys_side():
    rng, subject = np.random.default_rng(0), suites.subject("mini", TASK)
    with made(image_every=0) as env:
        for family in FAMILIES:
            for strength in (0.3, 1.0):
                draft = Draft(env)
                light.moved(draft, Draw(rng, strength, family, subject))
                x, y, z = -draft.spec.lights[0].dir
                side = np.rad2deg(np.arctan2(y, x))
                assert any(low <= side + turn <= high for low, high in light.SIDES[family] for turn in (0, 360))
                assert np.arctan2(np.hypot(x, y), z) == pytest.approx(light.TILT * strength, abs=1e-6)


@pytest.mark.parametrize("rules", [textures.RULES, clutter.SHAPES], ids=["textures", "shapes"])
def test_rules_of_families_are_apart(rules):
    assert set(rules) == set(FAMILIES)
    every = [rule for family in rules.values() for rule in family]
    assert len(set(every)) == len(every)


def test_shades_and_parts_of_families_are_apart():
    greys = sorted(surface.DARK.values())
    assert all(before[1] < after[0] for before, after in itertools.pairwise(greys))
    kinds = {family: {part["type"] for _ in range(50) for shape in clutter.SHAPES[family]
                      for part in shape(np.random.default_rng())} for family in ("training", "test")}  # fmt: skip
    assert not kinds["training"] & kinds["test"]


def test_training_knows_neither_what_is_reported_nor_its_strength_as_a_limit(monkeypatch):
    """Every part of a look is drawn from training's family, up to beyond what is reported."""
    drawn = []
    monkeypatch.setattr(look, "PARTS", {lambda draft, draw, name=name: drawn.append((name, draw)): widest
                                        for name, widest in enumerate(look.PARTS.values())})  # fmt: skip
    rng = np.random.default_rng(0)
    with made(image_every=0) as env:
        begun(env)
        for _ in range(15):
            with look.dressed(env, suites.subject("mini", TASK), rng, env.get_state()[None]):
                pass
    assert {draw.family for _, draw in drawn} == {"training"}
    assert max(draw.strength for name, draw in drawn if name == 0) > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_textures_are_fields_that_can_be_told_apart(family):
    for rule in textures.RULES[family]:
        first, second = rule(np.random.default_rng(0)), rule(np.random.default_rng(1))
        for field in (first, second):
            assert field.shape == (textures.SIZE, textures.SIZE)
            assert field.min() >= 0
            assert field.max() <= 1
            assert field.std() > 0.1
        assert np.abs(first - second).mean() > 0.05


# -- looks of demonstrations -----------------------------------------------------------------------------------------


def test_a_look_of_no_parts_is_the_suites_own(monkeypatch):
    monkeypatch.setattr(look, "PARTS", {})
    with made(image_every=0) as env:
        begun(env)
        plain, state = env.render_views(), env.get_state()
        with look.dressed(env, suites.subject("mini", TASK), np.random.default_rng(0), state[None]):
            env.set_state(state)
            assert all(np.array_equal(plain[view], image) for view, image in env.render_views().items())


@pytest.mark.parametrize("task", ["put_can_in_left_bin", "stack_red_on_green", "turn_lever_left"])
def test_training_puts_what_is_taken_aside_and_keeps_the_order(task, monkeypatch):
    monkeypatch.setattr(look, "OFTEN", 1.0)
    subject = suites.scenery("mini", task)
    env = suites.make_env("mini", task, image_every=0)
    try:
        distances = []
        for state in range(100, 106):
            env.reset(options={"init_state": state})
            before = {name: bodies.position(env, name) for name in bodies.things(env, subject)}
            look.vary_layout(env, subject, np.random.default_rng(state), 0.08)
            after = {name: bodies.position(env, name) for name in before}
            moved = {name: np.linalg.norm((after[name] - before[name])[:2]) for name in before}
            distances.append(moved.pop(subject.thing))
            assert all(distance < 1e-3 for distance in moved.values())
            row = [name for name in before if name not in subject.fixtures]
            assert sorted(row, key=lambda name: before[name][1]) == sorted(row, key=lambda name: after[name][1])
            assert not bodies.overlaps(env, subject, subject.thing)
            low, high = np.transpose(subject.area)
            assert (low <= after[subject.thing][:2]).all()
            assert (after[subject.thing][:2] <= high).all()
    finally:
        env.close()
    assert 0.04 < max(distances) <= 0.081


def test_tracks_and_landmarks_are_right_under_another_camera_and_things_turned():
    """Where they say that the red block is, the image is red, at once and after it was lifted."""
    from zipmo_sim.tracks import ExactTracker

    rng, subject = np.random.default_rng(5), suites.subject("mini", TASK)
    with made(image_every=0) as env:
        begun(env)
        plain = env.landmarks()[TASK][0]
        straight = ExactTracker(env.sim.model._model, env.get_state()[None], cameras())
        look.vary_layout(env, subject, rng)
        angles = yaw(env, "red_main"), yaw(env, "green_main")
        expert, states = make_expert(env, rng), []
        while not env.success():
            states.append(env.get_state())
            env.step(expert.act())
        states = np.stack(states)
        draft = Draft(env)
        for part in (camera.turned, camera.displaced, camera.zoomed):
            part(draft, Draw(rng, look.PARTS[part], "training", subject))
        before = draft.install()
        tracker = ExactTracker(env.sim.model._model, states, cameras())
        where = tracker.locate("agentview", plain[None, None], np.array([0]))[0, 0]
        assert np.abs(where - straight.locate("agentview", plain[None, None], np.array([0]))[0, 0]).max() > 0.05
        env.set_state(states[0])
        image, landmark = env.render_views()["agentview"].astype(int), env.landmarks()[TASK][0]
        query = tracker.locate("agentview", landmark[None, None], np.array([0]))[0, 0]
        seen = np.argwhere(red(image)) + 0.5
        seen = seen[np.abs(seen - 64 * (query + 1)).max(1) < 12]  # of the block: the floor is reddish too
        assert np.abs(seen.mean(0) / 64 - 1 - query).max() < 0.03
        inner = seen[np.linalg.norm(seen - seen.mean(0), axis=1) < 3] / 64 - 1
        for step in range(0, len(states) - 16, 10):
            env.set_state(states[step])
            moved = tracker.locate("agentview", bodies.position(env, "red_main")[None, None], np.array([step]))[0, 0]
            assert red(env.render_views()["agentview"].astype(int))[tuple(((moved + 1) * 64).astype(int))] or step > 30
        follow = tracker.follow("agentview", 0, inner)
        env.set_state(states[15])
        last = ((follow[:, 15] + 1) * 64).astype(int)
        assert red(env.render_views()["agentview"].astype(int))[last[:, 0], last[:, 1]].mean() > 0.9
        env.exchange(before)
    assert max(map(abs, angles)) > 0.05


def red(image):
    return (image[..., 0] > 90) & (image[..., 0] > 2 * image[..., 1]) & (image[..., 0] > 2 * image[..., 2])
