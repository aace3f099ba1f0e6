"""Plans, joint states and poses for a policy, as other nodes would send them, and what it answers."""

import graph_stubs
import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.wire import messages as convert
from zipmo_ros.nodes.wire import topics

ROBOT = graph_stubs.ROBOT


class Hand:
    """Publishes plans, joint states or commands as another node would."""

    def __init__(self, graph, name="hand"):
        self.node = graph.add(Node(name, **graph.options()))
        self.plan = self.node.create_publisher(Image, topics.MOTION_EMBEDDING, topics.PLAN_OFFERED)
        self.info = self.node.create_publisher(String, topics.PLAN_INFO, topics.LATCHED)
        self.joints = self.node.create_publisher(JointState, topics.JOINT_STATES, topics.SENSOR)
        self.hand = self.node.create_publisher(PoseStamped, topics.CURRENT_POSE, topics.SENSOR)
        self.instruction = self.node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        self.pose = self.node.create_publisher(PoseStamped, topics.POSE, topics.COMMAND)
        self.gripper = self.node.create_publisher(JointTrajectory, topics.GRIPPER, topics.COMMAND)


class FedByHand:
    """A policy in realtime, wherever it runs: joint states, poses and plans for it, and the goals that it answers."""

    def __init__(self, graph, pose=(0.4, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0), fingers=(0.02, -0.02)):
        self.graph, self.measured, self.fingers = graph, np.array(pose), fingers
        self.hand = Hand(graph)
        self.goals, self.openings = [], []
        self.hand.node.create_subscription(PoseStamped, topics.POSE, self.goals.append, 10)
        self.hand.node.create_subscription(JointTrajectory, topics.GRIPPER, self.openings.append, 10)
        graph.until(
            lambda: (
                self.hand.plan.get_subscription_count()
                and self.hand.joints.get_subscription_count()
                and self.hand.node.count_publishers(topics.POSE) > 1
                and self.hand.node.count_publishers(topics.GRIPPER) > 1
            )
        )

    def send_plan(self, step, z=None, hand=None, spec=graph_stubs.SPEC, sentence="push"):
        plan = MotionPlan(
            step * ROBOT.period_ns, Sentence(sentence), spec, np.zeros((1, *graph_stubs.LATENT), np.float32)
        )
        message = convert.embedding_message(plan, "agentview")
        if z is not None:
            message.data = z.tobytes()
        (hand or self.hand).info.publish(convert.plan_info(plan, "hand"))
        (hand or self.hand).plan.publish(message)

    def send_state(self, step):
        stamp_ns = step * ROBOT.period_ns
        proprio = np.concatenate([graph_stubs.HOME[:7], self.fingers])
        self.hand.hand.publish(convert.pose_message(self.measured, stamp_ns, ROBOT))
        self.hand.joints.publish(convert.joint_state_message(proprio, stamp_ns, ROBOT))

    def offset(self, step=None):
        """How far along x the hand is to go from where it is measured: the newest goal, or that for a step."""
        goals = [g for g in self.goals if step is None or convert.to_ns(g.header.stamp) == step * ROBOT.period_ns]
        return round(goals[-1].pose.position.x - self.measured[0], 9) if goals else None

    def answer(self, step):
        """The offset that is commanded for step `step`."""
        for _ in range(20):  # joint states are best effort
            self.send_state(step)
            self.graph.turn(0.03)
            if (offset := self.offset(step)) is not None:
                return offset
        raise AssertionError(f"no command for step {step}")


class PolicyAlone(FedByHand):
    """The policy in this process, whose plans are told by their stamps alone."""

    def __init__(self, graph, **measured):
        options = graph.options(checkpoint="pushing", autostart=False)
        self.policy = graph.start(PolicyNode(graph_stubs.load_policy, **options))
        self.policy._chunks.watchdog.timeout = 1000.0
        super().__init__(graph, **measured)

    def run_to(self, step):
        """Have it act up to a step, on a plan of step 0."""
        self.answer(0)
        self.send_plan(0)
        self.graph.until(lambda: self.policy._chunks.horizon.stamp_ns == 0)
        for each in range(1, step):
            self.answer(each)


Z = np.zeros(graph_stubs.LATENT, np.float32)
PUSH = 0.5 * ROBOT.translation_m
