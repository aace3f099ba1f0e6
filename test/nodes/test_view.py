"""What is wrong with the images of one camera, by an injected clock."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the states are diagnostics'")

from zipmo_ros.nodes import states
from zipmo_ros.nodes.view import Seen, View

MS = 10**6
PICTURES = [np.full((4, 4, 3), shade, np.uint8) for shade in range(200)]
STILL = np.zeros(7)


class Scene:
    """A camera at 10 Hz, whose clock and picture may do as they like."""

    def __init__(self, ahead=0.0):
        self.now, self.ahead, self.count = 1000.0, ahead, 0
        self.view = View("left/image_raw", 2.0, lambda: self.now, lambda: round(1e9 * self.now))

    def show(self, seconds, posture=lambda t: STILL, picture=None, stamp=None):
        """Returns whether each image was a picture of now."""
        taken = []
        for _ in range(round(10 * seconds)):
            self.now += 0.1
            self.count += 1
            stamp_ns = round(1e9 * (self.now + self.ahead)) if stamp is None else stamp
            image = PICTURES[self.count % 200] if picture is None else picture
            self.view.arrived(stamp_ns)
            taken.append(self.view.take(stamp_ns, image.copy(), posture(self.now)))
        return taken

    @property
    def state(self):
        seen = self.view.problem()
        return seen and seen.state


def moving(t):
    return STILL + 0.1 * t


def test_the_posture_of_an_episode_before_is_not_held_against_a_still_picture():
    """The first image of an episode may come before its first joint state."""
    scene = Scene()
    scene.show(1, moving)
    scene.ahead = 1e6
    assert all(scene.show(0.1, moving, PICTURES[0]))
    assert all(scene.show(5, picture=PICTURES[0]))
    assert scene.state is None


def test_pictures_that_change_are_fine_and_so_is_a_still_one_of_a_still_arm():
    scene = Scene()
    assert all(scene.show(5, moving))
    assert scene.state is None
    assert all(scene.show(5, picture=PICTURES[0]))
    assert scene.state is None
    # The scene is drawn, and the joints tremble: nothing has moved.
    assert all(scene.show(5, lambda t: STILL + 1e-3 * np.sin(t), PICTURES[0]))
    assert scene.state is None


@pytest.mark.parametrize(("posture", "blind"), [(moving, False), (lambda t: None, True)])
def test_a_picture_that_keeps_coming_while_the_arm_moves_is_frozen(posture, blind):
    scene = Scene()
    scene.show(1, moving)
    taken = scene.show(5, posture, PICTURES[0])
    assert taken[0]
    assert not any(taken[25:])  # after 2 s of motion
    assert scene.state == states.PICTURE_FROZEN
    assert ("no joint states" in scene.view.problem().text) == blind
    assert all(scene.show(0.1, posture))
    assert scene.state is None


def test_a_gap_says_nothing_of_the_picture():
    """As between two episodes that begin alike, where the first image comes before the joint states."""
    scene = Scene()
    scene.show(1, picture=PICTURES[0])
    scene.now += 60
    assert all(scene.show(0.1, lambda t: None, PICTURES[0]))
    assert all(scene.show(5, picture=PICTURES[0]))
    assert scene.state is None


def test_joint_states_that_come_later_are_believed():
    scene = Scene()
    scene.show(5, lambda t: None, PICTURES[0])
    assert scene.state == states.PICTURE_FROZEN
    assert all(scene.show(5, picture=PICTURES[0]))
    assert scene.state is None


def test_stamps_that_stand_while_messages_come():
    scene = Scene()
    scene.show(1, moving)
    scene.show(3, moving, PICTURES[0], stamp=round(1e9 * scene.now))
    assert scene.state == states.STAMPS_STAND
    scene.show(0.1, moving)
    assert scene.state is None


def test_a_clock_that_is_ahead_is_measured_and_said_and_its_images_are_not_used():
    scene = Scene(ahead=0.5)
    with pytest.raises(ValueError, match=r"the clock of left/image_raw is 0.50 s ahead of this machine's ROS time"):
        scene.show(3)
    assert scene.view.offset == pytest.approx(0.5)
    scene.now += 2.5
    assert scene.view.problem() == Seen(states.CLOCK_AHEAD, scene.view.said_offset())


def test_one_stamp_that_is_ahead_is_no_clock_that_is():
    scene = Scene()
    scene.show(2)
    scene.view.arrived(round(1e9 * (scene.now + 5)))
    assert all(scene.show(2))
    assert scene.state is None
    assert not scene.view.late
    scene.ahead = -0.4
    scene.show(3)
    assert scene.view.late
    assert scene.view.said_offset() == "the clock of left/image_raw is 0.40 s behind this machine's ROS time"


def test_simulated_time_can_not_be_compared():
    scene = Scene(ahead=-1e8)
    assert all(scene.show(3))
    assert scene.view.offset is None
    assert "can't be compared" in scene.view.said_offset()


def test_what_is_refused_is_a_state_once_nothing_else_comes():
    scene, why = Scene(), Seen(states.IMAGES_REFUSED, "encoding is 'mono8'")
    scene.show(1)
    scene.view.refuse(why)
    assert scene.state is None  # one alone
    for _ in range(25):
        scene.now += 0.1
        scene.view.arrived(round(1e9 * scene.now))
        scene.view.refuse(why)
    assert scene.view.problem() == why
    scene.show(0.1)
    assert scene.state is None


def test_camera_info_of_another_size():
    scene = Scene()
    assert scene.view.misinformed() is None
    scene.view.size, scene.view.told_size = (240, 320), (480, 640)
    seen = scene.view.misinformed()
    assert seen.state == states.CAMERA_INFO_DIFFERS
    assert "480 x 640 pixels, its images 240 x 320" in seen.text
    scene.view.told_size = (240, 320)
    assert scene.view.misinformed() is None
