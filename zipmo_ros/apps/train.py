"""`zipmo train`: one stage of training, from demonstrations to a checkpoint folder."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

STAGES = {
    "vae": "autoencoder of point tracks: latents that the planner generates",
    "grounding": "image encoder that points at what a sentence names: where the planner's starts from",
    "planner": "flow matching from images and sentence to latents; needs vae=, takes the image encoder of encoder=",
    "policy": "inverse dynamics from latents and proprioception to actions; needs vae=",
    "bc": "behaviour cloning, the baseline without a motion plan; takes the image encoder of encoder=",
}

USAGE = f"""usage: zipmo train STAGE [key=value ...]

stages:
{chr(10).join(f"  {name:<9} {text}" for name, text in STAGES.items())}

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
    if name not in STAGES:
        print(f"zipmo train: no stage '{name}'; there are: {', '.join(STAGES)}", file=sys.stderr)
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


def run(name: str, config: Any) -> int:
    """Train one stage as `config` (an OmegaConf tree) says."""
    import torch
    from omegaconf import OmegaConf
    from tqdm import tqdm

    from zipmo_policy.stages.registry import make_stage, stage_class
    from zipmo_ros.contract.share import share_path
    from zipmo_ros.data.windows import DemonstrationWindows
    from zipmo_ros.evaluation.plotting import plot_metrics
    from zipmo_ros.motion.checkpoint import content_hash
    from zipmo_ros.motion.config import from_dict
    from zipmo_ros.training.loop import MetricsLog, TrainConfig, fit

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for package in ("zipmo_ros", "zipmo_policy"):
        logging.getLogger(package).setLevel(logging.INFO)
    plain = OmegaConf.to_container(config, resolve=True)
    settings: TrainConfig = from_dict(TrainConfig, {**plain["train"], "seed": plain["seed"]})
    if settings.threads:
        torch.set_num_threads(settings.threads)
    out = Path(plain["out"] or f"runs/{name}")
    run_dir = out / "run"
    if plain["rephrasings"] and not Path(plain["rephrasings"]).exists():
        plain["rephrasings"] = share_path(plain["rephrasings"])
    kind = stage_class(name)
    windows = DemonstrationWindows.load(
        plain["data"],
        images=kind.needs_images,
        tracks=kind.needs_tracks,
        max_demos=plain["max_demos"],
        cache=plain["cache"],
    )
    torch.manual_seed(settings.seed)  # initial weights
    stage = make_stage(name, windows, plain)
    run_dir.mkdir(parents=True, exist_ok=True)
    if not plain["resume"]:
        for leftover in ("resume.pt", "metrics.jsonl"):
            (run_dir / leftover).unlink(missing_ok=True)
    (run_dir / "config.yaml").write_text(OmegaConf.to_yaml(config))
    parameters = sum(parameter.numel() for parameter in stage.model.parameters())
    logger.info("%s: %.2f M parameters, %d training windows", name, parameters / 1e6, len(stage.training))

    sources = {key: content_hash(plain[key]) for key in kind.builds_on if plain[key]}

    def save(model, step: int, minutes: float) -> None:
        meta = {
            "stage": name,
            "step": step,
            "minutes": round(minutes, 2),
            "seed": settings.seed,
            "data_hash": windows.data_hash,
            "demonstrations": len(windows.demos),
            "rendering": windows.provenance,
            "sentences": list(windows.sentences),
            "sources": sources,
            "training": {key: plain[key] for key in ("stage", "train", "data", "validation_states", "max_demos")},
        }
        stage.save(model, out, meta)
        plot_metrics(MetricsLog(run_dir / "metrics.jsonl").read(), run_dir / "loss.png")

    with tqdm(total=settings.max_steps, unit="step", desc=name, mininterval=5.0, smoothing=0.05) as bar:

        def progress(step: int, metrics: dict[str, float]) -> None:
            bar.update(step - bar.n)
            if "loss" in metrics:
                bar.set_postfix_str(f"loss {metrics['loss']:.4g}")
            else:
                tqdm.write(f"{name} step {step}: " + describe(metrics, stage.headline))

        result = fit(
            stage.model, stage.loss, stage.batches, settings, run_dir,
            validate=stage.validate, save=save, progress=progress,
            resume=plain["resume"], identity=identity(plain, windows.data_hash, sources),
        )  # fmt: skip
    state = "interrupted, resumable" if result.interrupted else "done"
    figures = describe(result.metrics, stage.headline)
    print(f"{name} {state}: {out}, step {result.step}, {result.minutes:.1f} min; {figures}")
    return 143 if result.interrupted else 0


def identity(plain: dict[str, Any], data_hash: str, sources: dict[str, str]) -> str:
    """What a resumed run must share with the interrupted one besides the training settings."""
    options = {key: value for key, value in plain["stage"].items() if not key.startswith("validation")}
    described = json.dumps([options, plain["model"], plain["validation_states"], sources], sort_keys=True)
    return f"{data_hash[:12]}-{hashlib.sha256(described.encode()).hexdigest()[:12]}"


def describe(metrics: dict[str, float], headline: tuple[str, ...]) -> str:
    return ", ".join(
        f"{name} {metrics[f'validation/{name}']:.4g}" for name in headline if f"validation/{name}" in metrics
    )
