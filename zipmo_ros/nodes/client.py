"""Drives a graph of nodes through episodes, knowing only topics, the simulator's parameters and its ~/reset."""

from __future__ import annotations

import json
import logging
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.nodes.graph import GRAPHS, Graph
from zipmo_ros.nodes.processes import GraphProcesses
from zipmo_ros.runtime.commands import Command, to_action
from zipmo_ros.runtime.stamps import observation_stamp

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

    settings: suite, checkpoint, seed, replan_every, nfe, ensemble, max_steps, libero_assets: see runners. on_frames:
    gets every pair of images with its overlay, for videos. image_every: control steps between two pairs of images
    (None: replan_every). domain: ROS_DOMAIN_ID (None: one by process id).
    Use it as a context manager; `start` may also be called alone. A graph of which a node died is started afresh.
    """

    def __init__(self, settings: Any, mode: str = "lockstep", on_frames: OnFrames | None = None,
                 image_every: int | None = None, graph: Graph = GRAPHS["sim"], domain: int | None = None):  # fmt: skip
        given = {
            "checkpoint": str(settings.checkpoint),
            "suite": settings.suite,
            "seed": str(settings.seed),
            "replan_every": str(settings.replan_every),
            "image_every": str(image_every or ""),
            "max_steps": str(settings.max_steps or ""),
            "nfe": str(settings.nfe or 0),
            "ensemble": settings.ensemble,
            "libero_assets": str(settings.libero_assets or ""),
            "mode": mode,
            "autoreset": "false",
            "announce_instruction": "false",
        }
        self._graph, self._values = graph, graph.values(given)
        self._domain = 1 + os.getpid() % 100 if domain is None else domain
        self._on_frames = on_frames
        self._processes: GraphProcesses | None = None
        self._context = self._node = self._executor = None
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
        nodes = {node.name for node in self._graph.nodes}
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
        from geometry_msgs.msg import TwistStamped
        from rcl_interfaces.srv import SetParametersAtomically
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image
        from std_msgs.msg import String
        from std_srvs.srv import Trigger
        from trajectory_msgs.msg import JointTrajectory

        from zipmo_ros.nodes.wire import messages as convert
        from zipmo_ros.nodes.wire import topics

        node = self._node
        self._convert = convert
        self._status: dict[str, dict[str, str]] = {}
        self._report: dict[str, Any] = {}
        self._in_use: str | None = None
        self._span = 0, 0  # stamps of the running episode
        self._halves: dict[int, dict[str, Any]] = {}
        self._pair: dict[str, tuple[int, np.ndarray]] = {}
        self._frames: dict[int, dict[str, np.ndarray]] = {}  # stamp -> views whose overlay is still to come, in order
        self._emitted_ns = -1
        reliable = QoSProfile(depth=100)  # the simulator waits for no listener: keep what comes meanwhile
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10)
        node.create_subscription(String, topics.EPISODE, self._on_episode, topics.LATCHED)
        node.create_subscription(String, f"planner/{topics.INSTRUCTION_IN_USE}", self._on_in_use, topics.LATCHED)
        node.create_subscription(TwistStamped, topics.TWIST, self._on_twist, reliable)
        node.create_subscription(JointTrajectory, topics.GRIPPER, self._on_gripper, reliable)
        node.create_subscription(Image, topics.MOTION_EMBEDDING, self._on_plan, reliable)
        if self._on_frames is not None:
            sensor = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
            for view, topic in topics.IMAGES.items():
                node.create_subscription(Image, topic, lambda m, view=view: self._on_image(view, m), sensor)
            node.create_subscription(Image, topics.OVERLAY, self._on_overlay, reliable)
        self._instruction = node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        self._set_parameters = node.create_client(SetParametersAtomically, "sim/set_parameters_atomically")
        self._reset = node.create_client(Trigger, "sim/reset")
        self._clients = (self._set_parameters, self._reset)

    def run_episode(self, episode: Episode) -> Outcome:
        """Run one episode to its end; what breaks becomes the outcome's error. What was heard is in `recording`."""
        self.recording = Recording()
        try:
            if self._processes is not None and self._processes.ended():
                self.stop()
            if self._processes is None:
                self.start(episode.task)
            report = self._run(episode)
        except RuntimeError as crash:
            _log.error("episode %d (%s): %s", episode.number, episode.task, crash)
            self.stop()  # whatever state it is in
            return Outcome.of(episode, success=False, original_success=False,
                              steps=len(self.recording.actions), error=str(crash))  # fmt: skip
        ages = self.recording.plan_ages(self._values["mode"])
        done = report["done_tasks"]
        return Outcome.of(
            episode,
            success=report["state"] == "success",
            original_success=episode.task in done,
            steps=report["step"],
            error=report["reason"] if report["state"] == "error" else None,
            failure=report.get("failure"),
            done_tasks=tuple(done),
            plan_ms=_number(self._status.get("planner", {}).get("inference_ms_p50")),
            plan_age_ms=statistics.median(ages) if ages else None,
        )

    def _run(self, episode: Episode) -> dict[str, Any]:
        self._say(episode.instruction)
        self._configure({"task": episode.task, "goal": episode.instructed_task, "init_state": episode.init_state,
                         "seed": episode.seed, "episode": episode.number})  # fmt: skip
        self._report, self._emitted_ns = {}, -1
        self._frames.clear()
        self._span = observation_stamp(episode.number, 0), observation_stamp(episode.number + 1, 0)
        from std_srvs.srv import Trigger

        answer = self._ask(self._reset, Trigger.Request())
        if not answer.success:
            raise RuntimeError(f"the simulator refused the episode: {answer.message}")
        progress, since = -1, time.monotonic()
        while self._report.get("state") not in ("success", "failure", "error"):
            self._turn()
            if progress != len(self.recording.actions):
                progress, since = len(self.recording.actions), time.monotonic()
            elif time.monotonic() - since > STUCK:
                raise RuntimeError(f"no command for {STUCK:.0f} s at step {progress}; {self._complaints()}")
        report = self._report
        # the last commands and overlays may still be on their way here
        deadline = time.monotonic() + 1.0
        while (len(self.recording.actions) < report["step"] or self._frames) and time.monotonic() < deadline:
            self._turn()
        self._emit_frames(self._span[1], None)
        return report

    def _say(self, sentence: str) -> None:
        """Have the planner use the sentence, before the first image of the episode exists."""
        from std_msgs.msg import String

        self._in_use = None
        self._instruction.publish(String(data=sentence))
        self._until(lambda: self._in_use == sentence, 20.0, f"the planner does not take the instruction '{sentence}'")

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
        ended = self._processes.ended()
        if ended:
            name, code = next(iter(ended.items()))
            raise RuntimeError(f"node '{name}' ended with status {code}: {' | '.join(self._processes.lines[name])}")

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

    def _on_in_use(self, message: Any) -> None:
        self._in_use = message.data

    def _on_plan(self, message: Any) -> None:
        stamp_ns = self._convert.to_ns(message.header.stamp)
        if self._span[0] <= stamp_ns < self._span[1]:
            self.recording.plans.append(stamp_ns)

    def _on_twist(self, message: Any) -> None:
        self._take(message.header.stamp, "twist", self._convert.read_twist(message))

    def _on_gripper(self, message: Any) -> None:
        self._take(message.header.stamp, "gripper", self._convert.read_gripper(message))

    def _take(self, stamp: Any, half: str, value: Any) -> None:
        stamp_ns = self._convert.to_ns(stamp)
        if not self._span[0] <= stamp_ns < self._span[1]:
            return
        halves = self._halves.setdefault(stamp_ns, {})
        halves[half] = value
        if len(halves) == 2:
            del self._halves[stamp_ns]
            self.recording.actions[stamp_ns] = to_action(Command(*halves["twist"], halves["gripper"]))
            self.recording.plans_before[stamp_ns] = len(self.recording.plans)

    def _on_image(self, view: str, message: Any) -> None:
        stamp_ns = self._convert.to_ns(message.header.stamp)
        self._pair[view] = stamp_ns, self._convert.read_image(message)
        stamps = {stamp for stamp, _ in self._pair.values()}
        new = self._span[0] <= stamp_ns < self._span[1] and stamp_ns > self._emitted_ns
        if new and len(self._pair) == 2 and stamps == {stamp_ns}:
            self._frames[stamp_ns] = {name: image for name, (_, image) in self._pair.items()}

    def _on_overlay(self, message: Any) -> None:
        self._emit_frames(self._convert.to_ns(message.header.stamp), self._convert.read_image(message, size=None))

    def _emit_frames(self, until_ns: int, overlay: np.ndarray | None) -> None:
        """Hand out the frames up to a stamp; the overlay belongs to the last of them, those before it had none."""
        for stamp_ns in [stamp for stamp in self._frames if stamp <= until_ns]:
            self._emitted_ns = stamp_ns
            self._on_frames(self._frames.pop(stamp_ns), overlay if stamp_ns == until_ns else None)


def _number(text: str | None) -> float | None:
    return None if text in (None, "-") else float(text)
