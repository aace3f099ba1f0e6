import sys

from graph_stubs import load_policy

from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.running import run

sys.exit(run(lambda: PolicyNode(load_policy)))
