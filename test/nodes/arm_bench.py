"""The arm node before an arm by its messages alone, and somebody who commands it."""

from pathlib import Path

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.pose import moved
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.arm_node import ArmNode
from zipmo_ros.nodes.faults import fake_arms
from zipmo_ros.nodes.wire import messages, topics

ROBOT_FILE = Path(__file__).with_name("stand_in.yaml")
ROBOT = load_robot(ROBOT_FILE)
STEP = np.array([0.03, 0, 0, 0, 0, 0])  # m: the offset that is kept
SPEED = 0.03 * ROBOT.response.gain  # m/s that the hand then moves at
STILL = 0.002  # m/s
# s: a busy machine holds any of the nodes up for a while, which is no fault to be found here.
PATIENT = {"command_timeout": 1.0, "joint_timeout": 1.0}


class Commander(Node):
    """Commands the arm as a policy does: at every control step the measured hand, moved by an offset."""

    def __init__(self, graph, offset=STEP, name="commander"):
        super().__init__(name, **graph.options())
        self.offset, self.gripper, self.frame, self.late_s = offset, ROBOT.gripper_open_m, ROBOT.base_frame, 0.0
        self.hand, self.stopped = None, False
        self.pose = self.create_publisher(PoseStamped, topics.POSE, topics.COMMAND)
        self.opening = self.create_publisher(JointTrajectory, topics.GRIPPER, topics.COMMAND)
        self.create_subscription(PoseStamped, topics.CURRENT_POSE, self._on_hand, topics.SENSOR)
        self.create_timer(ROBOT.period_s, self._tick)

    def _on_hand(self, message):
        if message.header.frame_id == ROBOT.base_frame:
            self.hand = messages.read_pose(message, ROBOT)

    def _tick(self):
        if self.hand is not None and not self.stopped:
            self.send(moved(self.hand, self.offset))

    def send(self, pose, stamp_ns=None):
        now = self.get_clock().now().nanoseconds - round(1e9 * self.late_s)
        pose, gripper = messages.command_messages(Command(pose, self.gripper), stamp_ns or now, ROBOT)
        pose.header.frame_id = self.frame
        self.opening.publish(gripper)
        self.pose.publish(pose)


class Bench:
    """A fake arm, the arm node before it, and somebody who commands."""

    def __init__(self, graph, interface="joint_velocity", commands=True, tells_pose=True, **parameters):
        self.graph = graph
        given = {
            "command_interface": interface, "gripper_interface": "position_array", "begin_armed": True,
            "autostart": False, "robot": str(ROBOT_FILE), **PATIENT, **parameters,
        }  # fmt: skip
        self.arm = graph.add(fake_arms.STAND_INS[interface](ROBOT, tells_pose=tells_pose, **graph.options()))
        self.node = graph.start(ArmNode(**graph.options(**given)))
        self.commander = graph.add(Commander(graph)) if commands else None

    def until_it_moves(self):
        self.graph.until(lambda: self.arm.hands and self.arm.speed() > SPEED / 4, what="for the arm to move")

    def stops(self, *reasons):
        """Wait until it stands, then see that it stays so; metres that the hand has moved meanwhile."""
        before = self.arm.hand

        def stands():
            return not self.node.safety.armed and self.arm.speed() < STILL

        self.graph.until(stands, what="for the arm to stop")
        self.graph.turn(0.1)  # on a busy machine it may have been between two commands
        self.graph.until(stands, what="for the arm to stand still")
        for reason in reasons:
            assert reason in self.node.safety.reason
        after = self.arm.hand
        self.graph.turn(0.4)
        assert np.linalg.norm(self.arm.hand[:3] - after[:3]) < 2e-3, "it moved on"
        return float(np.linalg.norm(after[:3] - before[:3]))

    def call(self, name):
        client = self.node.create_client(Trigger, f"{self.node.get_name()}/{name}")
        future = client.call_async(Trigger.Request())
        self.graph.until(future.done)
        return future.result()
