"""A client that is not ours: crisp-python moves the arm by (0.06, -0.04, 0.05) m, and says where it came to.

What it imports for other purposes has no wheel: empty modules of those names stand in.
"""

import json
import os
import sys
import types

import numpy as np


def stand_in(name, *contents):
    module = sys.modules[name] = types.ModuleType(name)
    for content in contents:
        setattr(module, content, type(content, (), {"Goal": None, "Result": None}))


for name in ("tf2_ros", "control_msgs", "controller_manager_msgs"):
    stand_in(name, "TransformStamped")
stand_in("tf2_ros.buffer", "Buffer")
stand_in("tf2_ros.transform_listener", "TransformListener")
stand_in("control_msgs.action", "FollowJointTrajectory")
stand_in("controller_manager_msgs.srv", "ConfigureController", "ListControllers", "LoadController", "SwitchController")

from crisp_py.robot import robot as crisp  # noqa: E402
from crisp_py.robot.robot_config import PandaConfig  # noqa: E402

# They switch controllers and go home, by messages that have no wheel.
crisp.ControllerSwitcherClient = crisp.JointTrajectoryControllerClient = lambda node, **options: None

robot = crisp.Robot(robot_config=PandaConfig(base_frame="panda_link0"))
robot.wait_until_ready(timeout=20.0)
start = robot.end_effector_pose
goal = start.position + np.array([0.06, -0.04, 0.05])
robot.move_to(position=goal, speed=0.1)
rate = robot.node.create_rate(20)
for _ in range(60):
    rate.sleep()
    if np.linalg.norm(robot.end_effector_pose.position - goal) < 0.002:
        break
end = robot.end_effector_pose
told = {
    "left_m": float(np.linalg.norm(end.position - goal)),
    "moved_m": float(np.linalg.norm(end.position - start.position)),
    "turned_rad": float((end.orientation * start.orientation.inv()).magnitude()),
    "joints": robot.joint_values.tolist(),
}
sys.stdout.write(json.dumps(told) + "\n")
sys.stdout.flush()
os._exit(0)  # the client leaves its spinning thread behind
