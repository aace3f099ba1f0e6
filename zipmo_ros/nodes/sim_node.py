"""A simulated arm with its cameras: commands in, observations out."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.command_inputs import CommandInputs
from zipmo_ros.nodes.diagnostics import WARN, Rate
from zipmo_ros.nodes.graph import SIM
from zipmo_ros.nodes.guard import Guard
from zipmo_ros.nodes.instruction import Announcement
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.settings import SimParameters
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.runtime.commands import to_action
from zipmo_ros.runtime.latency import LatencyWindow
from zipmo_ros.runtime.pairing import Pairing
from zipmo_ros.runtime.safety import Safety
from zipmo_ros.runtime.watchdog import Watchdog
from zipmo_sim.simulator import Moment, Setup, Simulator, Suites
from zipmo_sim.suites import render_settings

PROGRESS_EVERY = 20  # steps between two progress messages


class SimNode(ManagedNode):
    """Runs episodes of a suite's task. The environment lives in the worker thread; this class only talks.

    Lockstep: after observation k nothing happens until the command with its stamp is there. Realtime: a step every
    control period with the newest valid command, or standing still with the gripper held once commands fail to come.
    """

    entry = SIM
    schema = SimParameters

    def __init__(self, suites: Suites | None = None, **options: Any):
        self._suites = suites
        self._simulator: Simulator | None = None
        self._episode: Setup | None = None
        self._moment: Moment | None = None
        self._announced: str | None = None  # so that another round of a task leaves the user's own sentence in use
        self._stepping = False  # the worker has the episode; the next observation is on its way
        self._messages: dict[str, Any] = {}  # newest observation, by topic
        self._halves = Pairing((topics.POSE, topics.GRIPPER))  # of commands
        self._command: Command | None = None
        self._command_ns = 0  # its stamp
        self._asked_at = 0.0
        self._step_time, self._rate, self._repeats = LatencyWindow(), Rate(), 0
        self._ticks = self._overruns = self._told_ticks = self._told_overruns = 0
        super().__init__(**options)
        self._robot = load_robot(self.settings.robot)
        self.safety = Safety(self._robot, automatic=self.settings.automatic)
        self._guard = Guard(self, self.safety, lambda: None, self.settings.deadman_timeout)
        self._guard.follow_commander(lambda: self._command is not None and not self._waits)
        self._watchdog = Watchdog(f"{topics.POSE} and {topics.GRIPPER}", self.settings.command_timeout)
        self._time = self.create_publisher(Clock, topics.CLOCK, topics.SENSOR)
        self._sensors = {
            topics.CURRENT_POSE: self.create_lifecycle_publisher(PoseStamped, topics.CURRENT_POSE, topics.OFFERED),
            topics.JOINT_STATES: self.create_lifecycle_publisher(JointState, topics.JOINT_STATES, topics.SENSOR),
            **{
                t: self.create_lifecycle_publisher(Image, t, topics.SENSOR)
                for t in map(topics.image_topic, self._robot.views)
            },
        }
        self._progress = self.create_lifecycle_publisher(String, topics.EPISODE, topics.LATCHED)
        self._announcement = Announcement(self)
        CommandInputs(self, self._robot, self.settings.command_interface, self._take, self._hand_at)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(Trigger, "~/end_episode", self._on_end_episode)
        self.create_timer(self._robot.period_s, self._tick, clock=self.steady)

    def load(self) -> None:
        if self.settings.command_interface and not self._waits:
            raise ValueError("as an arm node's controller a simulated arm waits: mode must be lockstep")
        suites = self._suites or importlib.import_module("zipmo_sim.suites")
        given = {"assets": self.settings.libero_assets, "max_steps": self.settings.max_steps}
        options = {name: value for name, value in given.items() if value}
        if self.settings.perturb:
            options |= {"perturb": self.settings.perturb, "strength": self.settings.strength}
        if self.settings.settle:
            options["settle"] = self.settings.settle
        size = self._robot.cameras[0].size
        if size or self.settings.look:
            options["render"] = render_settings(self.settings.suite, self.settings.look, size)
        self._simulator = Simulator(suites, options, self.settings.image_phase)
        episode = self._describe()
        self._simulator.prepare(episode.suite, episode.task)

    @property
    def simulator(self) -> Simulator:
        """There from `load` to `unload`."""
        assert self._simulator is not None
        return self._simulator

    def unload(self) -> None:
        if self._simulator is not None:
            self._simulator.close()
        self._simulator = None

    def begin(self) -> None:
        self._announced = None
        self._progress.publish(String(data=json.dumps({"state": "idle", "waits": self._waits})))
        if self.settings.autoreset:
            self._start_episode(self._describe())

    def end(self) -> None:
        self._finish("error", "the simulator was deactivated")

    @property
    def _waits(self) -> bool:
        return self.settings.mode == "lockstep"

    def _arm(self) -> None:
        """Somebody starts an episode: a new beginning for the arm, whatever stopped it before."""
        self.safety.reset()
        self._guard.report()

    def _describe(self, init_state: int | None = None) -> Setup:
        """The episode of the parameters, or the same from another initial state, under that one's usual number."""
        s = self.settings
        state, number = (s.init_state, s.episode) if init_state is None else (init_state, -1)
        return self.simulator.describe(s.suite, s.task, s.goal, state, s.seed, number, s.image_every, s.approach)

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Start the episode that the parameters describe."""
        try:
            if not self.active:
                raise ValueError("the simulator is not active")
            episode = self._describe()
        except Exception as error:  # whatever a suite finds wrong with the parameters
            response.success, response.message = False, str(error)
            return response
        self._finish("error", "another episode was started")
        self._arm()
        self._start_episode(episode)
        response.success, response.message = True, json.dumps(asdict(episode))
        return response

    def _on_end_episode(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = running = self._episode is not None
        response.message = "ended" if running else "no episode is running"
        self._finish("error", "ended by request")
        return response

    def _start_episode(self, episode: Setup) -> None:
        self._episode, self._moment = episode, None
        self._messages, self._command, self._command_ns = {}, None, 0
        if self.safety.armed:
            self.safety.reset()  # the hand is elsewhere now
        self._halves.reset()
        self._watchdog.reset()
        self._watchdog.timeout = self.settings.command_timeout
        # Before the environment's own reset, which takes far longer than the sentence needs to arrive.
        if self.settings.announce_instruction and episode.language != self._announced:
            self._announced = episode.language
            self._announcement.give(episode.language)
        self._work(episode, lambda: self.simulator.begin(episode))

    def _work(self, episode: Setup, job: Callable[[], Moment]) -> None:
        """Have the worker do something that ends in an observation of the running episode."""
        began = time.perf_counter()
        self._stepping = True

        def then(moment: Moment) -> None:
            if self._episode is episode:
                self._step_time.add(1e3 * (time.perf_counter() - began))
                self._on_moment(episode, moment)

        def failed(error: Exception) -> None:
            if self._episode is episode:
                self._finish("error", f"{type(error).__name__}: {error}")

        self.submit(job, then, failed)

    def _on_moment(self, episode: Setup, moment: Moment) -> None:
        self._stepping, self._moment = False, moment
        observation = moment.observation
        stamp_ns = observation.stamp_ns
        assert observation.hand is not None  # a simulator measures it
        self._messages[topics.CURRENT_POSE] = messages.pose_message(observation.hand, stamp_ns, self._robot)
        self._messages[topics.JOINT_STATES] = messages.joint_state_message(observation.proprio, stamp_ns, self._robot)
        for view, image in observation.images.items():
            self._messages[topics.image_topic(view)] = messages.image_message(image, stamp_ns, view)
        self._rate.tick()
        if moment.last:
            done = episode.achieved(moment.done_tasks)
            self._finish("success" if done else "failure", "" if done else "the step limit was reached")
            return
        self._publish_observation(observation, set(map(topics.image_topic, observation.images)))
        if observation.step % PROGRESS_EVERY == 0:
            self._publish_progress(episode, "running", "")

    def _publish_observation(self, observation: Observation, images: Collection[str]) -> None:
        """images: topics of those to publish besides what is felt."""
        seconds = messages.to_stamp(observation.stamp_ns)
        self._time.publish(Clock(clock=seconds))
        for topic, message in self._messages.items():
            if topic in images or topic in (topics.CURRENT_POSE, topics.JOINT_STATES):
                self._sensors[topic].publish(message)
        self._asked_at = time.monotonic()

    def _publish_progress(self, episode: Setup, state: str, reason: str) -> None:
        moment = self._moment
        report = {
            **asdict(episode),
            "step": self._step_number(),
            "state": state,
            "waits": self._waits,
            "reason": reason,
            "done_tasks": moment.done_tasks if moment else (),
            "failure": moment and moment.failure,
        }
        self._progress.publish(String(data=json.dumps(report)))

    def _step_number(self) -> int:
        return self._moment.observation.step if self._moment else 0

    def _finish(self, state: str, reason: str) -> None:
        """End the running episode, if there is one; with autoreset another follows unless this one broke."""
        ended = self._episode
        if ended is None:
            return
        self._publish_progress(ended, state, reason)
        step = self._step_number()
        self._episode, self._stepping = None, False
        self.get_logger().info(f"{ended.task} from state {ended.init_state}: {state} at step {step} {reason}".rstrip())
        if state == "error":
            self.report.event(f"episode {ended.number}: {reason}")
        self.report.problem("command", None)
        if self.settings.autoreset and state != "error":
            try:
                self._start_episode(self._describe(ended.next_state))
            except Exception as error:  # parameters may have changed to something that does not exist
                self.report.event(f"no further episode: {error}")

    def _hand_at(self, stamp_ns: int) -> np.ndarray | None:
        observation = self._moment and self._moment.observation
        return observation.hand if observation and observation.stamp_ns == stamp_ns else None

    def _take(self, topic: str, stamp_ns: int, value: Any) -> None:
        """A command is whole when both halves of one stamp are there."""
        halves = self._halves.add(topic, stamp_ns, value)
        if self._moment is None or self._episode is None or halves is None:
            return
        newest = self._moment.observation.stamp_ns
        if not self.simulator.stamp_ns(self._episode, 0) <= stamp_ns <= newest:
            return  # of another episode
        age = (newest - stamp_ns) / 1e9
        if not self._waits and age > self.settings.command_timeout:
            raise ValueError(f"a command of {age:.2f} s ago (limit {self.settings.command_timeout:.2f} s)")
        if not self._waits and stamp_ns < self._command_ns:
            back = (self._command_ns - stamp_ns) / 1e9
            self.safety.trip("backward stamp", f"a command's stamp lies {back:.3f} s before the last one's")
            return
        self._command_ns = stamp_ns
        self._command = Command(halves[topics.POSE], halves[topics.GRIPPER])
        self._watchdog.feed()
        if self._waits and stamp_ns == newest and not self._stepping:
            self.report.problem("command", None)
            self._step(self._episode, self._moment.observation, self._command)

    def _step(self, episode: Setup, observation: Observation, command: Command) -> None:
        assert observation.hand is not None  # a simulator measures it
        opening = self._robot.opening(observation.proprio)
        action = to_action(command, observation.hand, self._robot, opening)
        self._work(episode, lambda: self.simulator.step(episode, action))

    def _tick(self) -> None:
        """Every control period of wall clock."""
        if self._episode is None or self._moment is None or not self.active:
            return
        if self._waits:
            if not self._stepping and time.monotonic() - self._asked_at > self.settings.patience:
                self._ask_again(self._episode, self._moment.observation)
            return
        self._ticks += 1
        if self._stepping:
            self._overruns += 1
        else:
            self._step(self._episode, self._moment.observation, self._commanded(self._moment.observation))

    def _commanded(self, observation: Observation) -> Command:
        """The newest command while it is fresh and nothing else stops the arm; else it is held where it is."""
        assert observation.hand is not None
        self._guard.check()
        self.safety.gripper_seen(self._robot.opening(observation.proprio))
        problem = self._watchdog.problem()
        begun = self._command is not None
        self.report.problem("command", None if begun else f"it is held: {problem}", WARN)
        if problem is None:
            self.safety.over("stale command")
        elif begun:
            self.safety.trip("stale command", problem)
        if rivals := self.rivals():
            self.safety.trip("two publishers", rivals)
        else:
            self.safety.over("two publishers")
        joints = observation.proprio[: len(self._robot.joints)]
        allowed = self.safety.allow(self._command, observation.hand, joints, observation.stamp_ns)
        self._guard.report()
        assert allowed is not None  # hand and gripper are known
        return allowed

    def check(self) -> None:
        """Steps that came too late since the last look."""
        ticks, missed = self._ticks - self._told_ticks, self._overruns - self._told_overruns
        self._told_ticks, self._told_overruns = self._ticks, self._overruns
        text = f"{missed} of the last {ticks} control steps came too late: the simulator is too slow for realtime here"
        self.report.problem("overruns", text if missed else None, WARN)

    def _ask_again(self, episode: Setup, observation: Observation) -> None:
        """The observation or its command may have been lost, or nobody may be there yet."""
        self._repeats += 1
        stamp = f"{observation.stamp_ns / 1e9:.2f} s"
        text = f"step {observation.step} of episode {episode.number} waits for the command with stamp {stamp}"
        self.report.problem("command", text, WARN)
        self._publish_observation(observation, self._messages)

    def values(self) -> dict:
        return {
            "rate_hz": self._rate.read(), "step_ms_p50": self._step_time.p50, "step_ms_p95": self._step_time.p95,
            "overruns": self._overruns, "repeats": self._repeats, "safety": self.safety.state,
            "mode": self.settings.mode, "episode": self._episode and self._episode.number, "step": self._step_number(),
            "stopped_by": self.safety.stopped_by,
        }  # fmt: skip


def main(args: list[str] | None = None) -> int:
    return run(SimNode, args)


if __name__ == "__main__":
    sys.exit(main())
