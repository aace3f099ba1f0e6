"""Drives a graph of nodes through episodes, knowing only topics, the simulator's parameters and its ~/reset."""

from __future__ import annotations

import json
import logging
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.plan import Verdict
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.stamps import observation_stamp
from zipmo_ros.nodes.domains import PrivateDomain
from zipmo_ros.nodes.graph import GRAPHS, PLANNER, POLICY, Graph
from zipmo_ros.nodes.processes import GraphProcesses
from zipmo_ros.runtime.commands import to_action
from zipmo_ros.runtime.pairing import Pairing

_log = logging.getLogger(__name__)

# Views {name: uint8 [H, W, 3]} of one moment, and the plan drawn on both side by side (None where it was not heard).
OnFrames = Callable[[dict[str, np.ndarray], "np.ndarray | None"], None]
START_PATIENCE = 300.0  # s until all nodes are active: loading torch and a simulator on a busy machine takes long
STUCK = 180.0  # s without a command until an episode counts as stuck; making an environment is part of it


@dataclass
class Recording:
    """What was heard on the command and plan topics during one episode."""

    actions: dict[int, np.ndarray] = field(default_factory=dict)  # stamp in ns -> action float64 [7]
    plans: list[int] = field(default_factory=list)  # stamps in ns, as they came
    plans_before: dict[int, int] = field(default_factory=dict)  # stamp of a command -> plans that had come by then
    hands: list[np.ndarray] = field(default_factory=list)  # positions [3] (m) at commands, as they came
    verdict: Verdict | None = None  # on the sentence, where the planner can tell

    @property
    def refused(self) -> bool:
        """Whether the arm holds because the sentence was not understood."""
        return self.verdict is not None and self.verdict.refused

    @property
    def moved_m(self) -> float:
        """How far from where it was first the hand has been."""
        return max((float(np.linalg.norm(hand - self.hands[0])) for hand in self.hands), default=0.0)

    def action_array(self) -> np.ndarray:
        """Actions [steps, 7] in order of time."""
        return np.stack([self.actions[stamp] for stamp in sorted(self.actions)])

    def plan_ages(self, mode: str) -> list[float]:
        """Age (ms of simulated time) of the newest plan at every command, in order of time.

        In lockstep a command waits for its plan, whichever of the two is heard first here; in realtime only plans that
        had come by then count.
        """
        ages = []
        for stamp in sorted(self.actions):
            known = self.plans if mode == "lockstep" else self.plans[: self.plans_before[stamp]]
            usable = [plan for plan in known if plan <= stamp]
            if usable:
                ages.append((stamp - max(usable)) / 1e6)
        return ages


class GraphDriver:
    """A graph of its own, in a ROS domain of its own, that runs episodes one after another.

    given: arguments of the graph, see nodes/graph.py. on_frames: gets all images with their overlay, for videos.
    domain: ROS_DOMAIN_ID (None: one that no other graph of ours is in).
    Use it as a context manager; `start` may also be called alone. A graph of which a node died is started afresh.
    """

    def __init__(self, given: Mapping[str, str], on_frames: OnFrames | None = None, graph: Graph = GRAPHS["sim"],
                 domain: int | None = None):  # fmt: skip
        fixed = {"autoreset": "false", "announce_instruction": "false"}
        self._graph, self._values = graph, graph.values({**given, **fixed})
        self._robot = load_robot()
        self._claim = PrivateDomain()  # freed with the driver
        self._domain = self._claim.claim() if domain is None else domain
        self._on_frames = on_frames
        self._processes: GraphProcesses | None = None
        self._context: Any = None  # of rclpy, which is imported when the graph starts
        self._node: Any = None
        self._executor: Any = None
        self.recording = Recording()

    def __enter__(self) -> GraphDriver:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, task: str = "") -> None:
        """Start the nodes and wait until all are active. Raises RuntimeError when one of them can't."""
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        self._processes = GraphProcesses(self._graph, {**self._values, "task": task}, self._domain,
                                         lambda name, line: _log.info("[%s] %s", name, line))  # fmt: skip
        self._processes.start()
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=self._domain)
        self._node = rclpy.create_node("driver", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._listen()
        nodes = {node.name for node in self._graph.started(self._values)}
        self._until(lambda: nodes <= {name for name, values in self._status.items() if values["state"] == "active"},
                    START_PATIENCE, "the nodes are not active")  # fmt: skip
        for client in self._clients:
            self._until(client.service_is_ready, 10.0, f"{client.srv_name} is not there")

    def stop(self) -> None:
        """End the nodes."""
        if self._processes is not None:
            self._processes.stop()
        if self._executor is not None:
            self._executor.shutdown()
            self._node.destroy_node()
            self._context.try_shutdown()
        self._processes = self._executor = None

    def _listen(self) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import PoseStamped
        from rcl_interfaces.srv import SetParametersAtomically
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image
        from std_msgs.msg import String
        from std_srvs.srv import Trigger
        from trajectory_msgs.msg import JointTrajectory

        from zipmo_ros.nodes.wire import messages as convert
        from zipmo_ros.nodes.wire import topics

        node = self._node
        self._convert, self._topics = convert, topics
        self._status: dict[str, dict[str, str]] = {}
        self._report: dict[str, Any] = {}
        self._in_use: dict[str, str] = {}  # by node
        self._span = 0, 0  # stamps of the running episode
        self._commands = Pairing((topics.CURRENT_POSE, topics.POSE, topics.GRIPPER), depth=100)
        self._pair = Pairing(self._robot.views)
        self._frames: dict[int, dict[str, np.ndarray]] = {}  # stamp -> views whose overlay is still to come, in order
        self._emitted_ns = -1
        reliable = QoSProfile(depth=100)  # the simulator waits for no listener: keep what comes meanwhile
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10)
        node.create_subscription(String, topics.EPISODE, self._on_episode, topics.LATCHED)
        for name in self._followers():
            topic = f"{name}/{topics.INSTRUCTION_IN_USE}"
            node.create_subscription(String, topic, partial(self._on_in_use, name), topics.LATCHED)
        for topic in (topics.CURRENT_POSE, topics.POSE):
            node.create_subscription(PoseStamped, topic, partial(self._on_pose, topic), reliable)
        node.create_subscription(JointTrajectory, topics.GRIPPER, self._on_gripper, reliable)
        node.create_subscription(Image, topics.MOTION_EMBEDDING, self._on_plan, reliable)
        node.create_subscription(String, topics.PLAN_INFO, self._on_info, topics.LATCHED)
        if self._on_frames is not None:
            sensor = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
            for view in self._robot.views:
                topic = topics.image_topic(view)
                node.create_subscription(Image, topic, partial(self._on_image, view), sensor)
            node.create_subscription(Image, topics.OVERLAY, self._on_overlay, reliable)
        self._instruction = node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        self._set_parameters = node.create_client(SetParametersAtomically, "sim/set_parameters_atomically")
        self._reset = node.create_client(Trigger, "sim/reset")
        self._arm = node.create_client(Trigger, f"{POLICY.name}/arm")
        self._end_episode = node.create_client(Trigger, "sim/end_episode")
        self._clients = (self._set_parameters, self._reset, self._arm, self._end_episode)

    def run_episode(self, task: str, goal: str, init_state: int, seed: int, number: int, instruction: str,
                    approach: bool = False) -> dict:  # fmt: skip
        """Run one episode to its end, and return what the simulator says of it (the message on `episode`).

        task, goal, init_state, seed, number, approach: parameters of the simulator. What was heard is in `recording`.
        Raises RuntimeError for what breaks; the graph is started afresh for the next one.
        """
        self.recording = Recording()
        try:
            if self._processes is not None and self._processes.ended():
                self.stop()
            if self._processes is None:
                self.start(task)
            self._say(instruction)
            self._configure({"task": task, "goal": goal, "init_state": init_state, "seed": seed, "episode": number,
                             "approach": approach})  # fmt: skip
            return self._run(number)
        except RuntimeError:
            self.stop()  # whatever state it is in
            raise

    def plan_ms(self) -> float | None:
        """Median time of one plan, or of one chunk of a policy that needs no plan."""
        planner = self._status.get("planner", self._status.get("policy", {}))
        text = planner.get("inference_ms_p50")
        return None if text in (None, "-") else float(text)

    def plan_age_ms(self) -> float | None:
        """Median age of the plan at use in the last episode, in simulated time."""
        ages = self.recording.plan_ages(self._values["mode"])
        return statistics.median(ages) if ages else None

    def _run(self, number: int) -> dict[str, Any]:
        self._report, self._emitted_ns = {}, -1
        self._frames.clear()
        period_ns = self._robot.period_ns
        self._span = observation_stamp(number, 0, period_ns), observation_stamp(number + 1, 0, period_ns)
        from std_srvs.srv import Trigger

        answer = self._ask(self._reset, Trigger.Request())
        if not answer.success:
            raise RuntimeError(f"the simulator refused the episode: {answer.message}")
        if self._values["mode"] == "realtime":  # the silence before has stopped it, and nothing resumes by itself

            def begun_and_armed() -> bool:
                return bool(self.recording.actions) and self._ask(self._arm, Trigger.Request()).success

            self._until(begun_and_armed, 20.0, "the policy is not armed")
        progress, since = -1, time.monotonic()
        while self._report.get("state") not in ("success", "failure", "error"):
            self._turn()
            if self.recording.refused:  # it would hold until the end
                self._ask(self._end_episode, Trigger.Request())
            if progress != len(self.recording.actions):
                progress, since = len(self.recording.actions), time.monotonic()
            elif time.monotonic() - since > STUCK:
                raise RuntimeError(f"no command for {STUCK:.0f} s at step {progress}; {self._complaints()}")
        report = self._report
        if self.recording.refused and report["state"] == "error":
            report = {**report, "state": "failure", "reason": "the sentence was not understood"}
        # the last commands and overlays may still be on their way here
        deadline = time.monotonic() + 1.0
        while (len(self.recording.actions) < report["step"] or self._frames) and time.monotonic() < deadline:
            self._turn()
        self._emit_frames(self._span[1], None)
        return report

    def _say(self, sentence: str) -> None:
        """Have planner and policy use the sentence, before the first image of the episode exists."""
        from std_msgs.msg import String

        self._in_use.clear()
        self._instruction.publish(String(data=sentence))
        self._until(lambda: self._in_use == dict.fromkeys(self._followers(), sentence), 20.0,
                    f"the instruction '{sentence}' is not taken")  # fmt: skip

    def _followers(self) -> list[str]:
        """Names of the nodes that follow an instruction."""
        return [node.name for node in self._graph.started(self._values) if node in (PLANNER, POLICY)]

    def _configure(self, parameters: Mapping[str, Any]) -> None:
        from rcl_interfaces.srv import SetParametersAtomically
        from rclpy.parameter import Parameter

        request = SetParametersAtomically.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg() for name, value in parameters.items()]
        )
        result = self._ask(self._set_parameters, request).result
        if not result.successful:
            raise RuntimeError(f"the simulator refused {dict(parameters)}: {result.reason}")

    def _turn(self) -> None:
        self._executor.spin_once(timeout_sec=0.1)
        processes = self._processes
        if processes is not None and (ended := processes.ended()):
            name, code = next(iter(ended.items()))
            raise RuntimeError(f"node '{name}' ended with status {code}: {' | '.join(processes.lines[name])}")

    def _until(self, condition: Callable[[], Any], patience: float, otherwise: str) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{otherwise} after {patience:.0f} s; {self._complaints()}")
            self._turn()

    def _ask(self, client: Any, request: Any) -> Any:
        answer = client.call_async(request)
        self._until(answer.done, 30.0, f"no answer from {client.srv_name}")
        return answer.result()

    def _complaints(self) -> str:
        return "; ".join(f"{name}: {values['message']}" for name, values in self._status.items()) or "no node reports"

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self._status[status.name] = {**values, "message": status.message}

    def _on_episode(self, message: Any) -> None:
        self._report = json.loads(message.data)

    def _on_info(self, message: Any) -> None:
        plain = json.loads(message.data).get("verdict")
        if plain and self._span[0] <= plain["judged_ns"] < self._span[1]:
            self.recording.verdict = Verdict(**plain)

    def _on_in_use(self, name: str, message: Any) -> None:
        self._in_use[name] = message.data

    def _on_plan(self, message: Any) -> None:
        stamp_ns = self._convert.to_ns(message.header.stamp)
        if self._span[0] <= stamp_ns < self._span[1]:
            self.recording.plans.append(stamp_ns)

    def _on_pose(self, topic: str, message: Any) -> None:
        self._take(message.header.stamp, topic, self._convert.read_pose(message, self._robot))

    def _on_gripper(self, message: Any) -> None:
        self._take(message.header.stamp, self._topics.GRIPPER, self._convert.read_gripper(message, self._robot))

    def _take(self, stamp: Any, topic: str, value: Any) -> None:
        stamp_ns = self._convert.to_ns(stamp)
        if not self._span[0] <= stamp_ns < self._span[1]:
            return
        if (parts := self._commands.add(topic, stamp_ns, value)) is not None:
            hand, pose, gripper = parts.values()
            self.recording.hands.append(hand[:3])
            self.recording.actions[stamp_ns] = to_action(Command(pose, gripper), hand, self._robot)
            self.recording.plans_before[stamp_ns] = len(self.recording.plans)

    def _on_image(self, view: str, message: Any) -> None:
        stamp_ns = self._convert.to_ns(message.header.stamp)
        images = self._pair.add(view, stamp_ns, self._convert.read_image(message))
        if images is not None and max(self._span[0], self._emitted_ns + 1) <= stamp_ns < self._span[1]:
            self._frames[stamp_ns] = images

    def _on_overlay(self, message: Any) -> None:
        self._emit_frames(self._convert.to_ns(message.header.stamp), self._convert.read_image(message))

    def _emit_frames(self, until_ns: int, overlay: np.ndarray | None) -> None:
        """Hand out the frames up to a stamp; the overlay belongs to the last of them, those before it had none."""
        for stamp_ns in [stamp for stamp in self._frames if stamp <= until_ns]:
            self._emitted_ns = stamp_ns
            images = self._frames.pop(stamp_ns)
            if self._on_frames is not None:
                self._on_frames(images, overlay if stamp_ns == until_ns else None)
