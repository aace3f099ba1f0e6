"""Nodes as processes of their own: starting, signals, death, and the driver that runs episodes through them."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import graph_stubs
import numpy as np
import pytest
from test_lockstep import direct_actions

from zipmo_ros.nodes.client import GraphDriver
from zipmo_ros.nodes.graph import GRAPHS
from zipmo_ros.nodes.processes import command_line, follow_parent

pytestmark = pytest.mark.ros

HERE = Path(__file__).parent


@pytest.fixture
def stub_graph(monkeypatch):
    """The graph `sim` with the stand-ins' executables."""
    paths = [str(HERE), str(HERE.parent), *map(str, (HERE.parents[1] / folder for folder in ("", "policy", "sim")))]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    graph = GRAPHS["sim"]
    nodes = tuple(dataclasses.replace(node, module=f"stub_nodes.{node.name}") for node in graph.nodes)
    arguments = tuple(
        dataclasses.replace(argument, choices=("stub",), default="stub") if argument.name == "suite" else argument
        for argument in graph.arguments
    )
    return dataclasses.replace(graph, nodes=nodes, arguments=arguments)


def popen(words, domain):
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def given(checkpoint="stub"):
    return {"suite": "stub", "checkpoint": checkpoint, "seed": "0", "replan_every": "4"}


def episode(task, init_state, instruction, goal=None):
    return task.name, goal or task.name, init_state, 0, task.index * 1000 + init_state, instruction


def test_driver_runs_episodes_like_the_loop_without_ros(stub_graph, fresh_domain):
    pytest.importorskip("cv2")
    wander, rest = graph_stubs.TASKS[:2]
    frames = []
    with GraphDriver(given(), graph=stub_graph, domain=fresh_domain(),
                     on_frames=lambda views, overlay: frames.append((views, overlay))) as driver:  # fmt: skip
        report = driver.run_episode(*episode(wander, 30, "wander about"))
        assert (report["state"], report["step"]) == ("failure", wander.max_steps)
        expected = direct_actions(wander, 30, "wander about", replan_every=4)
        np.testing.assert_array_equal(driver.recording.action_array(), expected)
        assert set(driver.recording.plan_ages("lockstep")) == {0, 50, 100, 150}
        assert driver.plan_ms() is None or driver.plan_ms() > 0
        assert 8 <= len(frames) <= 10  # images are best effort
        assert frames[0][0]["eye_in_hand"].shape == (128, 128, 3)
        shapes = [None if overlay is None else overlay.shape for _, overlay in frames]
        assert shapes.count((256, 512, 3)) >= 7, shapes

        report = driver.run_episode(*episode(wander, 31, "rest", goal=rest.name))
        assert (report["state"], report["done_tasks"], report["step"]) == ("success", ["rest"], 10)

        report = driver.run_episode(*episode(graph_stubs.TASKS[3], 0, "break it"))
        assert report["state"] == "error"
        assert "the stub broke as asked" in report["reason"]

        os.kill(driver._processes.processes["planner"].pid, signal.SIGKILL)
        with contextlib.suppress(RuntimeError):  # started afresh, or said to have failed
            driver.run_episode(*episode(rest, 30, "rest"))
        report = driver.run_episode(*episode(rest, 30, "rest"))
        assert report["state"] == "success"
        processes = driver._processes
    assert processes.ended() == {"planner": 0, "policy": 0, "sim": 0}


def test_a_policy_without_a_plan_needs_no_planner(stub_graph, fresh_domain):
    values = {**given(), "policy": "bc"}
    with GraphDriver(values, graph=stub_graph, domain=fresh_domain()) as driver:
        report = driver.run_episode(*episode(graph_stubs.TASKS[1], 30, "rest"))
        assert set(driver._processes.processes) == {"policy", "sim"}
        policy = graph_stubs.LookingPolicy()
        expected = direct_actions(graph_stubs.TASKS[1], 30, "rest", replan_every=4, planner=False, policy=policy)
        np.testing.assert_array_equal(driver.recording.action_array(), expected)
    assert report["state"] == "success"


def test_driver_says_why_a_graph_does_not_start(stub_graph, fresh_domain):
    driver = GraphDriver(given("broken"), graph=stub_graph, domain=fresh_domain())
    with driver, pytest.raises(RuntimeError, match="node 'planner' ended with status 1") as error:
        driver.run_episode(*episode(graph_stubs.TASKS[1], 0, "rest"))
    assert "checkpoint broken: planner/model.safetensors: key 'blocks.0.weight'" in str(error.value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["planner", "policy", "sim"])
def test_signals_end_a_node_cleanly(stub_graph, fresh_domain, name, number):
    node = next(node for node in stub_graph.nodes if node.name == name)
    values = stub_graph.values({"checkpoint": "stub"})
    process = popen(command_line(stub_graph, node, values), fresh_domain())
    try:
        heard = []
        for line in process.stdout:
            heard.append(line)
            if "active with" in line:
                break
        assert "active with" in heard[-1], "".join(heard)
        sent = time.monotonic()
        process.send_signal(number)
        rest = process.communicate(timeout=30)[0]
        assert time.monotonic() - sent < 5
        assert process.returncode == 0, rest
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.wait()


def test_the_end_waits_for_nothing(stub_graph, fresh_domain):
    """Neither for a worker that does not come back nor for what the interpreter would still do."""
    code = (
        "import atexit, time\n"
        "from graph_stubs import load_planner\n"
        "from zipmo_ros.nodes.running import run\n"
        "from zipmo_ros.nodes.planner_node import PlannerNode\n"
        "class Hanging(PlannerNode):\n"
        "    def begin(self):\n"
        "        super().begin()\n"
        "        self.worker.post(lambda: time.sleep(1000))\n"
        "atexit.register(time.sleep, 1000)\n"
        "run(lambda: Hanging(load_planner))\n"
    )
    process = popen([sys.executable, "-c", code, "--ros-args", "-p", "checkpoint:=stub"], fresh_domain())
    try:
        assert any("active with" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_policy_that_is_ended_stops_the_arm_first(stub_graph, graph, number):
    """The last command that leaves holds the hand where it must have come to by then."""
    from fed_by_hand import PUSH, FedByHand

    node = next(node for node in stub_graph.nodes if node.name == "policy")
    values = stub_graph.values({"checkpoint": "pushing", "mode": "realtime"})
    process = popen(command_line(stub_graph, node, values), graph.domain)
    try:
        fed = FedByHand(graph)
        fed.send_plan(0)
        step = 0
        while not fed.goals or fed.offset() != PUSH:
            step += 1
            fed.send_state(step)
            fed.send_plan(step)
            graph.turn(0.05)
            assert step < 400, fed.goals
        process.send_signal(number)
        graph.until(lambda: process.poll() is not None)
        graph.turn(0.2)
        assert process.returncode == 0
        assert 0 <= fed.offset() < PUSH
    finally:
        process.kill()
        process.communicate(timeout=30)


def test_up_starts_all_and_ends_all(stub_graph, fresh_domain):
    """Through the command's own code, with the stand-ins' table."""
    code = (
        "import sys, dataclasses\n"
        "from zipmo_ros.nodes import graph\n"
        "from zipmo_ros.apps import up\n"
        "g = graph.GRAPHS['sim']\n"
        "nodes = tuple(dataclasses.replace(n, module='stub_nodes.' + n.name) for n in g.nodes)\n"
        "arguments = tuple(dataclasses.replace(a, choices=()) if a.name == 'suite' else a for a in g.arguments)\n"
        "graph.GRAPHS['sim'] = dataclasses.replace(g, nodes=nodes, arguments=arguments)\n"
        "sys.exit(up.main(['sim', 'suite=stub', 'task=rest', 'checkpoint=stub', 'mode=lockstep']))\n"
    )
    domain = str(fresh_domain())
    process = popen([sys.executable, "-c", code], domain)
    try:
        heard = []
        for line in process.stdout:
            heard.append(line)
            if "rest from state 1: success" in line:
                break
        assert any(line.startswith("[planner] ") for line in heard), "".join(heard)
        say = subprocess.run([sys.executable, "-m", "zipmo_ros.apps.say", "put", "it", "down"], text=True, timeout=30,
                             capture_output=True, env={**os.environ, "ROS_DOMAIN_ID": domain}, check=False)  # fmt: skip
        assert (say.returncode, say.stdout) == (0, "in use: put it down\n"), say.stderr
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[0]
        assert process.returncode == 0, rest
        assert "Traceback" not in rest
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(10)


def test_say_without_a_planner(fresh_domain):
    run = subprocess.run(
        [sys.executable, "-m", "zipmo_ros.apps.say", "hello", "--timeout", "0.5"], text=True, capture_output=True,
        env={**os.environ, "ROS_DOMAIN_ID": str(fresh_domain())}, timeout=30, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "no planner listens to /instruction" in run.stderr


def test_the_parameter_file_is_read(stub_graph, fresh_domain, tmp_path, monkeypatch):
    """What config/ros says reaches the node, in any namespace."""
    source = HERE.parents[1] / "config/ros/policy.yaml"
    (tmp_path / "policy.yaml").write_text(source.read_text().replace("plan_timeout: 0.4", "plan_timeout: 0.3"))
    monkeypatch.setattr("zipmo_ros.nodes.processes.parameters_path", lambda node: tmp_path / "policy.yaml")
    values = stub_graph.values({"checkpoint": "stub", "namespace": "left"})
    node = next(node for node in stub_graph.nodes if node.name == "policy")
    process = popen(command_line(stub_graph, node, values), fresh_domain())
    try:
        line = next(line for line in process.stdout if "active with" in line)
        assert "plan_timeout=0.3" in line
        assert "left.policy" in line
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_program_that_knows_only_the_topics_drives_the_arm(stub_graph, fresh_domain):
    domain = fresh_domain()
    node = next(node for node in stub_graph.nodes if node.name == "sim")
    values = stub_graph.values({"checkpoint": "stub", "task": "rest", "init_state": "7"})
    sim = popen(command_line(stub_graph, node, values), domain)
    somebody = popen([sys.executable, str(HERE / "external_arm_driver.py")], domain)
    try:
        result = json.loads(somebody.communicate(timeout=60)[0].splitlines()[-1])
    finally:
        for process in (somebody, sim):
            process.terminate()
            process.communicate(timeout=30)
    episode = result["episode"]
    assert (episode["task"], episode["state"], episode["step"]) == ("rest", "success", 10)
    assert result["images"]["eye_in_hand"] == [128, 128, "rgb8"]


def test_a_planner_killed_in_realtime(stub_graph, graph, record_property):
    """SIGKILL to a process: nothing is said, no connection is closed, and the arm still stops in time."""
    from test_realtime import STALE_PLAN, Arm, best_of_three

    arm = Arm(graph, planner=False)
    node = next(node for node in stub_graph.nodes if node.name == "planner")

    def measure():
        planner = popen(command_line(stub_graph, node, stub_graph.values({"checkpoint": "pushing"})), graph.domain)
        try:
            arm.until_it_runs()
            since = time.monotonic()
        finally:
            planner.kill()
            planner.communicate()
        return arm.time_to_stop(since)

    record_property("time_to_stop", best_of_three(measure))
    assert STALE_PLAN.search(arm.policy.report.last_error)


def test_what_a_background_script_starts_can_be_interrupted():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does it for what has a & behind
    try:
        words = [sys.executable, "-c", "print('here', flush=True); import time; time.sleep(60)"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=follow_parent())
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            assert process.stdout.readline() == b"here\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) != 0
        finally:
            process.kill()
