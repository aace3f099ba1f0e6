"""Nodes as processes of their own: starting, signals, death, and the driver that runs episodes through them."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import graph_stubs
import numpy as np
import pytest
from test_lockstep import direct_actions

from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.nodes.client import GraphDriver
from zipmo_ros.nodes.graph import GRAPHS
from zipmo_ros.nodes.processes import command_line

pytestmark = pytest.mark.ros

HERE = Path(__file__).parent


@pytest.fixture
def stub_graph(monkeypatch):
    """The graph `sim` with the stand-ins' executables."""
    paths = [str(HERE), *map(str, (HERE.parents[1] / folder for folder in ("", "policy", "sim")))]
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


def settings(checkpoint="stub"):
    return SimpleNamespace(suite="stub", checkpoint=checkpoint, seed=0, replan_every=4, nfe=0, ensemble="intended",
                           max_steps=None, libero_assets=None)  # fmt: skip


def episode(task, init_state, instruction, goal=None):
    number = task.index * 1000 + init_state
    return Episode(number, task.name, init_state, 0, goal or task.name, instruction)


def test_driver_runs_episodes_like_the_loop_without_ros(stub_graph, fresh_domain):
    pytest.importorskip("cv2")
    wander, rest = graph_stubs.TASKS[:2]
    frames = []
    with GraphDriver(settings(), graph=stub_graph, domain=fresh_domain(),
                     on_frames=lambda views, overlay: frames.append((views, overlay))) as driver:  # fmt: skip
        outcome = driver.run_episode(episode(wander, 30, "wander about"))
        assert (outcome.error, outcome.success, outcome.steps) == (None, False, wander.max_steps)
        expected = direct_actions(wander, 30, "wander about", replan_every=4)
        np.testing.assert_array_equal(driver.recording.action_array(), expected)
        assert set(driver.recording.plan_ages("lockstep")) == {0, 50, 100, 150}
        assert outcome.plan_ms is None or outcome.plan_ms > 0
        assert 8 <= len(frames) <= 10  # images are best effort
        assert frames[0][0]["eye_in_hand"].shape == (128, 128, 3)
        shapes = [None if overlay is None else overlay.shape for _, overlay in frames]
        assert shapes.count((256, 512, 3)) >= 7, shapes

        outcome = driver.run_episode(episode(wander, 31, "rest", goal=rest.name))
        assert (outcome.success, outcome.original_success, outcome.steps) == (True, False, 10)

        outcome = driver.run_episode(episode(graph_stubs.TASKS[3], 0, "break it"))
        assert "the stub broke as asked" in outcome.error

        os.kill(driver._processes.processes["planner"].pid, signal.SIGKILL)
        outcome = driver.run_episode(episode(rest, 30, "rest"))  # started afresh, or said to have failed
        if outcome.error:
            assert "planner" in outcome.error
            outcome = driver.run_episode(episode(rest, 30, "rest"))
        assert (outcome.error, outcome.success) == (None, True)
        processes = driver._processes
    assert processes.ended() == {"planner": 0, "policy": 0, "sim": 0}


def test_driver_says_why_a_graph_does_not_start(stub_graph, fresh_domain):
    with GraphDriver(settings("broken"), graph=stub_graph, domain=fresh_domain()) as driver:
        outcome = driver.run_episode(episode(graph_stubs.TASKS[1], 0, "rest"))
    assert "node 'planner' ended with status 1" in outcome.error
    assert "checkpoint broken: planner/model.safetensors: key 'blocks.0.weight'" in outcome.error


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
