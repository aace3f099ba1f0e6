import sys

from graph_stubs import SUITES

from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.sim_node import SimNode

sys.exit(run(lambda: SimNode(SUITES)))
