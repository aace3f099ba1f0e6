"""Result files of the commands that `zipmo report` reads, and how they are told in Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from zipmo_ros.contract.splits import ALL, BY_NAME
from zipmo_ros.evaluation.origin import visuals
from zipmo_ros.evaluation.outcomes import USUAL, clustered_interval, departures, several_sentences, wilson_interval
from zipmo_ros.evaluation.protocols import OWN, EvaluationProtocol
from zipmo_ros.models import NAMED, NO_PLANNER
from zipmo_ros.motion.checkpoint import write_atomically

Item = TypeVar("Item")

# What a file must hold to be told; older versions wrote less.
_EVERY = ("command", "settings", "date", "machine")
NEEDED = {
    "eval": (*_EVERY, "protocol", "suite", "via", "instruction", "oracle", "states", "seed", "max_steps", "nfe",
             "replan_every", "ensemble", "hashes", "tasks", "episodes"),
    "motion": (*_EVERY, "protocol", "hashes", "predictions", "growth", "held_out"),
    "bench plan": (*_EVERY, "sizes"),
    "bench planners": (*_EVERY, "device", "planners", "rows"),
    "sentences": (*_EVERY, "protocol", "suite", "family", "states", "seed", "hashes", "kinds", "possible", "impossible",
                  "curve", "rows"),
    "latency": (*_EVERY, "suite", "states", "seed", "hashes", "period_s", "cells"),
    "robustness": (*_EVERY, "suite", "states", "seed", "hashes", "rows"),
    "faults": (*_EVERY, "rig", "timeouts", "drilled", "summary", "kinds", "findings"),
}  # fmt: skip

TIMING = ("mode", "execution", "latency_ms", "latency_jitter")  # conditions
USUAL_TIMING = tuple(USUAL[name] for name in TIMING)  # of an evaluation in which nothing is late
# Columns of tables that are words.
WORDS = ("who acts", "failures", "points", "policy", "a plan", "must", "stopped by", "at strength 1")


@dataclass(frozen=True)
class Result:
    """One file. name: without its suffix."""

    name: str
    content: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    @property
    def actor(self) -> str:
        """Who acted: an oracle, "none" (the bundle's planner and policy), or the planner and policy that were named.

        A name of NAMED only says of which kind the bundle's planner is. Older files call behaviour cloning an oracle.
        """
        unsaid = (None, "", NO_PLANNER, *NAMED)
        named = [self.content[key] for key in ("planner", "policy") if self.content.get(key) not in unsaid]
        return self["oracle"] if self["oracle"] != "none" or not named else " and ".join(named)


def write_json(path: Path, report: dict) -> None:
    """Write a report so that the file is either whole or absent."""
    content = (json.dumps(report, indent=1) + "\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def read_results(folder: Path) -> dict[str, list[Result]]:
    """The result files of a folder by kind (see NEEDED), each kind in order of names.

    Raises FileNotFoundError without any, ValueError naming a file that is none.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise FileNotFoundError(f"no *.json in '{folder}': write some there with zipmo eval, motion or bench plan")
    found: dict[str, list[Result]] = {kind: [] for kind in NEEDED}
    for path in files:
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
        kind = content.get("result") if isinstance(content, dict) else None
        if kind not in NEEDED:
            kinds = ", ".join(NEEDED)
            raise ValueError(f"{path} does not say which command made it ({kinds}): run that again, or move the file")
        if lacking := [key for key in NEEDED[kind] if key not in content]:
            raise ValueError(f"{path} lacks {', '.join(lacking)}: written by another version; run its command again")
        result = Result(path.stem, content)
        found[kind].append(_named_whole(result) if kind == "eval" else result)
    return found


def conditions(result: Result) -> dict[str, Any]:
    """What an evaluation ran under (see USUAL); what older files do not say was as usual."""
    return {name: result.content.get(name, usual) for name, usual in USUAL.items()}


def unusual_conditions(result: Result) -> dict[str, str]:
    """Those that are not as usual, nor fixed by its protocol: see departures."""
    return departures(conditions(result), protocol_of(result).fixes)


def _named_whole(result: Result) -> Result:
    """With all that was not as usual in the protocol's name; older files leave some of it out."""
    protocol = result["protocol"]
    lacking = [told for told in unusual_conditions(result).values() if f"-{told}-" not in f"{protocol}-"]
    return replace(result, content={**result.content, "protocol": "-".join([protocol, *lacking])})


def grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    """Items of equal key together, in the order in which keys first come."""
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def markdown(columns: list[str], rows: Iterable[list[str]]) -> str:
    """A table: words to the left, figures to the right."""
    sides = ["---" if i == 0 or name in WORDS else "---:" for i, name in enumerate(columns)]
    lines = [columns, sides, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sources(*results: Result) -> str:
    """A bullet a file: its command, day, machine and checkpoint."""
    lines = []
    for result in results:
        content, machine = result.content, result["machine"]
        facts = [content["date"][:10], f"{machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}"]
        if digest := content.get("hashes", {}).get("checkpoint"):
            facts.append(f"checkpoint `{digest[:12]}`")
        if "protocol" in content:
            facts.append(content["protocol"])
        lines.append(f"- `{content['command']}`: {', '.join(facts)} (`{result.name}.json`)")
    return "\n".join(lines)


def timing(result: Result) -> tuple:
    """Mode, execution, latency in ms and its jitter; files that were written before there were others lack them."""
    under = conditions(result)
    return tuple(under[name] for name in TIMING)


def seeds_told(result: Result) -> str:
    """ "seed 7", or "3 seeds: 91.3 +- 0.8 %": mean and standard deviation over them."""
    if seeds := result.content.get("by_seed"):
        return f"{len(seeds['rates'])} seeds: {100 * seeds['mean']:.1f} +- {100 * seeds['std']:.1f} %"
    return f"seed {result['seed']}"


def steps_told(steps: int | None) -> str:
    """What a plan takes: Euler steps, or, of a model that has none, one pass."""
    return "one pass" if steps is None else f"{steps} Euler step{'s' * (steps != 1)}"


def protocol_of(result: Result) -> EvaluationProtocol:
    """By which it was evaluated; files that were written before there were others do not say."""
    return EvaluationProtocol.load(result["settings"].get("protocol", OWN))


def suite_title(result: Result) -> str:
    """The suite, and what has to be said of its images."""
    note = visuals(result["suite"], result["hashes"]["assets"])
    return f"{result['suite']} ({note})" if note else result["suite"]


def finished(episodes: list[dict]) -> list[dict]:
    """Those that did not crash."""
    return [episode for episode in episodes if episode["error"] is None]


def episodes_of(result: Result) -> frozenset:
    """Which they were: task, initial state and seed of each."""
    return frozenset((episode["task"], episode["init_state"], episode["seed"]) for episode in result["episodes"])


def count(episodes: list[dict], key: str = "success") -> str:
    """ "13 of 20"."""
    ended = finished(episodes)
    return f"{sum(episode[key] for episode in ended)} of {len(ended)}"


def share(episodes: list[dict]) -> str:
    """ "65 %"; a dash without episodes."""
    ended = finished(episodes)
    return f"{100 * sum(episode['success'] for episode in ended) / len(ended):.0f} %" if ended else "-"


def interval(episodes: list[dict]) -> str:
    """Wilson 95 % interval in percent: "52-66"."""
    ended = finished(episodes)
    return _percent(wilson_interval(sum(episode["success"] for episode in ended), len(ended)))


def sentence_interval(episodes: list[dict]) -> str:
    """The same over sentences, as clusters of episodes, and how many there are: "81-98 (47)"; a dash where each task
    has one.
    """
    ended = finished(episodes)
    if not several_sentences((episode["instructed_task"], episode["instruction"]) for episode in ended):
        return "-"
    low_high = clustered_interval((episode["instruction"], episode["success"]) for episode in ended)
    return f"{_percent(low_high)} ({len({episode['instruction'] for episode in ended})})"


def _percent(interval: tuple[float, float]) -> str:
    return "-".join(f"{100 * end:.0f}" for end in interval)


def endings(episodes: list[dict]) -> str:
    """Why episodes failed, the commonest first: "5 timeout, 2 slipped"."""
    names = ["crashed" if e["error"] else e["failure"] or "failed" for e in episodes if e["error"] or not e["success"]]
    counts = {name: names.count(name) for name in sorted(set(names))}
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in ordered)


def states_told(result: Result) -> str:
    """Which initial states, and what they are for."""
    if result["states"] == ALL:
        return "all initial states, also those that demonstrations may have started from"
    numbers = BY_NAME[result["states"]]
    span = f"initial states {numbers[0]}-{numbers[-1]}"
    if result["states"] == "evaluation":
        return f"{span}, which no demonstration used"
    return f"{span}, for choosing settings: held out of training, not the figures to quote"


def embedded(path: Path, title: str) -> str:
    """A picture that lies in a folder beside the page."""
    return f"![{title}]({path.parent.name}/{path.name})"
