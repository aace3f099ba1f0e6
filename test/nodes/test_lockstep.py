"""The closed loop over ROS in lockstep, with stand-in models: the same actions as the loop without ROS."""

import json
from types import SimpleNamespace

import graph_stubs
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.nodes.arm_node import ArmNode
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.sim_node import SimNode
from zipmo_ros.nodes.wire import topics
from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_ros.runtime.horizons import make_horizon
from zipmo_sim.simulator import Simulator

pytestmark = pytest.mark.ros

ROBOT = graph_stubs.ROBOT


def direct_actions(
    task, init_state, instruction, *, seed=0, replan_every=2, planner=None, policy=None, execution="ensemble"
):
    """Actions of the loop without ROS; planner False: none."""
    planner = graph_stubs.StubPlanner() if planner is None else planner or None
    horizon = make_horizon(execution, "intended", replan_every, ROBOT)
    agent = RecedingHorizonAgent(planner, policy or graph_stubs.StubPolicy(), horizon, seed)
    simulator = Simulator(graph_stubs.SUITES, {})
    setup = simulator.describe("stub", task.name, "", init_state, seed, -1, replan_every)
    moment = simulator.begin(setup)
    agent.reset()
    while not moment.last:
        moment = simulator.step(setup, agent.act(moment.observation, Sentence(instruction)))
    return np.stack(simulator.env.actions)


class Bench:
    """The three nodes with an onlooker."""

    def __init__(self, graph, planner="", policy="", arm="", execution="ensemble", **sim):
        self.graph = graph
        self.envs = []
        self.episodes, self.in_use, self.diagnostics = [], [], {}
        onlooker = graph.add(Node("onlooker", **graph.options()))
        every = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        onlooker.create_subscription(String, topics.EPISODE, self._on_episode, every)
        onlooker.create_subscription(
            String, "planner/instruction_in_use", lambda m: self.in_use.append(m.data), topics.LATCHED
        )
        onlooker.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10)
        self.instruction = onlooker.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        self.reset = onlooker.create_client(Trigger, "sim/reset")
        self.onlooker = onlooker
        common = {"checkpoint": "stub", "autostart": False}
        self.planner = graph.start(PlannerNode(graph_stubs.load_planner, **graph.options(planner=planner, **common)))
        self.policy = graph.start(
            PolicyNode(
                graph_stubs.load_policy,
                **graph.options(policy=policy, mode="lockstep", execution=execution, **common),
            )
        )
        if arm:
            own = {"command_interface": arm, "gripper_interface": "joint_trajectory", "mode": "lockstep", "lag_s": 0.0}
            self.arm = graph.start(ArmNode(**graph.options(**own, autostart=False)))
            sim["command_interface"] = arm
        parameters = {"suite": "stub", "autostart": False, "autoreset": False, "announce_instruction": False, **sim}
        self.sim = graph.start(
            SimNode(
                SimpleNamespace(task=graph_stubs.task, tasks=graph_stubs.tasks, make_env=self._make_env),
                **graph.options(**parameters),
            )
        )

    def _make_env(self, suite, task, **options):
        self.envs.append(graph_stubs.make_env(suite, task, **options))
        return self.envs[-1]

    def _on_episode(self, message):
        self.episodes.append(json.loads(message.data))

    def _on_diagnostics(self, message):
        for status in message.status:
            self.diagnostics[status.name] = status

    def instruct(self, sentence):
        self.instruction.publish(String(data=sentence))
        self.graph.until(lambda: self.in_use and self.in_use[-1] == sentence, what="for the acknowledgement")

    def run(self, **parameters):
        """Run the episode of these parameters; (its last report, its actions)."""
        from rclpy.parameter import Parameter

        results = self.sim.set_parameters([Parameter(name, value=value) for name, value in parameters.items()])
        assert all(result.successful for result in results), results
        self.episodes.clear()
        assert self.reset.wait_for_service(5)
        answer = self.reset.call_async(Trigger.Request())
        self.graph.until(answer.done)
        assert answer.result().success, answer.result().message
        ended = self.graph.until(
            lambda: [e for e in self.episodes if e["state"] != "running"], timeout=60, what="for the episode's end"
        )
        return ended[-1], np.stack(self.envs[-1].actions)


@pytest.fixture
def bench(graph):
    return Bench(graph)


def test_actions_equal_those_without_ros(bench):
    task = graph_stubs.TASKS[0]
    for sentence, state in [("wander about", 30), ("do something else", 31), ("wander about", 30)]:
        bench.instruct(sentence)
        report, actions = bench.run(task=task.name, init_state=state)
        assert report["state"] == "failure"
        assert report["step"] == task.max_steps
        np.testing.assert_array_equal(actions, direct_actions(task, state, sentence))
    # the last episode lies before the one before it: time went back, and both models started afresh
    assert "stamps went back" in bench.policy.report.last_error
    assert "stamps went back" in bench.planner.report.last_error


@pytest.mark.parametrize("execution", ["newest", "anchored"])
def test_however_chunks_are_executed(graph, execution):
    bench = Bench(graph, execution=execution)
    task = graph_stubs.TASKS[0]
    bench.instruct("wander about")
    for state in (30, 31):
        _, actions = bench.run(task=task.name, init_state=state)
        np.testing.assert_array_equal(actions, direct_actions(task, state, "wander about", execution=execution))


def test_through_an_arm_node_that_sends_poses_they_are_the_very_same(graph):
    bench = Bench(graph, arm="pose")
    task = graph_stubs.TASKS[0]
    bench.instruct("wander about")
    for state in (30, 31):
        _, actions = bench.run(task=task.name, init_state=state)
        np.testing.assert_array_equal(actions, direct_actions(task, state, "wander about"))
    assert bench.arm.safety.armed


def test_through_an_arm_node_that_sends_twists_they_are_as_near_as_numbers_are(graph):
    bench = Bench(graph, arm="twist")
    task = graph_stubs.TASKS[0]
    bench.instruct("wander about")
    _, actions = bench.run(task=task.name, init_state=30)
    np.testing.assert_allclose(actions, direct_actions(task, 30, "wander about"), atol=1e-9)


def test_a_policy_without_a_plan_acts_alike(graph):
    bench = Bench(graph, policy="bc")
    task = graph_stubs.TASKS[0]
    bench.instruct("wander about")
    _, actions = bench.run(task=task.name, init_state=30)
    expected = direct_actions(task, 30, "wander about", planner=False, policy=graph_stubs.LookingPolicy())
    np.testing.assert_array_equal(actions, expected)


def test_plans_of_tracks_alone_act_alike(graph):
    bench = Bench(graph, planner="straight")
    task = graph_stubs.TASKS[0]
    bench.instruct("wander about")
    _, actions = bench.run(task=task.name, init_state=30)
    expected = direct_actions(task, 30, "wander about", planner=graph_stubs.StraightPlanner())
    # A track of an embedding is the sum of its shifts, on both sides; nothing is lost on the wire.
    np.testing.assert_array_equal(actions, expected)


def test_a_planner_is_shown_what_it_does_not_plan_for(graph):
    bench = Bench(graph, image_every=1)
    bench.instruct("rest")
    bench.run(task="rest", init_state=2)
    assert bench.planner._planner.observed == [1, 3, 5, 7]
    assert bench.planner._planner.resets == 2  # after the first plan, which only warms up, and for the episode


def test_cameras_faster_than_plans_change_nothing(graph):
    bench = Bench(graph, image_every=1)
    task = graph_stubs.TASKS[0]
    bench.instruct("wander about")
    _, actions = bench.run(task=task.name, init_state=30)
    np.testing.assert_array_equal(actions, direct_actions(task, 30, "wander about"))
    assert bench.planner.values()["inference_ms_p50"] is not None
    assert len(bench.planner._latency) == task.max_steps / 2


def test_success_and_goal(bench):
    bench.instruct("rest")
    report, actions = bench.run(task="rest", init_state=2)
    assert (report["state"], report["step"], report["done_tasks"]) == ("success", 10, ["rest"])
    assert len(actions) == 10
    report, _ = bench.run(task="wander", goal="rest", init_state=2)
    assert (report["state"], report["step"], report["goal"]) == ("success", 10, "rest")
    report, _ = bench.run(task="wander", goal="any", init_state=2)
    assert (report["state"], report["step"], report["done_tasks"]) == ("success", 10, ["rest"])
    np.testing.assert_array_equal(actions, direct_actions(graph_stubs.TASKS[1], 2, "rest"))


def test_crash_is_an_error_not_a_failure(bench):
    bench.instruct("anything")
    report, _ = bench.run(task="crash")
    assert report["state"] == "error"
    assert "the stub broke as asked" in report["reason"]
    report, _ = bench.run(task="rest")
    assert report["state"] == "success"


def test_reset_refuses_what_it_does_not_know(bench):
    from rclpy.parameter import Parameter

    bench.sim.set_parameters([Parameter("task", value="nosuch")])
    answer = bench.reset.call_async(Trigger.Request())
    bench.graph.until(answer.done)
    assert not answer.result().success
    assert "has no task 'nosuch'" in answer.result().message


def test_overlay_is_drawn_for_those_who_look(bench):
    pytest.importorskip("cv2")
    overlays = []
    bench.onlooker.create_subscription(Image, topics.OVERLAY, overlays.append, topics.COMMAND)
    bench.instruct("wander")
    bench.run(task="wander")
    image = bench.graph.until(lambda: overlays)[0]
    assert (image.height, image.width, image.encoding) == (256, 512, "rgb8")
    assert (image.header.stamp.sec, image.header.stamp.nanosec % 200_000_000) == (0, 0)


def test_waiting_is_said(bench):
    """Without an instruction nothing can move; every node says what it waits for."""
    answer = bench.reset.call_async(Trigger.Request())
    bench.graph.until(answer.done)
    wanted = {"planner": "no instruction", "policy": "waits for a plan", "sim": "waits for the command"}
    bench.graph.until(
        lambda: all(text in getattr(bench.diagnostics.get(name), "message", "") for name, text in wanted.items()),
        what=f"for {wanted}; there is {bench.diagnostics}",
    )
    bench.instruct("rest")
    bench.graph.until(lambda: [e for e in bench.episodes if e["state"] == "failure"], what="for the end")
    bench.graph.until(lambda: bench.diagnostics["policy"].message == "ok")


def test_autoreset_announces_and_goes_on(graph):
    bench = Bench(graph, autoreset=True, announce_instruction=True, task="rest", init_state=48)
    graph.until(lambda: [e["init_state"] for e in bench.episodes if e["state"] == "success"][:3] == [48, 49, 0])
    assert bench.in_use[-1] == "rest where you are"


def test_the_next_episode_leaves_the_users_sentence_in_use(graph):
    bench = Bench(graph, autoreset=True, announce_instruction=True, task="rest", init_state=48)

    def solved():
        return sum(episode["state"] == "success" for episode in bench.episodes)

    graph.until(solved)
    bench.instruct("put it down")
    seen = solved()
    graph.until(lambda: solved() >= seen + 2)
    assert bench.in_use[-1] == "put it down"
