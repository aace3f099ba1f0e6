"""What a bag holds, gone through once more: the same to the bit, or said where not."""

import json
from pathlib import Path

import graph_stubs
import numpy as np
import pytest

pytest.importorskip("rosbags")

from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from zipmo_ros.apps import replay as command
from zipmo_ros.contract import topics
from zipmo_ros.contract.goal import Sentence, goal_to_plain
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.stamps import EPISODE_GAP_NS, observation_stamp
from zipmo_ros.data.bag import Bag
from zipmo_ros.data.bag_writer import BagWriter
from zipmo_ros.evaluation.replay import Comparison, Replay
from zipmo_ros.runtime.horizons import make_horizon
from zipmo_ros.runtime.safety import Safety

ROBOT = graph_stubs.ROBOT
STORE = get_typestore(Stores.ROS2_KILTED)
T = STORE.types
GOAL = Sentence("wander about")
HAND = np.array([0.5, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])


def header(stamp_ns, frame=""):
    time = T["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
    return T["std_msgs/msg/Header"](time, frame)


def image(array, stamp_ns, encoding):
    height, width = array.shape[:2]
    data = np.frombuffer(array.tobytes(), np.uint8)
    return T["sensor_msgs/msg/Image"](header(stamp_ns), height, width, encoding, 0, array.nbytes // height, data)


def look(stamp_ns):
    shade = np.random.default_rng(stamp_ns % 2**32).integers(0, 256, (2, 128, 128, 3), np.uint8)
    return dict(zip(ROBOT.views, shade, strict=True))


def feel(stamp_ns):
    middle = np.mean(ROBOT.joint_limits, axis=1)
    return np.append(middle, [0.02, -0.02]) + stamp_ns % 10**9 / 1e10


def feel_too_far(stamp_ns):
    """Past the joints' limits: the safety layer stops the arm at once, and stays so until the next episode."""
    return np.append(np.max(ROBOT.joint_limits, axis=1) + 0.1, [0.02, -0.02])


class Scribe:
    """Writes what a graph in lockstep would say."""

    def __init__(self, folder):
        self.writer, self.received_ns, self.known = BagWriter(folder, 2**30), 10**18, set()

    def say(self, topic, message):
        kind = message.__msgtype__
        if topic not in self.known:
            self.writer.declare(topic, kind, [])
            self.known.add(topic)
        self.received_ns += 10**6
        self.writer.add(topic, self.received_ns, bytes(STORE.serialize_cdr(message, kind)))

    def show(self, stamp_ns):
        for view, pixels in look(stamp_ns).items():
            self.say(f"/{topics.image_topic(view)}", image(pixels, stamp_ns, "rgb8"))

    def plan(self, planner, observation, seed=0):
        plan = planner.plan(observation, GOAL, seed)
        told = {"planner": "stub", "plan": plan.spec.to_plain(), "goal": goal_to_plain(GOAL)}
        if f"/{topics.PLAN_INFO}" not in self.known:
            self.say(f"/{topics.PLAN_INFO}", T["std_msgs/msg/String"](json.dumps(told)))
        views, height, width, channels = plan.embedding.shape
        stacked = plan.embedding.reshape(views * height, width, channels)
        self.say(f"/{topics.MOTION_EMBEDDING}", image(stacked, observation.stamp_ns, f"32FC{channels}"))
        return plan

    def step(self, stamp_ns, position, hand):
        names = list(ROBOT.proprio_names)
        joints = T["sensor_msgs/msg/JointState"](header(stamp_ns), names, position, np.empty(0), np.empty(0))
        self.say(f"/{topics.JOINT_STATES}", joints)
        self.say(f"/{topics.CURRENT_POSE}", self.pose(hand, stamp_ns))

    def pose(self, pose, stamp_ns):
        place, turn = T["geometry_msgs/msg/Point"](*pose[:3]), T["geometry_msgs/msg/Quaternion"](*pose[3:])
        where = T["geometry_msgs/msg/Pose"](place, turn)
        return T["geometry_msgs/msg/PoseStamped"](header(stamp_ns, ROBOT.base_frame), where)

    def command(self, command, stamp_ns):
        self.say(f"/{topics.POSE}", self.pose(command.pose, stamp_ns))
        none = np.empty(0)
        point = T["trajectory_msgs/msg/JointTrajectoryPoint"](
            np.array([command.gripper]), none, none, none, T["builtin_interfaces/msg/Duration"](0, ROBOT.period_ns)
        )
        trajectory = T["trajectory_msgs/msg/JointTrajectory"](header(stamp_ns), [ROBOT.gripper_joint], [point])
        self.say(f"/{topics.GRIPPER}", trajectory)


def moving(stamp_ns):
    """A pose of a hand that moves sideways, a little unevenly."""
    seconds = stamp_ns % EPISODE_GAP_NS / 1e9
    return HAND + np.array([0.0, 0.05 * seconds + 0.02 * seconds**2, 0.0, 0.0, 0.0, 0.0, 0.0])


def horizon(execution="ensemble"):
    return make_horizon(execution, "intended", 2, ROBOT)


def record(folder, steps=6, episodes=(0, 1), image_every=2, plan_every=2, run=None, overtaken=False, feel=feel,
           stopped=False, execution="ensemble", hand=lambda stamp_ns: HAND):  # fmt: skip
    """A bag of episodes in lockstep, made with the stand-ins. overtaken: commands are heard before what led to them."""
    scribe, planner, policy = Scribe(folder), graph_stubs.StubPlanner(), graph_stubs.StubPolicy()
    for episode in episodes:
        held, safety = horizon(execution), Safety(ROBOT)
        for step in range(steps):
            stamp_ns = observation_stamp(episode, step, ROBOT.period_ns)
            observation = Observation(stamp_ns, step, look(stamp_ns), feel(stamp_ns).astype(np.float32))
            planned = step % plan_every == 0
            if planned:
                held.add(stamp_ns, policy.act(observation, GOAL, planner.plan(observation, GOAL, 0)))
            felt = observation.proprio
            safety.gripper_seen(ROBOT.opening(felt))
            at = hand(stamp_ns)
            command = safety.allow(held.command(stamp_ns, at), at, felt[: len(ROBOT.joints)], stamp_ns)
            if overtaken:
                scribe.command(command, stamp_ns)
            scribe.step(stamp_ns, feel(stamp_ns), at)
            if step % image_every == 0:
                scribe.show(stamp_ns)
            if planned:
                scribe.plan(planner, observation)
            if not overtaken:
                scribe.command(command, stamp_ns)
    if stopped:
        pair = T["diagnostic_msgs/msg/KeyValue"]("safety", "stopped")
        status = T["diagnostic_msgs/msg/DiagnosticStatus"](2, "policy", "", "", [pair])
        scribe.say(topics.DIAGNOSTICS, T["diagnostic_msgs/msg/DiagnosticArray"](header(0), [status]))
    scribe.writer.describe(run or {})
    return Bag(scribe.writer.close())


def replayed(bag, planner=None, seed=0):
    replay = Replay(bag, ROBOT, planner or graph_stubs.StubPlanner(), graph_stubs.StubPolicy(), horizon=horizon(),
                    seed=seed, lockstep=True)  # fmt: skip
    return replay, replay.run()


def test_the_same_planner_and_seed_plan_the_same_to_the_bit(tmp_path):
    planner = graph_stubs.StubPlanner()
    replay, found = replayed(record(tmp_path / "bag"), planner)
    assert [len(c.stamps) for c in found.values()] == [6, 12, 12]
    assert [c.identical for c in found.values()] == [6, 12, 12]
    assert not any(c.unanswered for c in found.values())
    assert (replay.episodes, planner.resets, planner.observed, replay.dropped) == (2, 2, [], [])


@pytest.mark.parametrize("felt", [feel, feel_too_far])
def test_what_the_recorder_heard_in_another_order_is_the_same(tmp_path, felt):
    _, found = replayed(record(tmp_path / "bag", overtaken=True, feel=felt))
    assert [c.identical for c in found.values()] == [6, 12, 12]
    assert not any(c.unanswered for c in found.values())


def test_another_seed_is_seen(tmp_path):
    _, found = replayed(record(tmp_path / "bag"), seed=1)
    embeddings = found[topics.MOTION_EMBEDDING]
    assert embeddings.identical == 0
    assert min(embeddings.differences) > 0
    assert embeddings.differing == embeddings.stamps


def test_what_was_shown_between_plans_is_observed(tmp_path):
    planner = graph_stubs.StubPlanner()
    _, found = replayed(record(tmp_path / "bag", image_every=1, plan_every=3), planner)
    assert found[topics.MOTION_EMBEDDING].identical == 4
    assert planner.observed == [1, 2] * 2  # what came after an episode's last plan is nobody's past


def test_plans_whose_images_are_missing_are_told(tmp_path):
    scribe, planner = Scribe(tmp_path / "bag"), graph_stubs.StubPlanner()
    for stamp_ns in (10**9, 2 * 10**9):
        scribe.plan(planner, Observation(stamp_ns, 0, look(stamp_ns)))
    scribe.show(10**9)
    _, found = replayed(Bag(scribe.writer.close()))
    assert found[topics.MOTION_EMBEDDING].unanswered == [10**9, 2 * 10**9]
    assert not found[topics.MOTION_EMBEDDING].stamps


def test_commands_whose_chunks_are_older_than_the_recording_are_skipped(tmp_path):
    whole = record(tmp_path / "whole", steps=30, episodes=(0,))
    first_ns = next(h.received_ns for h in whole.messages(topics.MOTION_EMBEDDING) if h.message.header.stamp.nanosec)
    late = BagWriter(tmp_path / "late", 2**30)
    with AnyReader([whole.folder]) as reader:
        for connection in reader.connections:
            late.declare(connection.topic, connection.msgtype, [])
        for connection, received_ns, data in reader.messages():
            if received_ns >= first_ns or connection.topic == f"/{topics.PLAN_INFO}":
                late.add(connection.topic, received_ns, data)
    _, found = replayed(Bag(late.close()))
    poses = found[topics.POSE]
    assert poses.skipped >= graph_stubs.StubPolicy.spec.chunk
    assert poses.identical == len(poses.stamps) == 28 - poses.skipped
    assert len(found[topics.MOTION_EMBEDDING].unanswered) == 1  # its images came before


def test_a_stopped_arm_binds_no_command(tmp_path, capsys):
    scribe_run = run_facts()
    bag = record(tmp_path / "bag", run=scribe_run, stopped=True)
    scribe_run["nodes"]["policy"]["parameters"]["policy"] = "test_replay:make_pushing_policy"
    (bag.folder / "run.json").write_text(json.dumps(scribe_run))
    assert command.main([str(bag.folder)]) == 0
    assert "the arm was stopped during this recording" in capsys.readouterr().out
    assert json.loads((bag.folder / "replay.json").read_text())["topics"][topics.POSE]["differing"]


def test_an_answer_repeated_counts_once(tmp_path):
    scribe, planner = Scribe(tmp_path / "bag"), graph_stubs.StubPlanner()
    for _ in range(2):  # nobody answered: shown again, planned for again
        scribe.show(10**9)
        scribe.plan(planner, Observation(10**9, 0, look(10**9)))
    _, found = replayed(Bag(scribe.writer.close()))
    assert (found[topics.MOTION_EMBEDDING].identical, found[topics.MOTION_EMBEDDING].unanswered) == (1, [])


def test_zeros_of_either_sign_differ():
    comparison = Comparison()
    comparison.add(1, np.array([0.0]), np.array([-0.0]))
    comparison.add(2, np.array([1.0]), np.array([1.0]))
    assert (comparison.identical, comparison.differing, comparison.differences) == (1, [1], [0.0, 0.0])


def make_planner(bundle, robot, execution):
    return graph_stubs.StubPlanner()


def make_pushing_policy(bundle, robot, execution):
    return graph_stubs.PushingPolicy()


def make_policy(bundle, robot, execution):
    return graph_stubs.StubPolicy()


def run_facts(execution="ensemble", **planner):
    """As the recorder writes it, of stand-ins beside the shipped bundle."""
    from zipmo_ros.models import bundle_hash, bundle_path

    digest = {"checkpoint_hash": bundle_hash(bundle_path(None))}
    common = {"checkpoint": "", "robot": "panda", "device": "cpu", "threads": 1, "image_transport": "raw"}
    parameters = {**common, "planner": "test_replay:make_planner", "seed": 0, "nfe": 0, "replan_every": 2, **planner}
    policy = {**common, "policy": "test_replay:make_policy", "mode": "lockstep", "ensemble": "intended",
              "execution": execution, "replan_every": 2}  # fmt: skip
    nodes = {"planner": {"parameters": parameters, "models": digest}, "policy": {"parameters": policy}}
    return {"namespace": "/", "nodes": nodes, "changes": []}


def test_the_command_compares_and_tells(tmp_path, capsys):
    bag = str(record(tmp_path / "bag", run=run_facts()).folder)
    assert command.main([bag]) == 0
    shown = capsys.readouterr().out
    assert "replayed as recorded" in shown
    report = json.loads(Path(bag, "replay.json").read_text())
    assert report["topics"][topics.MOTION_EMBEDDING]["identical"] == 6
    assert report["broken"] == []
    assert Path(bag, "replay.png").read_bytes().startswith(b"\x89PNG")

    assert command.main([bag, "seed=1", f"out={tmp_path / 'other'}"]) == 0  # another seed may differ
    assert "not as recorded: seed=1" in capsys.readouterr().out
    assert (tmp_path / "other/replay.json").is_file()


def test_the_same_checkpoint_that_plans_something_else_is_an_error(tmp_path, capsys):
    bag = str(record(tmp_path / "bag", run=run_facts(seed=5)).folder)  # recorded with 0
    assert command.main([bag]) == 1
    assert "motion_embedding: 6 of 6 differ" in capsys.readouterr().err


@pytest.mark.parametrize(("told", "status"), [("anchored", 0), ("ensemble", 1)])
def test_commands_are_made_the_way_that_the_recording_says(tmp_path, capsys, told, status):
    bag = record(tmp_path / "bag", run=run_facts(execution=told), execution="anchored", hand=moving)
    assert command.main([str(bag.folder)]) == status
    assert (f"{topics.POSE}: " in capsys.readouterr().err) == bool(status)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "say which bag"),
        (["/nowhere"], "there is no bag '/nowhere'"),
        (["BAG", "sede=1"], "sede"),
        (["BAG"], "name one with checkpoint="),
        (["BAG", "checkpoint=nano-mini", "planner=nosuch:Foo"], "'nosuch:Foo' can't be used"),
        (["BAG", "checkpoint=nano-mini"], "say it with replan_every="),
        (["CUT"], "make it whole with `zipmo record recover="),
    ],
)
def test_what_can_not_be_replayed_says_why(tmp_path, capsys, words, reason):
    bag = record(tmp_path / "bag", steps=1, episodes=(0,)).folder
    cut = tmp_path / "unfinished/cut"
    cut.mkdir(parents=True)
    paths = {"BAG": str(bag), "CUT": str(cut)}
    assert command.main([paths.get(word, word) for word in words]) == 2
    assert reason in capsys.readouterr().err
