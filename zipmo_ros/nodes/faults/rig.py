"""An arm that moves, nodes that drive it, as processes; what is to be done to them, and what is seen of the hand."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.domains import PrivateDomain
from zipmo_ros.nodes.faults.taps import Tap, relay
from zipmo_ros.nodes.graph import Graph
from zipmo_ros.nodes.processes import GraphProcesses
from zipmo_ros.nodes.transport import transport_variables
from zipmo_ros.nodes.wire import topics

START_PATIENCE = 120.0  # s until all nodes are active, on a busy machine
ANSWER = 1.0  # s that a service may take until it is asked again: its node may just have come back
HELD_EVERY = 0.05  # s between two words of the deadman
ROBOT_FILE = "robot.yaml"
MOVING = 0.08  # m/s of a hand that moves
SENTENCE = "never rest"


class Rig:
    """Has all of its nodes only turn while somebody waits: `turn` and `until`. Use it as a context manager.

    folder: has the ROBOT_FILE of what moves; it is gone with the rig. graph, values: the nodes that drive it. guarded:
    those of them that ~/arm re-arms. taps: where messages can be tampered with: of the robot, "joints", "hand" and its
    views; "plan" and "info" of the planner, "pose" and "gripper" of the policy. began: time (s) of the newest
    injection. stops: {node: {cause: when it was said}} since.
    domain: ROS_DOMAIN_ID (None: one that is free). log: file that takes what the nodes say.
    """

    def __init__(self, folder: tempfile.TemporaryDirectory[str], graph: Graph, values: Mapping[str, str],
                 guarded: tuple[str, ...], domain: int | None = None, log: Path | None = None):  # fmt: skip
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        os.environ.update(transport_variables())  # it publishes images
        self._folder, self.guarded = folder, guarded
        self.robot = load_robot(Path(folder.name, ROBOT_FILE))
        self._claim = PrivateDomain()  # freed with the rig
        domain = self._claim.claim() if domain is None else domain
        self.names = [node.name for node in graph.started(values)]
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.node = self.add(Node("faults", **self.options()))
        self._log = None if log is None else log.open("a")
        self.processes = GraphProcesses(graph, values, domain, self._on_line)
        self.taps: dict[str, Tap] = {
            "plan": relay(self.node, Image, topics.MOTION_EMBEDDING, topics.PLAN_REQUESTED),
            "info": relay(self.node, String, topics.PLAN_INFO, topics.LATCHED),
            "pose": relay(self.node, PoseStamped, topics.POSE, topics.COMMAND),
            "gripper": relay(self.node, JointTrajectory, topics.GRIPPER, topics.COMMAND),
        }
        self.began, self.stops = 0.0, dict[str, dict[str, float]]()
        self.states: dict[str, str] = {}
        self.held: bool | None = True  # what the deadman says; None: nothing
        self._clients: dict[tuple[str, type], Any] = {}
        self._deadman = self.node.create_publisher(Bool, topics.DEADMAN, topics.SENSOR)
        self._instruction = self.node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        self.emergency_stop = self.node.create_publisher(Bool, topics.EMERGENCY_STOP, topics.COMMAND)
        self.node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 100)
        self.node.create_timer(HELD_EVERY, self._hold)
        self.say(SENTENCE)

    def options(self) -> dict[str, Any]:
        """Of every node of this process."""
        return {"context": self.context, "use_global_arguments": False}

    def add(self, node: Any) -> Any:
        self.executor.add_node(node)
        return node

    def __enter__(self) -> Rig:
        self.processes.start()
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.processes.processes:
            self.signal(name, signal.SIGCONT)
        self.processes.stop()
        self.executor.shutdown()
        self.context.try_shutdown()
        self._folder.cleanup()
        if self._log is not None:
            self._log.close()

    # -- what is seen ---------------------------------------------------------------------------------------------

    @property
    def hands(self) -> deque[tuple[float, np.ndarray]]:
        """(s, pose [7]) of the hand as it truly is, the newest last."""
        raise NotImplementedError

    def path(self, since: float) -> np.ndarray:
        """[n, 4]: s and place (m) of the hand, from the last sample before a time on."""
        rows: list[list[float]] = []
        for at, pose in reversed(self.hands):
            rows.append([at, *map(float, pose[:3])])
            if at <= since:
                break
        return np.array(rows[::-1]).reshape(-1, 4)

    def speed(self) -> float:
        """Of the hand over the last two control periods, m/s."""
        path = self.path(time.monotonic() - 2 * self.robot.period_s)
        way = np.linalg.norm(np.diff(path[:, 1:], axis=0), axis=1).sum()
        return float(way / max(path[-1, 0] - path[0, 0], 1e-3)) if len(path) > 1 else 0.0

    def mark(self) -> None:
        """The injection begins now."""
        self.began = time.monotonic()
        self.stops.clear()

    # -- waiting --------------------------------------------------------------------------------------------------

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(left, 0.02))

    def until(self, condition: Callable[[], Any], timeout: float) -> bool:
        """Whether it becomes true in time."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.executor.spin_once(timeout_sec=0.01)
        return True

    # -- what is done ---------------------------------------------------------------------------------------------

    def say(self, sentence: str) -> None:
        """Give an instruction."""
        self._instruction.publish(String(data=sentence))

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a node's process, if it is there."""
        process = self.processes.processes[name]
        if process.poll() is None:
            process.send_signal(number)

    def ask(self, name: str, kind: type, request: Any, timeout: float = ANSWER) -> Any:
        """The answer of a service, or None."""
        if (name, kind) not in self._clients:
            self._clients[name, kind] = self.node.create_client(kind, name)
        client = self._clients[name, kind]
        if not client.service_is_ready():
            self.turn(0.05)
            return None
        answer = client.call_async(request)
        return answer.result() if self.until(answer.done, timeout) else None

    def trigger(self, node: str, service: str) -> str | None:
        """Call ~/stop or ~/arm of a node; None, or why it refuses."""
        answer = self.ask(f"{node}/{service}", Trigger, Trigger.Request())
        return "no answer" if answer is None else None if answer.success else answer.message

    def transition(self, node: str, name: str) -> None:
        """Have a node's lifecycle go on, and do not wait for it."""
        number = getattr(Transition, f"TRANSITION_{name.upper()}")
        self.ask(f"{node}/change_state", ChangeState, ChangeState.Request(transition=Transition(id=number)), 0.0)

    def recover(self, patience: float = START_PATIENCE) -> str | None:
        """Start what has ended, re-arm what is stopped, and wait for the hand to move; None, or what is in the way."""
        deadline, why = time.monotonic() + patience, "it does not move"
        while time.monotonic() < deadline:
            for name in self.processes.ended():
                self.states.pop(name, None)
                self.processes.restart(name)
            if waiting := [name for name in self.names if self.states.get(name) != "active"]:
                why = f"{', '.join(f'{name} is {self.states.get(name)}' for name in waiting)}"
                self.turn(0.05)
                continue
            self.bring_back()
            refused = {name: text for name in self.guarded if (text := self.trigger(name, "arm"))}
            why = "; ".join(f"{name}: {text}" for name, text in refused.items()) or "it does not move"
            if not refused and self.until(lambda: self.speed() > MOVING, 1.5):
                return None
            self.turn(0.1)
        return why

    def bring_back(self) -> None:
        """Before it is armed again, the arm may be put where it began."""

    def _on_line(self, name: str, line: str) -> None:
        if self._log is not None:
            self._log.write(f"[{name}] {line}\n")
            self._log.flush()

    def _hold(self) -> None:
        if self.held is not None:
            self._deadman.publish(Bool(data=self.held))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.states[status.name] = values.get("state", "")
            causes = values.get("stopped_by", "-")
            for cause in causes.split(", ") if causes != "-" else ():
                self.stops.setdefault(status.name, {}).setdefault(cause, time.monotonic())
