"""Point tracks in a scene small enough to know the answers: a sliding box, a screen, a camera that rides along."""

import mujoco
import numpy as np
import pytest

from zipmo_ros.nodes.drawing import draw_places, draw_tracks
from zipmo_sim.tracks import ExactTracker

CAMERAS = {"agentview": "fixed", "eye_in_hand": "riding"}
STEPS = 24
SCENE = """
<mujoco><worldbody>
  <camera name="fixed" pos="0 0 2" fovy="45"/>
  <geom name="floor" type="plane" size="5 5 0.1" group="1"/>
  <body name="screen" pos="0.35 0 0.5"><geom type="box" size="0.1 0.6 0.01" group="1"/></body>
  <body name="box"><joint name="slide" type="slide" axis="1 0 0"/><joint name="spin" type="hinge" axis="0 0 1"/>
    <geom type="box" size="0.08 0.08 0.08" pos="0 0 0.08" group="1" mass="1"/>
    <geom type="box" size="0.5 0.5 0.3" pos="0 0 0.3" group="0" mass="0"/></body>
  <body name="ride" pos="0 -0.4 1.5"><joint name="rail" type="slide" axis="0 1 0"/>
    <geom type="sphere" size="0.01" pos="0 0 0.2" group="1" mass="1"/><camera name="riding" fovy="60"/></body>
</worldbody></mujoco>
"""


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(SCENE)


def make_states(model, slide=0.02, spin=0.01, rail=0.01):
    states = np.zeros((STEPS, 1 + model.nq + model.nv))
    for step in range(STEPS):
        states[step, 1 : 1 + model.nq] = np.array([slide, spin, rail]) * step
    return states


@pytest.fixture(scope="module")
def tracker(model):
    return ExactTracker(model, make_states(model), CAMERAS)


@pytest.mark.parametrize("view", CAMERAS)
@pytest.mark.parametrize("step", [0, 7, STEPS - 1])
def test_a_track_starts_at_the_pixel_that_was_asked_for(tracker, view, step):
    queries = np.random.default_rng(1).uniform(-1, 1, (200, 2))
    tracks = tracker.follow(view, step, queries)
    assert tracks.shape == (200, 16, 2)
    assert np.abs(tracks[:, 0] - queries).max() < 1e-6


def test_a_point_sticks_to_the_body_it_was_drawn_on(tracker, model):
    bodies, local = tracker.lift("agentview", 0, np.array([[0.0, 0.02]]))
    assert bodies[0] == model.body("box").id  # not the larger collision geom, which nobody sees
    assert local[0, 2] == pytest.approx(0.16)
    track = tracker.follow("agentview", 0, np.array([[0.0, 0.02]]))[0]
    scale = np.tan(np.deg2rad(45) / 2) * (2 - 0.16)
    angle = 0.01 * np.arange(16)
    radius = 0.02 * scale
    expected_x = (0.02 * np.arange(16) + radius * np.cos(angle)) / scale
    expected_y = -radius * np.sin(angle) / scale  # world y is up in the image, rows go down
    np.testing.assert_allclose(track, np.stack([expected_y, expected_x], -1), atol=1e-9)


def test_points_at_rest_stay_for_a_fixed_camera_and_drift_for_a_moving_one(tracker):
    corner = np.array([[0.9, -0.9]])
    assert np.ptp(tracker.follow("agentview", 0, corner)[0], axis=0).max() < 1e-12
    drift = np.diff(tracker.follow("eye_in_hand", 0, corner)[0], axis=0)
    assert (drift[:, 0] > 0.005).all()  # the camera moves to +y, so the world moves down
    assert np.abs(drift[:, 1]).max() < 1e-12


def test_after_the_end_the_last_state_repeats(tracker):
    track = tracker.follow("agentview", STEPS - 4, np.array([[0.0, 0.7]]))[0]
    assert np.ptp(track[3:], axis=0).max() < 1e-12


@pytest.mark.parametrize("source", ["rays", "depths"])
def test_a_box_that_slides_under_the_screen_becomes_invisible(tracker, model, source):
    depths = render_depths(model) if source == "depths" else None
    window = tracker.window("agentview", 0, np.random.default_rng(0), depths=depths)
    final = window.tracks[:, -1]
    on_box = window.moving
    assert on_box.sum() >= 70  # half of 160 are drawn there, small as it looks
    # The screen begins at x 0.25, 1.5 m below the camera, and the box ends at x 0.22 .. 0.38.
    edge = 0.25 / (np.tan(np.deg2rad(45) / 2) * 1.5)
    hidden = on_box & (final[:, 1] > edge + 0.05)
    clear = on_box & (final[:, 1] < edge - 0.05)
    assert hidden.sum() > 5
    assert clear.sum() > 5
    assert not window.visible[hidden, -1].any()
    assert window.visible[clear, -1].all()
    assert window.visible[:, 0].all()


def test_rays_and_depth_images_agree(tracker, model):
    by_rays = tracker.window("agentview", 0, np.random.default_rng(3))
    by_depth = tracker.window("agentview", 0, np.random.default_rng(3), depths=render_depths(model))
    np.testing.assert_array_equal(by_rays.tracks, by_depth.tracks)
    assert (by_rays.visible == by_depth.visible).mean() > 0.97  # silhouettes may differ


def test_a_seed_repeats_a_window_and_the_environment_is_left_alone(model):
    data = mujoco.MjData(model)
    data.qpos[:] = 0.3
    mujoco.mj_forward(model, data)
    before = data.xpos.copy()
    tracker = ExactTracker(model, make_states(model), CAMERAS)
    first, second = (tracker.window("eye_in_hand", 2, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.tracks, second.tracks)
    np.testing.assert_array_equal(data.xpos, before)


def test_without_motion_all_points_are_uniform_and_none_moves(model):
    tracker = ExactTracker(model, make_states(model, 0, 0, 0), CAMERAS)
    window = tracker.window("agentview", 0, np.random.default_rng(0))
    assert window.tracks.shape == (160, 16, 2)
    assert not window.moving.any()
    assert window.tracks[:, 0].std() > 0.5


def test_states_of_another_model_and_unknown_cameras_are_refused(model):
    with pytest.raises(ValueError, match=r"states must be \[steps, 7\]"):
        ExactTracker(model, np.zeros((3, 5)), CAMERAS)
    with pytest.raises(ValueError, match="no camera 'wrist'"):
        ExactTracker(model, make_states(model), {"eye_in_hand": "wrist"})


def test_an_overlay_runs_from_blue_to_red_at_the_right_place():
    image = np.zeros((64, 64, 3), np.uint8)
    track = np.stack([np.full(16, -0.5), np.linspace(-0.8, 0.8, 16)], -1)[None]
    drawn = draw_tracks(image, track, scale=2)
    assert drawn.shape == (128, 128, 3)
    rows, columns = np.nonzero(drawn.max(-1))
    assert abs(rows.mean() - 31.5) < 1.5
    assert columns.min() < 16
    assert columns.max() > 112
    assert drawn[:, :30, 2].max() > drawn[:, :30, 0].max()
    assert drawn[:, 100:, 0].max() > drawn[:, 100:, 2].max()
    assert image.max() == 0


def render_depths(model):
    """Exact depth images of the fixed camera at every second step, by rays (no OpenGL)."""
    states, data = make_states(model), mujoco.MjData(model)
    centres = (np.arange(128) + 0.5) / 64 - 1
    slope = np.tan(np.deg2rad(45) / 2)
    depths, geom = {}, np.empty(1, np.int32)
    groups = np.array([0, 1, 1, 0, 0, 0], np.uint8)
    for step in range(0, STEPS, 2):
        data.qpos[:] = states[step, 1 : 1 + model.nq]
        mujoco.mj_forward(model, data)
        image = np.empty((128, 128), np.float32)
        for row, y in enumerate(centres):
            for column, x in enumerate(centres):
                ray = np.array([x * slope, -y * slope, -1.0])
                image[row, column] = mujoco.mj_ray(model, data, data.cam_xpos[0], ray, groups, 1, -1, geom)
        depths[step] = image
    return depths


def test_places_are_ringed_where_they_are_and_unknown_ones_are_left_out():
    image = np.zeros((64, 64, 3), np.uint8)
    drawn = draw_places(image, np.array([[-0.5, 0.5], [np.nan, 0.0]]))
    rows, columns = drawn.any(-1).nonzero()
    assert abs(rows.mean() - 15.5) < 1
    assert abs(columns.mean() - 47.5) < 1
    assert not image.any()
