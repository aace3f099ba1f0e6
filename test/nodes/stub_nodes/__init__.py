"""Executables of the nodes with stand-in models and simulator: `python -m stub_nodes.planner`."""
