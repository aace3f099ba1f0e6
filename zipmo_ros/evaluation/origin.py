"""What every result file says of where it comes from: the command, the machine, the day."""

from __future__ import annotations

import os
import platform
import shlex
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from zipmo_ros import __version__
from zipmo_sim.suites import suite_entry
from zipmo_sim.suites.libero.assets import kind_of_assets


def visuals(suite: str, asset_hash: str) -> str | None:
    """What a figure made with these assets must say of its images; None where there is nothing to say."""
    if kind_of_assets(asset_hash) == "original" or not suite_entry(suite).libero:
        return None
    return f"assets {asset_hash[:12]}, not known as LIBERO's originals"


def machine() -> dict:
    """Machine class, without names: CPU model, cores that may be used, GPU (None without), load average of a minute."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_average": round(os.getloadavg()[0], 2),
    }


def check_device(name: str) -> None:
    """Raises ValueError for what is no torch device, or none that this machine has."""
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter from a torch that was built without CUDA
        raise ValueError(f"device must be cpu or a cuda that is here, got '{name}': {error}") from error


def origin() -> dict:
    """Version, date (UTC) and machine."""
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"version": __version__, "date": date, "machine": machine()}


def request(result: str, argv: list[str], settings: dict[str, Any]) -> dict:
    """What was asked for: `result` (the command: eval, motion, bench plan), its line as typed, every key's value."""
    return {"result": result, "command": shlex.join(["zipmo", *result.split(), *argv]), "settings": settings}


def shown(path: Path) -> str:
    """A path as a result file names it: from the working directory where it lies below that."""
    path, here = path.resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
