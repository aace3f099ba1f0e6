"""An evaluation as a whole: what is to run, checked before anything does; the run; what its figures must carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import yaml
from tqdm import tqdm

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.share import share_path
from zipmo_ros.contract.splits import CHOSEN_ON, states_named
from zipmo_ros.data.wordings import FAMILIES, Family
from zipmo_ros.evaluation.episodes import Episode, Tell, draw_episodes, nothing, own, paraphrase, swap, worded
from zipmo_ros.evaluation.journal import Journal
from zipmo_ros.evaluation.origin import check_device, origin, shown
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.evaluation.parallel import run_parallel
from zipmo_ros.evaluation.places import Place
from zipmo_ros.evaluation.runners import BY_EXPERT, MODELLESS, PLANNING, Settings, images
from zipmo_ros.models import CLONING, NO_PLANNER, POLICY, bundle_path, find_planner, find_policy, planner_part
from zipmo_ros.motion.checkpoint import content_hash, read_description
from zipmo_ros.motion.engines import check_installed
from zipmo_ros.motion.text import check_source, source_hash
from zipmo_ros.runtime.horizons import HORIZONS
from zipmo_sim.perturbations.kinds import KINDS
from zipmo_sim.suites import (
    DEFAULT,
    Task,
    arrangement,
    expert_maker,
    sentences,
    subject,
    suite_entry,
    tasks,
    within_expert,
)


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
        "planner": settings.planner,
        "policy": settings.policy,
        "oracle": settings.oracle,
        "ensemble": settings.ensemble,
        "replan_every": settings.replan_every,
        "nfe": settings.nfe,
        "warm_start": settings.warm_start,
        "engine": settings.engine,
        "device": settings.device,
        "dtype": settings.dtype,
        "command_interface": settings.command_interface,
        "robot": settings.robot,
        "image_phase": settings.image_phase,
        "camera_skew": settings.camera_skew,
        "plan_age": settings.plan_age,
        "mode": settings.mode,
        "execution": settings.execution,
        "latency_ms": settings.latency_ms,
        "latency_jitter": settings.latency_jitter,
        "refuse_unknown": settings.refuse_unknown,
        "perturb": settings.perturb,
        "strength": settings.strength,
        "look": settings.look,
        "settle": settings.settle,
        "hashes": {
            "checkpoint": content_hash(settings.checkpoint),
            "assets": asset_hash(settings.suite, settings.libero_assets),
            "render": render_hash(settings.suite, images(settings)),
            **({"text_encoder": source_hash(settings.text_encoder)} if settings.text_encoder else {}),
        },
        **origin(),
    }


def _swap(suite: str) -> Tell:
    expert_maker(suite)  # which leads the hand: where there is none, it is told now
    return swap(tasks(suite))


def _paraphrases(suite: str) -> dict[str, list[str]]:
    return yaml.safe_load(share_path(f"config/paraphrases/{suite}.yaml").read_text())


def _worded(family: str, suite: str) -> Tell:
    return worded(Family.load(family), sentences, arrangement)


# What instruction=... tells the episodes of a suite.
TELL: dict[str, Callable[[str], Tell]] = {
    "own": lambda suite: own,
    "none": lambda suite: nothing,
    "swap": _swap,
    "paraphrase": lambda suite: paraphrase(_paraphrases(suite)),
    **{family: partial(_worded, family) for family in FAMILIES[1:]},
}


def check_oracle(oracle: str, via: str, instruction: str) -> None:
    """Raises ValueError for an oracle (of AGENTS) that can't be what is asked for."""
    if oracle == "none":
        return
    if via != "direct":
        raise ValueError(f"oracle={oracle} needs via=direct: the graph runs planner and policy alone")
    if instruction in FAMILIES or (instruction == "swap" and oracle != "zeroed"):
        raise ValueError(f"oracle={oracle} can't be told another task: the expert only knows the scene's own")


def check_execution(settings: Settings) -> None:
    """Raises ValueError for late plans, or a way to execute plans, where the settings have no say in it."""
    asked = f"execution={settings.execution}, latency_ms={settings.latency_ms:g}"
    usual = settings.execution == "ensemble" and not settings.latency_ms
    if settings.command_interface and (settings.via != "ros" or settings.mode != "lockstep"):
        raise ValueError("command_interface needs via=ros and mode=lockstep: there an arm's node drives the arm")
    if settings.via != "ros" and (settings.image_phase or settings.camera_skew or settings.plan_age):
        raise ValueError("image_phase, camera_skew and plan_age need via=ros: without ROS nothing is out of step")
    if settings.robot:
        load_robot(settings.robot)  # one that there is not is told now
    if settings.mode == "realtime" and settings.via != "ros":
        raise ValueError("mode=realtime needs via=ros: without ROS nothing waits, and nothing is late")
    if settings.via == "ros" and settings.execution not in HORIZONS:
        raise ValueError(f"{asked} needs via=direct: over ROS there are {', '.join(HORIZONS)}")
    if settings.via == "ros" and settings.mode == "lockstep" and settings.latency_ms:
        raise ValueError(f"{asked} needs via=direct, or mode=realtime: in lockstep the simulator waits")
    if settings.oracle in ("expert", "plans", "replay") and not usual:
        raise ValueError(f"{asked} means nothing with oracle={settings.oracle}: it acts at once")


def check_perturbation(settings: Settings, chosen: Iterable[Task]) -> None:
    """Raises ValueError for a perturbation that there is not of this suite, or not of one of the tasks chosen."""
    if settings.perturb is None:
        return
    kind = KINDS[settings.perturb]
    if unfit := [task.name for task in chosen if not kind.fits(subject(settings.suite, task.name))]:
        raise ValueError(f"perturb={settings.perturb} needs a {kind.needs}, and there is none in {', '.join(unfit)}: "
                         "name other tasks=")  # fmt: skip


def resolve(
    *,
    suite: str,
    checkpoint: str | None,
    replan_every: int,
    nfe: int | None,
    planner: str | None = None,
    policy: str | None = None,
    warm_start: float | None = None,
    engine: str = "eager",
    device: str = "cpu",
    text_encoder: Path | None = None,
    libero_assets: Path | None = None,
    **others,
) -> Settings:
    """The settings that are meant, with what the checkpoint says filled in; paths hold in any working directory.

    others: the remaining fields of Settings.

    checkpoint: as bundle_path takes it; any will do for an oracle without a model. nfe: None for the planner's own
    number. planner, policy: see models; of those that are no folder of the bundle nothing is known here.
    Raises FileNotFoundError or ValueError for what can't be run.
    """
    tasks(suite)  # an unknown one is told as such, whichever checkpoint is to run on it
    if libero_assets and not suite_entry(suite).libero:
        raise ValueError(f"libero_assets is for the suites of LIBERO; '{suite}' needs none")
    modelless = others.get("oracle") in MODELLESS and not suite_entry(suite).checkpoint
    bundle = bundle_path(checkpoint, DEFAULT if modelless else suite, planner)
    content_hash(bundle)  # an empty folder is refused now, not after the episodes
    horizon = _said(bundle, policy or POLICY, "horizon")
    if horizon is not None and replan_every > horizon:
        raise ValueError(f"replan_every must be a whole number from 1 to {horizon}, got {replan_every}: a plan of "
                         f"{bundle} is for {horizon} steps")  # fmt: skip
    find_policy(policy, bundle)
    if planner != NO_PLANNER and (planner or policy != CLONING):
        find_planner(planner, bundle)
    check_device(device)
    _check_sampler(bundle / planner_part(planner), nfe, warm_start, engine)
    if nfe is None:
        nfe = _said(bundle, planner_part(planner), "steps")
    assets, encoder = (path and path.expanduser().absolute() for path in (libero_assets, text_encoder))
    return Settings(suite=suite, checkpoint=bundle.absolute(), replan_every=replan_every, nfe=nfe, planner=planner,
                    policy=policy, warm_start=warm_start, engine=engine, device=device, text_encoder=encoder,
                    libero_assets=assets, **others)  # fmt: skip


def _check_sampler(planner: Path, nfe: int | None, warm_start: float | None, engine: str) -> None:
    """Raises ValueError for what a bundle's planner has not; of one that is not in the bundle nothing is known."""
    check_installed(engine)
    kind = read_description(planner)["kind"] if planner.is_dir() else None
    if nfe is not None and kind == "atm":
        raise ValueError(f"nfe={nfe} is of a sampler, and {planner} (ATM) has none: say nfe=null")
    if warm_start is not None and kind in ("arfm", "atm"):
        raise ValueError(f"warm_start={warm_start:g} is ZipMo's, not of kind '{kind}' ({planner}): say warm_start=null")
    if engine != "eager" and kind in ("arfm", "atm"):
        raise ValueError(f"engine={engine} is ZipMo's, not of kind '{kind}' ({planner}): say engine=eager")


def _check_text(settings: Settings, sentences: Iterable[str]) -> None:
    """Raises ValueError or FileNotFoundError where the bundle's planner can't read the sentences: see check_source."""
    planner = settings.checkpoint / planner_part(settings.planner)
    text = read_description(planner)["config"].get("text") if planner.is_dir() else None
    if text:
        check_source(text["encoder"], settings.text_encoder, sentences)


def _said(bundle: Path, part: str, field: str) -> int | None:
    """What the configuration of a bundle's checkpoint says; None where there is no such part or field."""
    return read_description(bundle / part)["config"].get(field) if (bundle / part).is_dir() else None


def choose_episodes(
    settings: Settings, names: str | Iterable[str], episodes: int, states: str, instruction: str, in_order: bool = False
) -> list[Episode]:
    """`episodes` of each task; of "all", where the expert acts, those that it can do.

    names: see choose_tasks; states: see splits.states_named; instruction: of TELL; in_order: see draw_episodes.
    Raises ValueError for what the suite, or the settings' oracle, can't do.
    """
    chosen = choose_tasks(settings.suite, names)
    if settings.oracle in BY_EXPERT:
        chosen = within_expert(chosen, names == "all")
    if suite_entry(settings.suite).base and states in CHOSEN_ON:
        raise ValueError(f"states={states} are for choosing, and nothing is chosen on LIBERO-PRO's {settings.suite}")
    check_oracle(settings.oracle, settings.via, instruction)
    check_execution(settings)
    check_perturbation(settings, chosen)
    tell, approach = TELL[instruction](settings.suite), instruction == "swap"
    drawn_of = states_named(states, min(task.stored or task.init_states for task in chosen))
    drawn = draw_episodes(chosen, episodes, settings.seed, tell, drawn_of, approach, in_order)
    if settings.oracle in PLANNING:
        _check_text(settings, {episode.instruction for episode in drawn})
    return drawn


def evaluate(
    settings: Settings, drawn: list[Episode], workers: int, journal: Journal | None = None, place: Place | None = None
) -> list[Outcome]:
    """Run the episodes that the journal has no outcome of, with a progress bar: see run_parallel."""
    known = journal.done.values() if journal else ()
    done = sum(outcome.success for outcome in known)
    with tqdm(total=len(drawn), initial=len(known), unit="episode", desc=f"{settings.suite} via {settings.via}") as bar:

        def progress(outcome: Outcome) -> None:
            nonlocal done
            done += outcome.success
            bar.update()
            bar.set_postfix_str(f"{done} succeeded")

        return run_parallel(settings, drawn, workers, progress, journal, place)
