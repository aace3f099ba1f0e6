"""An evaluation as a whole: what is to run, checked before anything does; the run; what its figures must carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import yaml
from tqdm import tqdm

from zipmo_ros.contract.share import bundle_path, share_path
from zipmo_ros.evaluation.episodes import (
    STATES,
    Episode,
    Outcome,
    Tell,
    draw_episodes,
    own,
    paraphrase,
    summarise,
    swap,
)
from zipmo_ros.evaluation.origin import origin, shown
from zipmo_ros.evaluation.runners import EXPERT_ORACLES, Settings, run_parallel
from zipmo_ros.motion.checkpoint import content_hash, read_config
from zipmo_sim.suites import Task, tasks


def choose_tasks(suite: str, names: str | Iterable[str]) -> list[Task]:
    """Tasks of the suite by name, or "all". Raises ValueError for a name that the suite lacks."""
    available = tasks(suite)
    if names == "all":
        return available
    wanted = set(names)
    if unknown := sorted(wanted - {task.name for task in available}):
        known = ", ".join(task.name for task in available)
        raise ValueError(f"suite {suite} has no task {', '.join(unknown)}; it has {known}")
    return [task for task in available if task.name in wanted]


def identity(settings: Settings) -> dict:
    """What a figure must carry to be understood later: versions, hashes, machine, date."""
    from zipmo_sim.provenance import asset_hash, render_hash

    return {
        "checkpoint": shown(settings.checkpoint),
        "oracle": settings.oracle,
        "ensemble": settings.ensemble,
        "replan_every": settings.replan_every,
        "nfe": settings.nfe,
        "hashes": {
            "checkpoint": content_hash(settings.checkpoint),
            "assets": asset_hash(settings.suite, settings.libero_assets),
            "render": render_hash(settings.suite),
        },
        **origin(),
    }


def _paraphrases(suite: str) -> dict[str, list[str]]:
    return yaml.safe_load(share_path(f"config/paraphrases/{suite}.yaml").read_text())


# What instruction=... tells the episodes of a suite.
TELL: dict[str, Callable[[str], Tell]] = {
    "own": lambda suite: own,
    "swap": lambda suite: swap(tasks(suite)),
    "paraphrase": lambda suite: paraphrase(_paraphrases(suite)),
}


def check_oracle(oracle: str, via: str, instruction: str, checkpoint: Path) -> None:
    """Raises ValueError for an oracle (of AGENTS) that can't be what is asked for."""
    if oracle != "none" and via != "direct":
        raise ValueError(f"oracle={oracle} needs via=direct: the graph runs planner and policy alone")
    if oracle in EXPERT_ORACLES and instruction == "swap":
        raise ValueError(f"oracle={oracle} can't be told another task: the expert only knows the scene's own")
    if oracle == "bc" and not (checkpoint / "bc").is_dir():
        raise ValueError(f"oracle=bc needs a bundle with bc/; there is none in {checkpoint}")


def resolve(
    *,
    suite: str,
    checkpoint: str | None,
    replan_every: int,
    nfe: int | None,
    libero_assets: Path | None = None,
    **others,
) -> Settings:
    """The settings that are meant, with what the checkpoint says filled in. others: the remaining fields of Settings.

    checkpoint: as bundle_path takes it. nfe: None for the planner's own number.
    Raises FileNotFoundError or ValueError for what can't be run.
    """
    from zipmo_policy.head import PolicyHead
    from zipmo_ros.motion.zipmo.planner import MotionPlanner

    tasks(suite)  # an unknown one is told as such, whichever checkpoint is to run on it
    if libero_assets and not suite.startswith("libero"):
        raise ValueError(f"libero_assets is for the suites of LIBERO; '{suite}' needs none")
    bundle = bundle_path(checkpoint, suite)
    content_hash(bundle)  # an empty folder is refused now, not after the episodes
    horizon = read_config(bundle / "policy", PolicyHead).horizon
    if replan_every > horizon:
        raise ValueError(f"replan_every must be a whole number from 1 to {horizon}, got {replan_every}: a plan of "
                         f"{bundle} is for {horizon} steps")  # fmt: skip
    if nfe is None:
        nfe = read_config(bundle / "planner", MotionPlanner).steps
    return Settings(suite=suite, checkpoint=bundle, replan_every=replan_every, nfe=nfe, libero_assets=libero_assets,
                    **others)  # fmt: skip


def choose_episodes(
    settings: Settings, names: str | Iterable[str], episodes: int, states: str, instruction: str
) -> list[Episode]:
    """`episodes` of each task. names: see choose_tasks; states: of STATES; instruction: of TELL.

    Raises ValueError for what the suite, or the settings' oracle, can't do.
    """
    chosen = choose_tasks(settings.suite, names)
    check_oracle(settings.oracle, settings.via, instruction, settings.checkpoint)
    return draw_episodes(chosen, episodes, settings.seed, TELL[instruction](settings.suite), STATES[states])


def evaluate(settings: Settings, drawn: list[Episode], workers: int, **facts) -> dict:
    """Run the episodes with a progress bar; the report of `summarise`. facts: what else it takes."""
    done = 0
    with tqdm(total=len(drawn), unit="episode", desc=f"{settings.suite} via {settings.via}") as bar:

        def progress(outcome: Outcome) -> None:
            nonlocal done
            done += outcome.success
            bar.update()
            bar.set_postfix_str(f"{done} succeeded")

        outcomes = run_parallel(settings, drawn, workers, progress)
    return summarise(
        outcomes, suite=settings.suite, via=settings.via, seed=settings.seed, max_steps=settings.max_steps, **facts
    )
