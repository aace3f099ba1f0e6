"""Two graphs in one ROS domain, each in a namespace of its own, don't hear each other: their clocks neither."""

import graph_stubs
import rclpy
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from test_processes import pytestmark, stub_graph  # noqa: F401  (a fixture)

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.stamps import episode_number, observation_stamp
from zipmo_ros.nodes.graph import remappings
from zipmo_ros.nodes.processes import GraphProcesses
from zipmo_ros.nodes.wire import messages, topics

PERIOD_NS = load_robot().period_ns
TASKS = {"left": "wander", "right": "endless"}  # episodes are numbered by task, and stamps by episode


def span(name):
    """All stamps of a namespace's task."""
    (index,) = [task.index for task in graph_stubs.TASKS if task.name == TASKS[name]]
    first, beyond = episode_number(index, 0), episode_number(index + 1, 0)
    return range(observation_stamp(first, 0, PERIOD_NS), observation_stamp(beyond, 0, PERIOD_NS))


def start(graph, name, domain):
    values = {"checkpoint": "stub", "task": TASKS[name], "namespace": name, "autoreset": "true"}
    processes = GraphProcesses(graph, graph.values(values), domain)
    processes.start()
    return processes


def listener(graph, name):
    """A node of simulated time in a namespace, as ours would be with use_sim_time."""
    words = ["--ros-args", "-r", f"__ns:=/{name}"]
    for source, target in remappings({"namespace": name}):
        words += ["-r", f"{source}:={target}"]
    simulated = Parameter("use_sim_time", value=True)
    made = rclpy.create_node("watch", context=graph.context, cli_args=words, parameter_overrides=[simulated],
                             use_global_arguments=False)  # fmt: skip
    return graph.add(made)


def test_each_hears_only_its_own(stub_graph, graph):  # noqa: F811
    nodes = {name: listener(graph, name) for name in TASKS}
    heard = {name: [] for name in (*TASKS, "")}
    for name, node in {**nodes, "": graph.add(rclpy.create_node("watch", context=graph.context))}.items():
        node.create_subscription(
            Clock, topics.CLOCK, lambda told, name=name: heard[name].append(messages.to_ns(told.clock)), topics.SENSOR
        )
    running = [start(stub_graph, name, graph.domain) for name in TASKS]
    try:
        graph.until(lambda: all(len(heard[name]) > 20 for name in TASKS), timeout=60, what="for both clocks")
        for name, node in nodes.items():
            assert {stamp for stamp in heard[name] if stamp not in span(name)} == set(), name
            assert node.get_clock().now().nanoseconds in span(name), "simulated time is the namespace's own"
    finally:
        for processes in running:
            ended = processes.stop()
    assert heard[""] == []
    assert ended == {"planner": 0, "policy": 0, "sim": 0}
