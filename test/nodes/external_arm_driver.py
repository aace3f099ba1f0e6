"""A program of somebody else: drives the simulated arm, knowing nothing of this project but its table of topics."""

import json
import sys

import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

rclpy.init()
node = rclpy.create_node("somebody")
best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
goals = node.create_publisher(PoseStamped, "command/pose", 1)
grippers = node.create_publisher(JointTrajectory, "command/gripper", 1)
images = {}
ends = []


def act(hand):
    """Go 5 mm further along x."""
    hand.pose.position.x += 0.005
    grippers.publish(JointTrajectory(header=hand.header, joint_names=["gripper_opening"],
                                     points=[JointTrajectoryPoint(positions=[0.08])]))  # fmt: skip
    goals.publish(hand)


def end(message):
    episode = json.loads(message.data)
    if episode["state"] in ("success", "failure", "error"):
        ends.append(episode)


for view in ("agentview", "eye_in_hand"):
    node.create_subscription(Image, f"{view}/image_raw", lambda m, view=view: images.update({view: m}), best_effort)
node.create_subscription(PoseStamped, "current_pose", act, best_effort)
node.create_subscription(String, "episode", end, latched)
while not ends:
    rclpy.spin_once(node, timeout_sec=0.1)
shapes = {view: [m.height, m.width, m.encoding] for view, m in images.items()}
sys.stdout.write(json.dumps({"episode": ends[0], "images": shapes}) + "\n")
node.destroy_node()
rclpy.try_shutdown()
