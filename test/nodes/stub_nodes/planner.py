import sys

from graph_stubs import load_planner

from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.running import run

sys.exit(run(lambda: PlannerNode(load_planner)))
