"""Planner and policy once more on what was recorded, without ROS, beside what they said then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from zipmo_ros.contract import topics
from zipmo_ros.contract.goal import Goal, Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Planner, Policy
from zipmo_ros.contract.reading import read_gripper, read_plan, read_pose, to_ns
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.stamps import EPISODE_GAP_NS
from zipmo_ros.data.bag import Bag, Heard
from zipmo_ros.evaluation.recorded import RecordedSenses
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.runtime.safety import Safety

OUTPUTS = (topics.MOTION_EMBEDDING, topics.POSE, topics.GRIPPER)


@dataclass
class Comparison:
    """Of one topic: what was recorded, and what comes out now.

    unanswered: stamps of what could not be made again, because images or poses of it were not recorded.
    """

    stamps: list[int] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)  # largest absolute one of each message
    differing: list[int] = field(default_factory=list)  # stamps of those that are not the same to the bit
    unanswered: list[int] = field(default_factory=list)
    skipped: int = 0  # messages that are nobody's to answer: what they were made of is older than the recording

    def add(self, stamp_ns: int, recorded: np.ndarray, replayed: np.ndarray | None) -> None:
        """Compare one message; None: it could not be made again."""
        if replayed is None:
            self.unanswered.append(stamp_ns)
            return
        same = recorded.shape == replayed.shape and recorded.tobytes() == replayed.tobytes()
        gap = np.abs(recorded - replayed).max() if recorded.shape == replayed.shape else np.inf
        self.stamps.append(stamp_ns)
        self.differences.append(float(gap))
        if not same:
            self.differing.append(stamp_ns)

    @property
    def identical(self) -> int:
        return len(self.stamps) - len(self.differing)

    @property
    def heard(self) -> bool:
        """Whether the recording has anything of this topic."""
        return bool(self.stamps or self.unanswered)

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "count": len(self.stamps),
            "identical": self.identical,
            "max_difference": max(self.differences, default=None),
            "differing": self.differing,
            "unanswered": self.unanswered,
            "skipped": self.skipped,
            "stamps": self.stamps,
            "differences": self.differences,
        }


class PlannerReplay:
    """Plans for exactly the observations that were planned for, and shows the planner those in between."""

    def __init__(self, planner: Planner, seed: int):
        self.planner, self._seed = planner, seed
        self._seen: dict[int, Observation] = {}  # since the newest plan, by stamp
        self._planned: Observation | None = None
        self._episode = -1
        self._reset = False

    def see(self, observation: Observation, episode: int) -> None:
        """Take what was shown next; episode: see RecordedSenses."""
        if episode != self._episode:
            self._seen.clear()
            self._planned, self._episode, self._reset = None, episode, True
        self._seen[observation.stamp_ns] = observation

    def plan(self, stamp_ns: int, goal: Goal) -> tuple[Observation, MotionPlan] | None:
        """The plan for an observation; None where its images were not recorded. Those before it are forgotten."""
        if self._planned is None or self._planned.stamp_ns != stamp_ns:
            if stamp_ns not in self._seen:
                return None
            if self._reset:
                self.planner.reset()
                self._reset = False
            for passed in [stamp for stamp in self._seen if stamp < stamp_ns]:
                self.planner.observe(self._seen.pop(passed))
            self._planned = self._seen.pop(stamp_ns)
        return self._planned, self.planner.plan(self._planned, goal, self._seed)


class PolicyReplay:
    """Makes chunks of plans, or of images for a policy that needs no plan, and commands of chunks."""

    def __init__(self, policy: Policy, horizon: Horizon):
        self.policy, self._horizon, self._safety = policy, horizon, Safety(horizon.robot)
        self._episode = -1
        self._goal: Goal | None = None  # of the chunks that are held

    def see(self, episode: int) -> None:
        """Begin anew with another episode; see RecordedSenses."""
        if episode != self._episode:
            self._episode = episode
            self.policy.reset()
            self._horizon.reset()
            self._safety.reset()

    def act(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> None:
        """Take a plan, if one is due. What was made for another goal goes."""
        if goal != self._goal:
            self._goal = goal
            self._horizon.reset()
        if not self._horizon.due(observation.stamp_ns):
            return
        if plan is not None and plan.refused:
            self._horizon.hold(observation.stamp_ns)
            return
        chunk = np.asarray(self.policy.act(observation, goal, plan), np.float64)
        if (problem := self._safety.check_chunk(chunk)) is not None:
            self._safety.trip("chunk", problem)
        else:
            self._horizon.add(observation.stamp_ns, chunk)

    def feel(self, felt: Observation) -> None:
        """A pose of the hand was measured, between commands; one that a command is made for is felt with it."""
        assert felt.hand is not None
        self._horizon.feel(felt.stamp_ns, felt.hand)

    def awaits_plan(self, stamp_ns: int) -> bool:
        """Whether a simulator that waits would not have got its command for a stamp yet."""
        return self._safety.armed and self._horizon.due(stamp_ns)

    def command(self, felt: Observation) -> dict[str, np.ndarray] | None:
        """What was to be said for what was felt, by topic; None where no plan or no pose of the hand is known."""
        robot, hand = self._horizon.robot, felt.hand
        try:
            if hand is None or not len(felt.proprio):
                return None
            wanted = self._horizon.command(felt.stamp_ns, hand)
        except LookupError:
            return None
        self._safety.gripper_seen(robot.opening(felt.proprio))
        command = self._safety.allow(wanted, hand, felt.proprio[: len(robot.joints)], felt.stamp_ns)
        return None if command is None else {topics.POSE: command.pose, topics.GRIPPER: np.array([command.gripper])}


class Replay:
    """Goes through a bag once. planner, policy: None leaves out what they say.

    A plan is made where the recording has one. lockstep: a command is compared once the plan that it was due, and the
    pose of the hand of its stamp, are there, in whichever order the recorder heard of them. Else with what the plans
    received before it lead to, which is not always what the policy knew by then.
    """

    def __init__(self, bag: Bag, robot: RobotSpec, planner: Planner | None, policy: Policy | None, *, horizon: Horizon,
                 seed: int, lockstep: bool, transport: str = "raw", skew_ns: int = 0):  # fmt: skip
        models = [model for model in (planner, policy) if model is not None]
        self._bag, self._robot, self._lockstep = bag, robot, lockstep
        self._senses = RecordedSenses(robot, max(model.spec.image_size for model in models), transport, skew_ns)
        self._planner = None if planner is None else PlannerReplay(planner, seed)
        self._policy = None if policy is None else PolicyReplay(policy, horizon)
        self._episode = 0
        self._info: Any = None
        self._early: list[Any] = []  # embeddings from before the first info
        self._goal: Goal | None = None  # of a policy that needs no plan
        self._newest_plan: tuple[int, bytes] | None = None
        self._commands: list[tuple[str, int, np.ndarray]] = []  # still to be compared: topic, stamp, what was said
        self.comparisons = {topic: Comparison() for topic in OUTPUTS}
        self.dropped: list[str] = []  # messages that the nodes could not read either
        self.stopped = False  # the policy said that its arm was: commands then follow what no bag holds
        # Stamp of the commands that the recording holds all chunks of, if it does.
        self._whole_from = None if lockstep else 0

    @property
    def episodes(self) -> int:
        """How often time began anew in what was gone through."""
        return self._senses.episodes

    def run(self) -> dict[str, Comparison]:
        """By topic, how what was said then compares with what is said now."""
        others = (topics.PLAN_INFO, topics.INSTRUCTION, topics.DIAGNOSTICS)
        for heard in self._bag.messages(*self._senses.topics, *OUTPUTS, *others):
            try:
                self._take(heard)
            except ValueError as error:
                self.dropped.append(f"{heard.topic}: {error}")
            self._compare_commands(self._is_ready)
        self._compare_commands(lambda _: True)
        return self.comparisons

    def _take(self, heard: Heard) -> None:
        if heard.topic == topics.PLAN_INFO:
            self._info = heard.message
            early, self._early = self._early, []
            for message in early:
                self._on_embedding(message)
        elif heard.topic == topics.DIAGNOSTICS:
            self.stopped |= _says_stopped(heard.message, self._bag.full_name("policy").lstrip("/"))
        elif heard.topic == topics.INSTRUCTION:
            self._goal = Sentence(heard.message.data)
        elif heard.topic == topics.MOTION_EMBEDDING:
            self._on_embedding(heard.message)
        elif heard.topic in OUTPUTS:
            self._on_command(heard)
        else:
            observation = self._senses.take(heard)
            if heard.topic == topics.CURRENT_POSE and self._policy is not None and not self._lockstep:
                self._policy.feel(self._senses.at(to_ns(heard.message.header.stamp)))
            if observation is not None:
                self._on_observation(observation)

    def _on_observation(self, observation: Observation) -> None:
        if (episode := self._senses.episodes) != self._episode:
            self._episode = episode
            self._compare_commands(lambda stamp_ns: not self._senses.belongs(stamp_ns))  # before all is forgotten
            from_the_start = not self._lockstep or observation.stamp_ns % EPISODE_GAP_NS == 0
            self._whole_from = 0 if from_the_start else None
        if self._planner is not None:
            self._planner.see(observation, episode)
        if self._policy is not None:
            self._policy.see(episode)
            if self._policy.policy.spec.plan is None and self._goal is not None:
                self._policy.act(self._with_feeling(observation), self._goal, None)

    def _with_feeling(self, observation: Observation) -> Observation:
        return self._senses.at(observation.stamp_ns, observation.step, observation.images)

    def _on_embedding(self, message: Any) -> None:
        if self._info is None:
            self._early.append(message)
            return
        recorded = read_plan(message, self._info)
        identity = recorded.stamp_ns, recorded.embedding.tobytes()
        if self._planner is None or identity == self._newest_plan:  # an answer repeated
            return
        self._newest_plan = identity
        made = self._planner.plan(recorded.stamp_ns, recorded.goal)
        embedding = None if made is None else made[1].embedding
        self.comparisons[topics.MOTION_EMBEDDING].add(recorded.stamp_ns, recorded.embedding, embedding)
        if made is not None and self._policy is not None and self._policy.policy.spec.plan is not None:
            observation, plan = made[0], replace(made[1], verdict=recorded.verdict)
            if self._whole_from is None:
                chunk_ns = self._policy.policy.spec.chunk * self._robot.period_ns
                self._whole_from = observation.stamp_ns + chunk_ns
            self._policy.act(self._with_feeling(observation), plan.goal, plan)

    def _on_command(self, heard: Heard) -> None:
        if self._policy is None:
            return
        stamp_ns = to_ns(heard.message.header.stamp)
        if heard.topic == topics.POSE:
            recorded = read_pose(heard.message, self._robot)
        else:
            recorded = np.array([read_gripper(heard.message, self._robot)])
        self._commands.append((heard.topic, stamp_ns, recorded))

    def _compare_commands(self, ready: Callable[[int], bool]) -> None:
        """Compare those commands whose stamps are ready with what there is."""
        waiting, self._commands = self._commands, []
        for topic, stamp_ns, recorded in waiting:
            if self._policy is None or not ready(stamp_ns):
                self._commands.append((topic, stamp_ns, recorded))
                continue
            said = self._policy.command(self._senses.at(stamp_ns))
            if self._whole_from is None or stamp_ns < self._whole_from:
                self.comparisons[topic].skipped += 1
                continue
            self.comparisons[topic].add(stamp_ns, recorded, None if said is None else said[topic])

    def _is_ready(self, stamp_ns: int) -> bool:
        """Whether all is there that the policy had when it gave the command."""
        if not self._lockstep or self._policy is None:
            return True
        there = self._senses.belongs(stamp_ns) and self._senses.felt(stamp_ns)
        return there and not self._policy.awaits_plan(stamp_ns)


def _says_stopped(message: Any, name: str) -> bool:
    """Whether a status of this name tells that its safety layer has stopped the arm."""
    return any(
        pair.key == "safety" and pair.value == "stopped"
        for status in message.status
        if status.name == name
        for pair in status.values
    )


def differing(comparisons: dict[str, Comparison]) -> Iterator[str]:
    """What is not as it was, a line a topic."""
    for topic, comparison in comparisons.items():
        if comparison.differing:
            yield f"{topic}: {len(comparison.differing)} of {len(comparison.stamps)} differ"
