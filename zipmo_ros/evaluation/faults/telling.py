"""What came of faults, as text, and the section of docs/results.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zipmo_ros.evaluation.faults.kinds import NOT_INJECTED, REACTION_S
from zipmo_ros.evaluation.faults.measures import BRAKED_M_S, LASTING_S, STILL_M_S, UNSAFE_M
from zipmo_ros.evaluation.plotting import plot_faults
from zipmo_ros.evaluation.report_sections import Section
from zipmo_ros.evaluation.results import Result, embedded, markdown, sources

COLUMNS = ["fault", "must", "as it must", "known after, s", "braked p50, s", "braked p99, s", "still p99, s",
           "way, cm", "after budget, cm", "stopped by"]  # fmt: skip
RIGS = {
    "arm": "a message-level arm behind the arm's node, its controller without a timeout of its own",
    "sim": "the simulated Panda in real time, the policy before it",
}


def rows(kinds: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A line a kind, see COLUMNS."""
    return [
        [
            kind["kind"], kind["expected"], f"{kind['as_expected']} / {kind['count']}", _number(kind["wait_s"], 2),
            *(_number(kind["braked_s"] and kind["braked_s"][key], 3) for key in ("p50", "p99")),
            _number(kind["stop_s"] and kind["stop_s"]["p99"], 3),
            _number(kind["way_m"], 1, 100), _number(kind["after_m"], 1, 100), ", ".join(list(kind["causes"])[:3]),
        ]
        for kind in kinds
    ]  # fmt: skip


def headline(report: dict[str, Any]) -> str:
    """The figures of all."""
    total = report["summary"]
    parts = [
        f"{total['injections']} injections, {total['unsafe']} unsafe (more than {100 * UNSAFE_M:.0f} cm after the "
        f"budget, or of a stopped hand), {total['not_as_expected']} not as they must be, {total['crashed']} broke the "
        f"rig; {total['unprovoked_stops']} times the arm had stopped before, unprovoked",
        f"median load average {_number(total['load'], 1)}",
    ]
    for key, what in (
        ("reaction_s", "from when it can be known until the hand stands still"),
        ("braked_s", "until it is braked"),
        ("told_braked_s", "until it is braked, of faults that are told at once"),
        ("by_arm_s", "until it is braked, where the node that drives the arm stops it by itself"),
        ("said_to_stop_s", "from the node's word until it stands still"),
    ):
        if (figures := total[key]) is not None:
            parts.append(f"{what}: {figures['p50']:.3f} s at the median, {figures['p99']:.3f} s at the 99th percentile")
    return "; ".join(parts)


def faults(results: Sequence[Result], folder: Path) -> Iterator[Section]:
    """A section a file."""
    for result in results:
        content = result.content
        rig = RIGS[content["rig"]]
        title = f"Faults: {rig.partition(' behind ')[0].partition(' in ')[0]} ({result.name})"
        picture = folder / f"faults-{result.name}.png"
        plot_faults(content, picture)
        waits = ", ".join(f"{name} {seconds:g} s" for name, seconds in content["timeouts"].items())
        parts = [
            f"{rig[0].upper()}{rig[1:]}; interfaces: {', '.join(content['drilled'])}. "
            "Each fault strikes a hand that moves, in an order and at moments that a seed draws, and goes on while it "
            f"is watched. Known after: silence is only known once a timeout has passed ({waits}). The budget is that, "
            f"{1e3 * REACTION_S:.0f} ms and a control period. The hand is braked below {1e3 * BRAKED_M_S:.0f} mm/s, "
            f"and still below {1e3 * STILL_M_S:.0f} mm/s, for {LASTING_S:g} s; its path is measured at the arm's own "
            "joints by forward kinematics, or at the simulated hand. Way: from the fault to the end, the most of all; "
            "after budget: how far the hand got from where it was then, the most of all. Where nobody is left, only a "
            "controller with a timeout of its own stops the arm.",
            f"{headline(content)}.",
            markdown(COLUMNS, rows(content["kinds"])),
            embedded(picture, title),
            *(f"Not as it must be, {kind['kind']}: {'; '.join(kind['problems'])}."
              for kind in content["kinds"] if kind["problems"]),
            f"Not injected: {'; '.join(f'{cause} ({why})' for cause, why in NOT_INJECTED.items())}.",
            sources(result),
        ]  # fmt: skip
        yield Section(title, "\n\n".join(parts), (result,))


def _number(value: float | None, digits: int, scale: float = 1) -> str:
    return "-" if value is None else f"{scale * value:.{digits}f}"
