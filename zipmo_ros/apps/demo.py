"""`zipmo demo`: the loop over ROS 2, filmed."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from zipmo_ros.apps.configuration import Names, load
from zipmo_ros.apps.evaluate import LoopRequest
from zipmo_ros.apps.video import compose, write_gif, write_mp4
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.episodes import Episode, draw_episodes
from zipmo_ros.evaluation.evaluate import choose_tasks, identity
from zipmo_ros.evaluation.outcomes import Outcome, summarise, table
from zipmo_ros.evaluation.over_ros import GraphLoop
from zipmo_ros.evaluation.results import write_json
from zipmo_sim.simulator import ANY
from zipmo_sim.suites import Task, tasks
from zipmo_sim.suites.libero.assets import LiberoNotInstalledError

SHOWN = 4  # tasks
GIF_FPS, GIF_EVERY = 10, 4  # all episodes in one small file, at twice the speed


@dataclass(frozen=True)
class DemoRequest(LoopRequest):
    """Keys of config/hydra/demo.yaml."""

    say: str | None
    tasks: Names | None


class Film:
    """Collects what the cameras and the planner publish during an episode."""

    def __init__(self):
        self.frames: list[tuple[dict[str, np.ndarray], np.ndarray]] = []
        self._plan: np.ndarray | None = None
        self._robot = load_robot()

    def take(self, views: dict[str, np.ndarray], overlay: np.ndarray | None) -> None:
        """views: uint8 [H, W, 3] each; overlay: uint8 [h, 2 w, 3], a new plan on both views, if any."""
        if overlay is not None:
            self._plan = overlay[:, : overlay.shape[1] // 2]
        self.frames.append((views, views[self._robot.views[0]] if self._plan is None else self._plan))

    def save(self, path: Path, outcome: Outcome) -> list[np.ndarray]:
        """Write the film, its last frame held for a second, and beside it a PNG of four of its moments.

        Returns its frames.
        """
        steps = range(len(self.frames))
        frames = [self._render(step, outcome) for step in steps]
        fps = self._robot.rate_hz  # images at every control step, so that the film runs in real time
        write_mp4(path, [*frames, *[frames[-1]] * fps], fps)
        moments = [frames[round(share * steps[-1])] for share in (0.1, 0.4, 0.7, 1.0)]
        cv2.imwrite(str(path.with_suffix(".png")), cv2.cvtColor(np.concatenate(moments), cv2.COLOR_RGB2BGR))
        return frames

    def _render(self, step: int, outcome: Outcome) -> np.ndarray:
        views, plan = self.frames[step]
        latency = "" if outcome.plan_ms is None else f", a plan in {outcome.plan_ms:.0f} ms"
        end = outcome.error or result(asdict(outcome))
        status = f"step {step}{latency}" + (f"  -  {end}" if step == len(self.frames) - 1 else "")
        panels = {view.replace("_", " "): views[view] for view in self._robot.views} | {"planned motion": plan}
        return compose(panels, f'"{outcome.instruction}"', status)


def closest_task(sentence: str, candidates: list[Task]) -> Task:
    """The task whose sentence is nearest in meaning: its scene is set up. What the arm does there is the planner's."""
    from zipmo_ros.motion.spelling import mended
    from zipmo_ros.motion.text import embed_sentences

    vectors = np.asarray(embed_sentences([mended(sentence), *(task.language for task in candidates)]))
    return candidates[int(np.argmax(vectors[1:] @ vectors[0]))]


def choose_episodes(request: DemoRequest) -> list[Episode]:
    """The tasks asked for with their own sentences, or the user's sentence in the scene that fits it."""
    available = tasks(request.suite)
    if request.say is None:
        every = -(-len(available) // SHOWN)
        chosen = choose_tasks(request.suite, request.tasks) if request.tasks else available[::every]
        return draw_episodes(chosen, request.episodes, request.seed)
    if not request.say.strip():
        raise ValueError("the sentence of say= is empty")
    task = closest_task(request.say, available)
    print(f"the scene of '{task.language}', the closest sentence; over when any task of the scene is done")
    return [replace(episode, instructed_task=ANY, instruction=request.say)
            for episode in draw_episodes([task], request.episodes, request.seed)]  # fmt: skip


def result(episode: dict) -> str:
    """What got done, in a few words; `episode`: an Outcome as a dictionary."""
    if episode["error"]:
        return "crashed"
    if episode["refused"]:
        return "not understood"
    if not episode["success"]:
        return "not done"
    return f"done: {', '.join(episode['done_tasks'])}" if episode["instructed_task"] == ANY else "done"


def summary_table(report: dict) -> str:
    """A row an episode: what got done, steps, plan latency and age."""
    width = max(len(episode["instruction"]) for episode in report["episodes"])
    results = [result(episode) for episode in report["episodes"]]
    wide = max(map(len, results))
    rows = [f"{'instruction':<{width}}  {'result':<{wide}}  steps  plan ms  plan age ms  video"]
    for episode, outcome in zip(report["episodes"], results, strict=True):
        latency, age = ("-" if episode[key] is None else f"{episode[key]:.0f}" for key in ("plan_ms", "plan_age_ms"))
        rows.append(
            f"{episode['instruction']:<{width}}  {outcome:<{wide}}  {episode['steps']:>5}  {latency:>7}  {age:>11}"
            f"  {episode['video']}"
        )
    return "\n".join(rows)


def main(argv: list[str]) -> int:
    """0 when every episode ran to its end, successful or not; 1 when some crashed, or a sentence was not understood; 2
    for a wrong request.
    """
    try:
        request = load("demo", argv, DemoRequest)
        episodes = choose_episodes(request)
        settings = request.settings("ros", refuse_unknown=True)
        facts = identity(settings)
    except (ValueError, FileNotFoundError, LiberoNotInstalledError) as error:
        print(f"zipmo demo: {error}", file=sys.stderr)
        return 2
    outcomes, videos, shown = [], [], []
    film = Film()
    print("starting planner, policy and simulator nodes ...", flush=True)
    with GraphLoop(settings, image_every=1, on_frames=lambda *frames: film.take(*frames)) as graph:
        for episode in tqdm(episodes, unit="episode"):
            film = Film()
            outcome = graph.run_episode(episode)
            if outcome.refused:
                tqdm.write(f"'{outcome.instruction}' is not understood ({outcome.understood:.2f}): the arm holds")
            name = f"{episode.task}_{episode.init_state}.mp4"
            if film.frames:
                frames = film.save(request.out / name, outcome)
                shown += [*frames[::GIF_EVERY], *[frames[-1]] * GIF_FPS]
            outcomes.append(outcome)
            videos.append(name if film.frames else None)
    report = summarise(outcomes, suite=request.suite, via="ros", seed=request.seed, **facts)
    for episode, video in zip(report["episodes"], videos, strict=True):
        episode["video"] = video
    write_json(request.out / "summary.json", report)
    if shown:
        write_gif(request.out / "demo.gif", shown, GIF_FPS)
    text = f"{summary_table(report)}\n\n{table(report)}\n"
    (request.out / "summary.txt").write_text(text)
    print(f"\n{text}\nvideos and summary in {request.out}/")
    return int(report["crashes"] > 0 or any(outcome.refused for outcome in outcomes))
