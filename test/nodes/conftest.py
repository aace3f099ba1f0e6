"""A private ROS graph for each test, spun by the test itself."""

import os
import time

import pytest

from zipmo_ros.nodes.domains import DOMAINS, PrivateDomain

rclpy = pytest.importorskip("rclpy", reason="the nodes need rclpy")
subscription = pytest.importorskip("rclpy.subscription")

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
_domains = iter(range(10**6))


def pytest_collection_modifyitems(items):
    if not hasattr(subscription, "MessageInfo"):
        reason = "rclpy before Kilted does not say who published: of several publishers all are refused"
        for item in items:
            if item.get_closest_marker("identities"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def fresh_domain():
    """() -> a ROS_DOMAIN_ID that nobody else here has meanwhile, and none of the tests before had lately."""
    claimed = []

    def claim():
        claimed.append(PrivateDomain())
        first = os.getpid() * 7 + next(_domains)
        return claimed[-1].claim([DOMAINS[(first + further) % len(DOMAINS)] for further in range(len(DOMAINS))])

    yield claim
    for domain in claimed:
        domain.free()


class Graph:
    """Nodes in this process, on one executor that only turns while the test waits."""

    def __init__(self, domain):
        from rclpy.executors import SingleThreadedExecutor

        self.domain = domain
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes = []

    def options(self, **parameters):
        from rclpy.parameter import Parameter

        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        return {"context": self.context, "parameter_overrides": overrides, "use_global_arguments": False}

    def add(self, node):
        self.executor.add_node(node)
        self.nodes.append(node)
        return node

    def start(self, node):
        """Configure and activate a lifecycle node."""
        self.add(node)
        assert node.trigger_configure().name == "SUCCESS", node.report.last_error
        assert node.trigger_activate().name == "SUCCESS", node.report.last_error
        return node

    def remove(self, node):
        self.nodes.remove(node)
        self.executor.remove_node(node)
        if hasattr(node, "close"):
            node.close()
        node.destroy_node()

    def until(self, condition, timeout=30.0, what=""):
        """Turn until `condition()` is true, and return that value; fail after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < deadline, f"waited {timeout} s in vain {what}"
            self.executor.spin_once(timeout_sec=0.05)

    def turn(self, seconds):
        """Turn for a while, to see that something does not happen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)

    def close(self):
        for node in list(self.nodes):
            self.remove(node)
        self.executor.shutdown()
        self.context.try_shutdown()


@pytest.fixture
def graph(fresh_domain):
    made = Graph(fresh_domain())
    yield made
    made.close()
