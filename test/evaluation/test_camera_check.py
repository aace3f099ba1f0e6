"""What `zipmo check camera` finds."""

import numpy as np
import pytest

from zipmo_ros.contract.camera import IMAGE_SIZE, CameraSpec
from zipmo_ros.evaluation.camera_check import check_camera

VIEW = "above"
FLIPS = {"upright": (1, 1), "vflip": (-1, 1), "rot180": (-1, -1)}


@pytest.fixture
def trained():
    """A picture with large shapes and no symmetry."""
    cv2 = pytest.importorskip("cv2")
    coarse = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    return cv2.resize(coarse, (IMAGE_SIZE, IMAGE_SIZE))


def test_the_same_view_differs_in_nothing(trained):
    check = check_camera(trained, trained, CameraSpec(VIEW))
    assert check.differences == ()
    np.testing.assert_array_equal(check.overlay, trained)
    assert check.fits["upright"] == pytest.approx(1.0)


@pytest.mark.parametrize("arrives", ["vflip", "rot180"])
def test_an_orientation_that_is_not_set_is_guessed(trained, arrives):
    down, right = FLIPS[arrives]
    live = trained[::down, ::right]
    (said,) = check_camera(live, trained, CameraSpec(VIEW)).differences
    assert said.startswith(f"orientation '{arrives}' fits better (1.00) than 'upright'")
    assert not check_camera(live, trained, CameraSpec(VIEW, orientation=arrives)).differences


def test_sizes_are_said(trained):
    cv2 = pytest.importorskip("cv2")
    wide = cv2.resize(trained, (640, 480))
    assert "are squeezed into a square" in check_camera(wide, trained, CameraSpec(VIEW)).differences[0]
    square = CameraSpec(VIEW, size=(480, 640), crop=(0, 80, 480, 480))
    assert not check_camera(wide, trained[:, :], square).differences
    small = cv2.resize(trained, (64, 64))
    assert "are smaller than" in check_camera(small, trained, CameraSpec(VIEW)).differences[0]


def test_a_quite_different_view_is_said(trained):
    other = np.zeros_like(trained)
    assert "no orientation fits" in check_camera(other, trained, CameraSpec(VIEW)).differences[-1]


def test_the_overlay_is_half_of_each(trained):
    white = np.full_like(trained, 255)
    overlay = check_camera(white, trained, CameraSpec(VIEW)).overlay
    np.testing.assert_allclose(overlay, (255 + trained.astype(float)) / 2, atol=1)
