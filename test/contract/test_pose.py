"""Poses and offsets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from zipmo_ros.contract.pose import composed, matrix_of, moved, offset_between, pose_of, problem_of, relative

NUMBERS = st.floats(-1, 1)
VECTORS = st.lists(NUMBERS, min_size=3, max_size=3).map(np.array)
POSES = st.builds(lambda p, r: np.concatenate([p, Rotation.from_rotvec(3 * r).as_quat()]), VECTORS, VECTORS)


@given(POSES, VECTORS, VECTORS)
def test_there_and_back(pose, shift, turn):
    offset = np.concatenate([shift, turn])  # at most sqrt(3) rad: less than half a turn
    goal = moved(pose, offset)
    np.testing.assert_allclose(offset_between(pose, goal), offset, atol=1e-14)
    expected = Rotation.from_rotvec(turn) * Rotation.from_quat(pose[3:])  # about the axes of the base
    np.testing.assert_allclose(matrix_of(goal), expected.as_matrix(), atol=1e-14)


@given(POSES, POSES)
def test_matrices_and_other_frames(base, pose):
    rotation = Rotation.from_quat(pose[3:])
    np.testing.assert_allclose(matrix_of(pose_of(pose[:3], rotation.as_matrix())), rotation.as_matrix(), atol=1e-14)
    seen, back = relative(base, pose), Rotation.from_quat(base[3:]).inv()
    np.testing.assert_allclose(seen[:3], back.apply(pose[:3] - base[:3]), atol=1e-14)
    again = composed(base, seen)
    np.testing.assert_allclose(again[:3], pose[:3], atol=1e-14)
    np.testing.assert_allclose(matrix_of(again), rotation.as_matrix(), atol=1e-14)
    np.testing.assert_allclose(matrix_of(seen), (back * rotation).as_matrix(), atol=1e-14)


def test_what_is_no_pose_is_said():
    assert problem_of(np.array([0, 0, 0, 0, 0, 0, 1.0])) is None
    assert "not finite" in problem_of(np.array([np.nan, 0, 0, 0, 0, 0, 1.0]))
    assert "length 0.000" in problem_of(np.zeros(7))
