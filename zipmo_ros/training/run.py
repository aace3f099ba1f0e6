"""Train one stage as a request says: from demonstrations to a checkpoint folder that can be resumed."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import torch
import yaml
from torch import nn

from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.motion.checkpoint import content_hash, sha256
from zipmo_ros.motion.config import to_dict
from zipmo_ros.training import distributed
from zipmo_ros.training.loop import FitResult, fit
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.stage import Stage
from zipmo_ros.training.wordings import DrawnWordings, load_words

logger = logging.getLogger(__name__)


def train(
    stage_class: type[Stage],
    request: TrainingRequest,
    progress: Callable[[int, dict[str, float]], None] | None = None,
    saved: Callable[[Path], None] | None = None,
) -> FitResult:
    """Writes the checkpoint to `request.out`, and resume.pt, metrics.jsonl and config.yaml to <out>/run.

    progress(step, metrics) is called with what is logged (of validation, with the stage's headline), saved(<out>/run)
    after each checkpoint. Raises ValueError or FileNotFoundError for a request that can't be met, FloatingPointError
    when the loss is not finite.
    """
    stage = prepare(stage_class, request)
    windows, run_dir = stage.windows, _run_folder(request)
    parameters = sum(parameter.numel() for parameter in stage.model.parameters())
    logger.info("%s: %.2f M parameters, %d windows", request.stage["name"], parameters / 1e6, len(stage.training))
    bases = {key: getattr(request, key) for key in stage_class.builds_on}
    sources = {key: content_hash(directory) for key, directory in bases.items() if directory}
    origin = provenance(request, windows, sources)

    def save(model: nn.Module, step: int, minutes: float) -> None:
        stage.save(model, Path(request.out), {**origin, "step": step, "minutes": round(minutes, 2)})
        if saved:
            saved(run_dir)

    def tell(step: int, metrics: dict[str, float]) -> None:
        if progress:
            progress(step, stage.worth_a_line(metrics))

    return fit(
        stage.model, stage.loss, stage.batches, request.train, run_dir,
        validate=stage.validate, save=save, progress=tell, teach=stage.teach,
        resume=request.resume, identity=identity(request, windows.data_hash, sources, windows.sentences),
    )  # fmt: skip


def prepare(stage_class: type[Stage], request: TrainingRequest) -> Stage:
    """The stage with its demonstrations and initial weights, and what is computed beforehand. Raises as `train`."""
    if request.train.threads:
        torch.set_num_threads(request.train.threads)
    with distributed.in_turn():
        windows = DemonstrationWindows.load(
            request.data,
            images=stage_class.needs_images,
            tracks=stage_class.needs_tracks,
            max_demos=request.max_demos,
            cache=request.cache,
        )
    torch.manual_seed(request.seed)  # initial weights
    with distributed.in_turn():
        return stage_class.create(windows, request)


def _run_folder(request: TrainingRequest) -> Path:
    """<out>/run with the request in it, and nothing of an earlier run that is not to be resumed."""
    run_dir = Path(request.out) / "run"
    run_dir.mkdir(parents=True, exist_ok=True)
    if distributed.rank():
        return run_dir
    if not request.resume:
        for leftover in ("resume.pt", "metrics.jsonl"):
            (run_dir / leftover).unlink(missing_ok=True)
    (run_dir / "config.yaml").write_text(yaml.safe_dump(to_dict(request), sort_keys=False))
    return run_dir


def provenance(request: TrainingRequest, windows: DemonstrationWindows, sources: dict[str, str]) -> dict:
    """What a checkpoint's `meta` says of where it comes from; `sources` are content hashes of what it builds on."""
    settings = to_dict(request)
    kept = ("stage", "train", "data", "validation_states", "max_demos", "freeze", "rephrasings")
    return {
        "stage": request.stage["name"],
        "seed": request.seed,
        "commit": source_commit(),
        "rephrasings": _rephrasings_hash(request, windows.sentences),
        "data_hash": windows.data_hash,
        "demonstrations": len(windows.demos),
        "rendering": windows.provenance,
        "sentences": list(windows.sentences),
        "sources": sources,
        "training": {key: settings[key] for key in kept},
    }


@cache
def source_commit() -> str | None:
    """Commit of the source tree, with -dirty where files differ from it; None where this is no checkout."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", here.name], check=True, capture_output=True)
        told = [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(told, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git, or not its file
        return None


def identity(request: TrainingRequest, data_hash: str, sources: dict[str, str], sentences: Sequence[str] = ()) -> str:
    """What a resumed run must share with the interrupted one besides the training settings. sentences: of the data."""
    options = {key: value for key, value in request.stage.items() if not key.startswith("validation")}
    model = {part: fields for part, fields in request.model.items() if fields}  # other parts may come to be
    described: list[object] = [options, model, request.validation_states, sources]
    if request.freeze != "none":
        described.append(f"freeze {request.freeze}")
    if request.rephrasings:
        described += [_rephrasings_hash(request, sentences), request.wordings]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    return f"{data_hash[:12]}-{digest[:12]}"


def _rephrasings_hash(request: TrainingRequest, sentences: Sequence[str]) -> str | None:
    """Of the file, and of what is beside it for worlds of which there are sentences."""
    words = load_words(request.rephrasings, request.wordings)
    if words is None:
        return None
    files = words.family.files(sentences) if isinstance(words, DrawnWordings) else []
    return "+".join(sha256(file) for file in (Path(str(request.rephrasings)), *files))
