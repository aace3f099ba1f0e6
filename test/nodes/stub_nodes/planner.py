import sys

from graph_stubs import load_planner

from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.planner_node import PlannerNode

sys.exit(run(lambda: PlannerNode(load_planner)))
