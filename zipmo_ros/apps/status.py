"""`zipmo status`: what a running graph does, in the terminal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from zipmo_ros.apps.configuration import Range, load
from zipmo_ros.contract.robot import load_robot

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from zipmo_ros.nodes.watching import Snapshot

COLOURS = {"ok": "green", "warning": "yellow", "error": "red", "silent": "red"}
# Of a node's numbers: column -> the first of these keys that it has.
NUMBERS = {
    "rate /s": ("rate_hz",),
    "ms p50": ("inference_ms_p50", "step_ms_p50"),
    "ms p95": ("inference_ms_p95", "step_ms_p95"),
    "age ms p95": ("plan_age_ms_p95", "command_age_ms_p95"),
    "drops": ("drops", "overruns"),
}


@dataclass(frozen=True)
class StatusRequest:
    """Keys of config/hydra/status.yaml."""

    namespace: str
    robot: str | None
    once: bool
    period: Annotated[float, Range(0.05, 60)]
    patience: Annotated[float, Range(0.1, 600)]


def render(snapshot: Snapshot) -> Group:
    """The snapshot as tables."""
    from rich.console import Group
    from rich.text import Text

    lines = [
        f"sentence: {snapshot.instruction or '-'}",
        f"about:    {snapshot.about or '- (told while somebody looks at motion_plan/overlay or tracks)'}",
        f"safety:   {safety(snapshot)}",
    ]
    if episode := snapshot.episode:
        told = (
            f"{key} {episode[key]}" for key in ("task", "init_state", "step", "state", "reason") if episode.get(key)
        )
        lines.append(f"episode:  {', '.join(told)}")
    problems = [
        Text(f"{name}: {state['message']}", style=COLOURS.get(state["level"], ""))
        for name, state in snapshot.nodes.items()
        if state["level"] != "ok"
    ]
    return Group(*map(Text, lines), _nodes(snapshot), _topics(snapshot), *problems)


def safety(snapshot: Snapshot) -> str:
    """Who may move, and whether the emergency stop is pressed."""
    states = {name: state["values"].get("safety") for name, state in snapshot.nodes.items()}
    told = [f"{name} {state}" for name, state in states.items() if state]
    if snapshot.emergency_stop:
        told.append("EMERGENCY STOP PRESSED")
    return ", ".join(told) or "-"


def _nodes(snapshot: Snapshot) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE)
    for name in ("node", "state", "level", *NUMBERS, "device"):
        table.add_column(name, no_wrap=name == "node", justify="right" if name in NUMBERS else "left")
    for name, state in snapshot.nodes.items():
        values = state["values"]
        numbers = (next((values[key] for key in keys if key in values), "-") for keys in NUMBERS.values())
        level = Text(state["level"], style=COLOURS.get(state["level"], ""))
        table.add_row(name, values.get("state", "-"), level, *numbers, values.get("device", "-"))
    return table


def _topics(snapshot: Snapshot) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    def told(value: Any, unit: str = "") -> str:
        return "-" if value is None else f"{value:.2f}{unit}"

    table = Table(box=SIMPLE)
    for name in ("topic", "rate /s", "newest ago", "behind the joints"):
        table.add_column(name, justify="left" if name == "topic" else "right")
    for topic, row in snapshot.topics.items():
        table.add_row(topic, told(row["rate_hz"]), told(row["age_s"], " s"), told(row.get("behind_joints_s"), " s"))
    return table


def main(argv: list[str]) -> int:
    """0; with `once` 1 where nothing runs; 2 for a wrong request."""
    try:
        request = load("status", ["once=true" if word == "--once" else word for word in argv], StatusRequest)
        robot = load_robot(*filter(None, [request.robot]))
        import rich  # noqa: F401  (said here, not in the midst)

        return _watch(request, robot.views)
    except ImportError as error:
        print(f"zipmo status: {error}; it needs: pip install zipmo_ros[terminal,ros]", file=sys.stderr)
        return 2
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo status: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # that is how it is ended
        return 0


def _watch(request: StatusRequest, views: tuple[str, ...]) -> int:
    from rich.console import Console
    from rich.live import Live

    from zipmo_ros.nodes.session import session, where
    from zipmo_ros.nodes.watching import Watcher

    with session("zipmo_status", request.namespace) as here:
        watcher = Watcher(here.node, views)
        nothing = (
            f"nothing runs in {where(here.node)}: start a graph with `zipmo up sim`, then tell it what to do with "
            '`zipmo say "..."`'
        )
        if request.once:
            here.turn(request.patience)
            if not watcher:
                print(nothing)
                return 1
            Console().print(render(watcher.snapshot()))
            return 0
        with Live(nothing if not watcher else render(watcher.snapshot()), auto_refresh=False) as live:
            while True:
                here.turn(request.period)
                live.update(render(watcher.snapshot()) if watcher else nothing, refresh=True)
