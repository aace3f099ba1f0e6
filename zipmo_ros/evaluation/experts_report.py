"""The section of docs/results.md on the scripted experts, without whom there are no demonstrations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zipmo_ros.contract.splits import BY_NAME, CHOSEN_ON
from zipmo_ros.evaluation.report_sections import Section
from zipmo_ros.evaluation.results import (
    Result,
    count,
    grouped,
    interval,
    markdown,
    share,
    sources,
)
from zipmo_sim import suites

ABOUT = (
    "Scripted experts, which know the simulator's state, from initial states {first}-{last}, where no demonstration "
    "begins. Tasks: those that they try, of all that the suite has. It says what can be demonstrated, and nothing of "
    "what is learned from that."
)


def experts(evaluations: Sequence[Result]) -> Iterator[Section]:
    """Success of the experts by suite, of each suite the longest run, on initial states that serve choosing."""
    told = [r for r in evaluations if r.actor == "expert" and r["states"] in CHOSEN_ON]
    for group in grouped(told, lambda r: r["states"]):
        longest = {r["suite"]: r for r in sorted(group, key=lambda r: len(r["episodes"]))}
        runs = [longest[suite] for suite in sorted(longest)]
        rows, failed, states = [], [], BY_NAME[runs[0]["states"]]
        for run in runs:
            episodes = run["episodes"]
            by_task = {name: [e for e in episodes if e["task"] == name] for name in run["tasks"]}
            less = {name: mine for name, mine in by_task.items() if not all(e["success"] for e in mine)}
            failed += [f"`{name}` {count(mine)}" for name, mine in less.items()]
            tasks, always = f"{len(by_task)} of {len(suites.tasks(run['suite']))}", str(len(by_task) - len(less))
            rows.append([f"`{run['suite']}`", tasks, always, count(episodes), share(episodes), interval(episodes)])
        columns = ["suite", "tasks", "done in every episode", "episodes done", "success", "95 % interval"]
        told_of = f"Not in every episode: {', '.join(failed)}." if failed else "All were done in every episode."
        body = "\n\n".join(
            [ABOUT.format(first=states[0], last=states[-1]), markdown(columns, rows), told_of, sources(*runs)]
        )
        yield Section("What the experts do", body, tuple(runs))
