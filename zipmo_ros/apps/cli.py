"""The `zipmo` command: a table of sub-commands, each a module with `main(argv) -> int`, imported when asked for."""

from __future__ import annotations

import importlib
import sys
from typing import NamedTuple


class Subcommand(NamedTuple):
    module: str
    summary: str


COMMANDS = {
    "demo": Subcommand("demo", "run the closed loop over ROS 2 and leave videos and a table in outputs/demo"),
    "up": Subcommand("up", "start the graph: planner, policy and simulator nodes (`zipmo up sim suite=mini`)"),
    "say": Subcommand("say", "publish an instruction to a running graph"),
    "stop": Subcommand("stop", "stop the arms of a running graph, until `zipmo arm`"),
    "arm": Subcommand("arm", "let the arms of a running graph move again, after whatever stopped them"),
    "status": Subcommand("status", "what a running graph does: rates, latencies, ages, drops, safety, sentence"),
    "record": Subcommand("record", "every topic of a running graph to a bag, with what is needed to replay it"),
    "replay": Subcommand("replay", "planner and policy once more on a bag, beside what they said then"),
    "calibrate": Subcommand("calibrate", "how the arm follows its goals, beside the arm that was trained on"),
    "home": Subcommand("home", "lead the arm slowly to where episodes start"),
    "check": Subcommand("check", "`zipmo check camera`: the view that was trained on over the live one"),
    "eval": Subcommand("evaluate", "success rates with intervals, through ROS or directly"),
    "sentences": Subcommand("sentences", "where the planner points by wordings of all kinds, and what it refuses"),
    "collect": Subcommand("collect", "demonstrations by scripted experts, with exact point tracks"),
    "train": Subcommand("train", "train one stage: an autoencoder, a planner, a policy ..., or all of them"),
    "motion": Subcommand("motion", "errors of planner and autoencoder alone, on held-out demonstrations"),
    "latency": Subcommand("latency", "success against how late plans come, by how they are executed"),
    "robustness": Subcommand("robustness", "success under other views, light, tables, things, sensors; by strength"),
    "faults": Subcommand("faults", "faults over the wire while an arm moves: does it stop, and how soon"),
    "bench": Subcommand("bench", "latency of planning, as ratios measured in one run"),
    "report": Subcommand("report", "docs/results.md and its plots, from the result files of eval, motion and bench"),
    "interop": Subcommand("interop", "verify against golden cases; load released checkpoints"),
    "doctor": Subcommand("doctor", "check this machine: rclpy, rendering, assets, encoders, checkpoint, memory"),
}


def usage() -> str:
    rows = "\n".join(f"  {name:<10} {command.summary}" for name, command in COMMANDS.items())
    return (
        "usage: zipmo COMMAND [key=value ...]\n\n"
        "Plan in motion space and drive a robot arm with it.\n\n"
        f"{rows}\n\n`zipmo COMMAND --help` describes every key of a command."
    )


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command; returns its exit status (2 for an unknown command)."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return 0
    name, *rest = argv
    if name == "--version":
        from zipmo_ros import __version__

        print(__version__)
        return 0
    if name not in COMMANDS:
        print(f"zipmo: no command '{name}'; there are: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"zipmo_ros.apps.{COMMANDS[name].module}")
    try:
        return module.main(rest)
    except KeyboardInterrupt:
        print(f"zipmo {name}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
