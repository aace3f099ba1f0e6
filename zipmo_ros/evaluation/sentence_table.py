"""What a planner makes of wordings without moving: where it points, and whether it says when they mean nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.goal import Goal, Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import UNDERSTOOD
from zipmo_ros.contract.stamps import episode_number, observation_stamp
from zipmo_ros.data.grammar import IMPOSSIBLE, KINDS
from zipmo_ros.data.wordings import Family, order
from zipmo_ros.evaluation.episodes import APART
from zipmo_ros.evaluation.outcomes import wilson_interval
from zipmo_ros.training.stages.grounding import LANDMARKS, NEAR
from zipmo_sim import suites
from zipmo_sim.env import ManipulationEnv, cameras
from zipmo_sim.task import Task

# v1: first frames of initial states kept for this; places in the first view, within 6 px of 128.
PROTOCOL = "zipmo-sentences-v1"
COLUMNS = ["kind", "wordings", "distinct", "right place %", "95 % interval", "refused %"]


@runtime_checkable
class PointingPlanner(Protocol):
    """A planner that points."""

    def point(self, observation: Observation, goal: Goal) -> tuple[np.ndarray, float | None]:
        """(y, x) [V, K, 2] of what the goal takes and of where that is to go; how sure it is that it understood."""
        ...


def measure(planner: PointingPlanner, suite: str, family: Family, states: range, count: int, seed: int,
            assets: Path | None = None, progress: Callable[[], Any] = lambda: None) -> list[dict]:  # fmt: skip
    """A row a wording: `count` of each kind in each scene of the suite, each kind once in a layout.

    progress: called for each layout. Raises ValueError for a suite or a planner that can't be measured so.
    """
    scenes = {task.scene: task for task in reversed(suites.tasks(suite))}
    options: dict[str, Any] = {} if assets is None else {"assets": assets}
    rows: list[dict] = []
    for task in reversed(scenes.values()):
        if task.init_states < states.stop:
            raise ValueError(f"{suite} has {task.init_states} initial states, so not {states[0]}-{states[-1]}")
        env = suites.make_env(suite, task.name, **options)
        try:
            rng = random.Random(f"{seed} {task.scene}")
            for state in (states[number % len(states)] for number in range(count)):
                rows += _layout(planner, env, task, state, family, rng)
                progress()
        finally:
            env.close()
    return rows


def _layout(planner: PointingPlanner, env: ManipulationEnv, task: Task, state: int, family: Family,
            rng: random.Random) -> Iterator[dict]:  # fmt: skip
    """A wording of each kind in one layout."""
    seen, _ = env.reset(seed=state, options={"init_state": state})
    stamp_ns = observation_stamp(episode_number(task.index, state), 0, env.robot.period_ns)
    observation = Observation(
        stamp_ns, 0, {view: seen[view] for view in env.robot.views}, seen["proprio"], seen["hand"]
    )
    places, marks = order(suites.arrangement(task, state), APART), _marks(env)
    scene = suites.sentences(task)
    for kind in (*KINDS, *IMPOSSIBLE):
        able = [sentence for sentence in scene if kind in family.kinds(sentence, scene, places)]
        if kind in IMPOSSIBLE:
            wording = family.cannot(scene, rng, kind)
        elif able:
            wording = family.say(rng.choice(able), rng, scene, places, kind)
        else:
            continue
        pointed, understood = planner.point(observation, Sentence(wording.text))
        row = {"scene": task.scene, "init_state": state, **wording._asdict(), "understood": understood}
        if wording.means is not None:
            off = np.linalg.norm(pointed[0] - marks[wording.means], axis=-1) * (IMAGE_SIZE / 2)
            row |= {f"{name}_px": round(float(px), 2) for name, px in zip(LANDMARKS, off, strict=True)}
        yield row


def _marks(env: ManipulationEnv) -> dict[str, np.ndarray]:
    """(y, x) [2, 2] in the first view of what each sentence of the scene is about. Raises ValueError without any."""
    from zipmo_sim.tracks import ExactTracker  # imports mujoco, which must find its backend chosen

    marks = {suites.sentence(env.task.suite, name): points for name, points in env.landmarks().items()}
    if not marks:
        raise ValueError(f"suite {env.task.suite} does not say where its sentences point")
    tracker = ExactTracker(env.sim.model._model, env.get_state()[None], cameras())
    return {
        said: tracker.locate(env.robot.views[0], points[:, None], np.zeros(1, np.int64))[:, 0]
        for said, points in marks.items()
    }


def summary(rows: list[dict]) -> dict:
    """Figures by kind, of all that can be done and of all that can't, and refusals against false ones."""
    possible, impossible = ([row for row in rows if (row["kind"] in IMPOSSIBLE) == cannot] for cannot in (False, True))
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in (*KINDS, *IMPOSSIBLE)}
    groups = {kind: several for kind, several in kinds.items() if several}
    return {
        "kinds": {name: _figures(several) for name, several in groups.items()},
        "possible": _figures(possible),
        "impossible": _figures(impossible),
        "curve": _curve(possible, impossible) if rows[0]["understood"] is not None else [],
    }


def _figures(rows: list[dict]) -> dict:
    pointed = [max(row[f"{name}_px"] for name in LANDMARKS) < NEAR for row in rows if row["means"] is not None]
    figures: dict[str, Any] = {"wordings": len(rows), "sentences": len({row["text"] for row in rows})}
    if pointed:
        figures |= {"pointed": sum(pointed) / len(pointed), "wilson95": wilson_interval(sum(pointed), len(pointed))}
    if rows[0]["understood"] is not None:
        figures["refused"] = sum(row["understood"] < UNDERSTOOD for row in rows) / len(rows)
    return figures


def _curve(possible: list[dict], impossible: list[dict]) -> list[dict[str, float]]:
    """Shares refused of what can be done and of what can't, by how sure the planner must be."""
    can, cannot = (np.array([row["understood"] for row in rows]) for rows in (possible, impossible))
    least = np.unique(np.concatenate([can, cannot, [0.0, UNDERSTOOD, 1.0]]))
    shares = ((float(at), float((can < at).mean()), float((cannot < at).mean())) for at in least)
    return [dict(zip(("least", "false_refusals", "refused"), share, strict=True)) for share in shares]


def cells(report: dict) -> list[list[str]]:
    """A summary's figures under COLUMNS, a row a kind."""

    def percent(figures: dict, key: str) -> str:
        return f"{100 * figures[key]:.0f}" if key in figures else "-"

    def interval(figures: dict) -> str:
        return "-".join(f"{100 * edge:.0f}" for edge in figures["wilson95"]) if "wilson95" in figures else "-"

    groups = {**report["kinds"], "all that can be done": report["possible"], "all that can't": report["impossible"]}
    return [
        [name.replace("_", " "), str(f["wordings"]), str(f["sentences"]), percent(f, "pointed"), interval(f),
         percent(f, "refused")]
        for name, f in groups.items()
    ]  # fmt: skip
