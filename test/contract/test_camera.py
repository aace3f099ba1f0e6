"""Images one way, points both ways, through one object."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.contract.camera import IMAGE_SIZE, CameraSpec

ORIENTATIONS = ("upright", "vflip", "rot180")


@st.composite
def cameras(draw):
    height, width = draw(st.integers(40, 480)), draw(st.integers(40, 640))
    crop = None
    if draw(st.booleans()):
        top, left = draw(st.integers(0, height - 24)), draw(st.integers(0, width - 24))
        crop = (top, left, draw(st.integers(24, height - top)), draw(st.integers(24, width - left)))
    return CameraSpec("view", "", (height, width), draw(st.sampled_from(ORIENTATIONS)), crop)


POINTS = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=20).map(np.array)


@given(cameras(), POINTS)
def test_points_go_there_and_back(camera, points):
    again = camera.points_to_camera(camera.points_to_model(points))
    pixels = np.abs(again - points) * np.array(camera.size) / 2
    assert pixels.max() < 0.5


@given(cameras(), st.integers(0, 2**32 - 1))
def test_a_point_is_where_its_image_went(camera, seed):
    """A bright square is drawn around a point; its middle in what the models see is the point there, within a pixel."""
    pytest.importorskip("cv2")
    rng = np.random.default_rng(seed)
    (height, width), (scale, shift) = camera.size, camera._crop()
    upright = shift + scale * rng.uniform(-0.6, 0.6, 2)
    point = upright * camera.points_to_camera(np.ones(2)) / (shift + scale)  # the signs of the orientation
    half = max(2, min(height, width) // 40)
    row, column = ((point + 1) / 2 * (height, width)).astype(int)
    image = np.zeros((height, width, 3), np.uint8)
    image[max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1] = 255
    middle = (np.array([row, column]) + 0.5) / (height, width) * 2 - 1
    seen = camera.to_model(image)[..., 0].astype(float)
    assert seen.shape == (IMAGE_SIZE, IMAGE_SIZE)
    expected = (camera.points_to_model(middle) + 1) / 2 * IMAGE_SIZE - 0.5
    bounds = np.array([seen.max(1) > 127, seen.max(0) > 127])
    if (expected > half * 8).all() and (expected < IMAGE_SIZE - 1 - half * 8).all():  # the square is whole
        found = np.array([np.flatnonzero(axis).mean() for axis in bounds])
        pixel = IMAGE_SIZE / (np.array(camera.size) * scale)  # what a pixel of the camera is there
        assert (np.abs(found - expected) <= 0.5 + 0.5 * pixel).all()


def test_an_image_that_fits_is_left_alone():
    image = np.random.default_rng(0).integers(0, 256, (IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    assert CameraSpec("view").to_model(image) is image
    np.testing.assert_array_equal(CameraSpec("view", orientation="vflip").to_model(image), image[::-1])
    np.testing.assert_array_equal(CameraSpec("view", orientation="rot180").to_model(image), image[::-1, ::-1])
    with pytest.raises(ValueError, match="image is 128 x 128, expected 480 x 640"):
        CameraSpec("view", size=(480, 640)).to_model(image)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"orientation": "left"}, "orientation must be one of upright, vflip, rot180, got 'left'"),
        ({"crop": (0, 0, 10, 10)}, "a crop needs the size that it is of"),
        ({"size": (100, 100), "crop": (50, 0, 51, 10)}, "does not lie within"),
        ({"size": (100, 100), "crop": (-1, 0, 10, 10)}, "does not lie within"),
    ],
)
def test_impossible_cameras_are_refused(fields, reason):
    with pytest.raises(ValueError, match=reason):
        CameraSpec("view", **fields)
