"""`zipmo train`: one stage of training, from demonstrations to a checkpoint folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipmo_policy.stages.registry import STAGES, stage_class

if TYPE_CHECKING:
    from zipmo_ros.training.request import TrainingRequest

USAGE = f"""usage: zipmo train STAGE [key=value ...]
       zipmo train all [key=value ...]     a whole bundle as a recipe says, from nothing (zipmo train all --help)

stages:
{chr(10).join(f"  {name:<9} {entry.summary}" for name, entry in STAGES.items())}

common keys:
  data=DIR              folder with *_demo.hdf5; several: 'data=[DIR,DIR]'
  out=DIR               checkpoint folder (default runs/STAGE)
  vae=DIR planner=DIR   checkpoints of other stages
  encoder=DIR           checkpoint of grounding or of a planner: start from its image encoder
  rephrasings=FILE      other words for the sentences, drawn while training; null: none
  init=DIR              start from the weights of a checkpoint of the same stage (more data, another phase)
  cache=DIR             precomputed latents and sentence vectors
  train.max_steps=N     train.max_minutes=M: whichever is spent first ends the run and the decay of the learning rate
  train.bf16=true       bfloat16 autocast
  train.threads=1       CPU threads
  train.shards=N        batches a step; processes that torchrun starts share them (docs/cluster.md)
  resume=false          start anew even if <out>/run/resume.pt exists
  --config              print every key of the stage with its value, and stop

Interrupted runs (SIGTERM, Ctrl-C once) go on exactly where they were when the same command is given again.
<out> gets config.json, model.safetensors, stats.json; <out>/run gets metrics.jsonl, loss.png, config.yaml, resume.pt.
"""


def main(argv: list[str]) -> int:
    """0 when trained to the end of the budget, 143 when terminated (resumable), 2 for a wrong request."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if argv else 2
    name, *overrides = argv
    if name == "all":
        from zipmo_ros.apps import train_all

        return train_all.main(overrides)
    if name not in STAGES:
        print(f"zipmo train: no stage '{name}'; there are: {', '.join(STAGES)}, and all", file=sys.stderr)
        return 2
    if {"-h", "--help"} & set(overrides):
        print(USAGE)
        return 0
    show = "--config" in overrides
    from zipmo_ros.apps.configuration import load

    try:
        config = load("train", [f"stage={name}", *(key for key in overrides if key != "--config")])
        if show:
            from omegaconf import OmegaConf

            print(OmegaConf.to_yaml(config))
            return 0
        return run(name, config)
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo train {name}: {error}", file=sys.stderr)
        return 2


def requested(config: Any) -> TrainingRequest:
    """Of a composed configuration (an OmegaConf tree). Raises as TrainingRequest.of."""
    from omegaconf import OmegaConf

    from zipmo_ros.training.request import TrainingRequest

    return TrainingRequest.of(OmegaConf.to_container(config, resolve=True))


def run(name: str, config: Any) -> int:
    """Train one stage as `config` (an OmegaConf tree) says, with a progress bar."""
    from tqdm import tqdm

    from zipmo_ros.evaluation.plotting import plot_metrics
    from zipmo_ros.training import distributed
    from zipmo_ros.training.loop import MetricsLog
    from zipmo_ros.training.run import train

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for package in ("zipmo_ros", "zipmo_policy"):
        logging.getLogger(package).setLevel(logging.INFO)
    stage, request = stage_class(name), requested(config)

    # The delay keeps the bar away until there is a step: a request that can't be met ends with words alone.
    shown = {"unit": "step", "desc": name, "mininterval": 5.0, "smoothing": 0.05, "delay": 0.001}
    with distributed.joined(request.device), tqdm(total=request.train.max_steps, **shown) as bar:
        bar.disable = bool(distributed.rank())

        figures = ""  # of the last validation

        def progress(step: int, metrics: dict[str, float]) -> None:
            nonlocal figures
            bar.update(step - bar.n)
            if "loss" in metrics:
                bar.set_postfix_str(f"loss {metrics['loss']:.4g}")
            else:
                figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
                tqdm.write(f"{name} step {step}: {figures}")

        def plot(run_dir: Path) -> None:
            plot_metrics(MetricsLog(run_dir / "metrics.jsonl").read(), run_dir / "loss.png")

        result = train(stage, request, progress, plot)
        first = not distributed.rank()
    if not first:
        return 143 if result.interrupted else 0
    state = "interrupted, resumable" if result.interrupted else "done"
    print(f"{name} {state}: {request.out}, step {result.step}, {result.minutes:.1f} min; {figures}")
    return 143 if result.interrupted else 0
