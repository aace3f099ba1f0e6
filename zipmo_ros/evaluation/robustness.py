"""Success where something is otherwise than in training: the same episodes, unchanged and under each perturbation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome, wilson_interval
from zipmo_ros.evaluation.results import interval, markdown, share
from zipmo_ros.evaluation.runners import Settings
from zipmo_sim.perturbations.kinds import DIMENSIONS, KINDS
from zipmo_sim.suites import subject

VARIED = ("perturb", "strength")  # from row to row
_KEPT = ("number", "task", "init_state", "success", "steps", "error", "failure")  # of an outcome
_ELSEWHERE = {"language instructions": "see the table of sentences"}


@dataclass(frozen=True)
class Row:
    """A perturbation at a strength; None: unchanged."""

    perturb: str | None
    strength: float | None

    @property
    def name(self) -> str:
        return f"{self.perturb}-{self.strength:g}" if self.perturb else "unchanged"

    def settings(self, base: Settings) -> Settings:
        return replace(base, perturb=self.perturb, strength=self.strength) if self.strength else base


def fitting(suite: str, episodes: Sequence[Episode]) -> list[str]:
    """All perturbations that fit at least one of the tasks. Raises ValueError for a suite that can't be perturbed."""
    subjects = [subject(suite, task) for task in dict.fromkeys(episode.task for episode in episodes)]
    return [name for name, kind in KINDS.items() if any(map(kind.fits, subjects))]


def rows(
    suite: str, perturbations: Sequence[str], strengths: Sequence[float], episodes: Sequence[Episode]
) -> dict[Row, list[Episode]]:
    """Every row with its episodes, those whose task it fits; unchanged first.

    Raises ValueError for a suite that can't be perturbed, or a perturbation that fits none of the tasks.
    """
    subjects = {episode.task: subject(suite, episode.task) for episode in episodes}
    made = {Row(None, None): list(episodes)}
    for name in perturbations:
        fitting = [episode for episode in episodes if KINDS[name].fits(subjects[episode.task])]
        if not fitting:
            raise ValueError(f"{name} needs a {KINDS[name].needs}, which none of {', '.join(subjects)} has")
        made |= {Row(name, strength): fitting for strength in strengths}
    return made


def report(outcomes: Mapping[Row, Sequence[Outcome]]) -> list[dict[str, Any]]:
    """What the result file says of each row; relative: to the success of the same episodes unchanged."""
    told = []
    kept = {row: [{name: getattr(outcome, name) for name in _KEPT} for outcome in ended]
            for row, ended in outcomes.items()}  # fmt: skip
    for row, episodes in kept.items():
        ended = [episode["success"] for episode in episodes if episode["error"] is None]
        told.append({
            "perturb": row.perturb,
            "strength": row.strength,
            "success_rate": sum(ended) / len(ended) if ended else None,
            "wilson95": list(wilson_interval(sum(ended), len(ended))),
            "relative": relative(episodes, kept[Row(None, None)]),
            "crashes": len(episodes) - len(ended),
            "episodes": episodes,
        })  # fmt: skip
    return told


def table(content: Mapping[str, Any]) -> str:
    """Markdown: success by perturbation and strength, by LIBERO-Plus's dimensions, from a result file's content.

    A cell: success, its 95 % interval, and in brackets the success relative to the same episodes unchanged.
    """
    found = {(row["perturb"], row["strength"]): row["episodes"] for row in content["rows"]}
    plain = found[None, None]
    strengths = sorted({strength for _, strength in found if strength})

    def cell(names: Sequence[str], strength: float) -> str:
        together = [episode for name in names for episode in found.get((name, strength), ())]
        ratio = relative(together, plain)
        told = "-" if ratio is None else f"{ratio:.2f}"
        return f"{share(together)}, {interval(together)} ({told})" if together else "-"

    lines = [["unchanged", "", *[f"{share(plain)}, {interval(plain)}"] * len(strengths)]]
    for dimension in DIMENSIONS:
        names = [name for name, kind in KINDS.items() if kind.dimension == dimension and _has(found, name)]
        if len(names) != 1:
            lines.append([f"**{dimension}**", _ELSEWHERE.get(dimension, ""), *(cell(names, s) for s in strengths)])
        lines += [[name if len(names) > 1 else f"**{dimension}**: {name}", KINDS[name].what,
                   *(cell([name], s) for s in strengths)] for name in names]  # fmt: skip
    every = [name for name in KINDS if _has(found, name)]
    lines.append(["**all**", "", *(cell(every, strength) for strength in strengths)])
    columns = ["perturbation", "at strength 1", *(f"strength {strength:g}" for strength in strengths)]
    return markdown(columns, lines)


def relative(episodes: Sequence[Mapping[str, Any]], plain: Sequence[Mapping[str, Any]]) -> float | None:
    """Success over that of the same episodes unchanged, each counted as often as it was run; None without any."""
    usual = {episode["number"]: episode["success"] for episode in plain if episode["error"] is None}
    ended = [episode for episode in episodes if episode["error"] is None and episode["number"] in usual]
    before = sum(usual[episode["number"]] for episode in ended)
    return sum(episode["success"] for episode in ended) / before if before else None


def _has(found: Mapping[tuple[str | None, float | None], Any], name: str) -> bool:
    return any(perturb == name for perturb, _ in found)
