"""Where LIBERO's meshes and textures lie, and how to import LIBERO without it asking questions.

The wheels `hf-libero` and `robosuite` carry LIBERO's code, task files and initial states, but no assets.
Those come from a folder that the user names, or from hf-libero's own download when the user asks for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import logging
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

ASSETS_VARIABLE = "ZIPMO_LIBERO_ASSETS"
DOWNLOAD = "download"
"""Given in place of a folder: use hf-libero's own cache, and let it download the assets into it."""
DEFAULT_ASSETS = Path(__file__).resolve().parents[4] / "../shared/libero/assets"
ASSET_FOLDERS = (
    "articulated_objects",
    "scenes",
    "stable_hope_objects",
    "stable_scanned_objects",
    "textures",
    "turbosquid_objects",
)
_WHAT_TO_DO = (
    f"Set {ASSETS_VARIABLE} (or the argument `assets`) to the folder that holds LIBERO's assets, or to "
    f"'{DOWNLOAD}' to let hf-libero fetch them from the Hugging Face hub (dataset lerobot/libero-assets)."
)


class AssetsNotFoundError(FileNotFoundError):
    """No usable folder of LIBERO assets; the message says where was looked and what to do."""


class LiberoNotInstalledError(ImportError):
    """The package hf-libero is missing; the message says how to install it."""


def find_assets(assets: str | Path | None = None) -> Path:
    """The folder of LIBERO assets.

    It is the argument, else $ZIPMO_LIBERO_ASSETS, else `../shared/libero/assets` beside the project. A place
    that was named but is wrong is an error, never a reason to try the next one: other assets give other
    images. "download" in either place means hf-libero's own cache, filled by its download.

    Raises:
        AssetsNotFoundError: the folder is missing or incomplete, or none was named and the default is absent.
    """
    for source, value in (("argument `assets`", assets), (ASSETS_VARIABLE, os.environ.get(ASSETS_VARIABLE))):
        if value:
            return _downloaded() if str(value) == DOWNLOAD else _checked(Path(value).expanduser(), source)
    if DEFAULT_ASSETS.is_dir():
        return _checked(DEFAULT_ASSETS, "default folder")
    raise AssetsNotFoundError(f"no LIBERO assets: none named, no default folder {DEFAULT_ASSETS}. {_WHAT_TO_DO}")


def assets_available(assets: str | Path | None = None) -> str | None:
    """None when LIBERO can be used, else the reason why not (to skip a test with). Downloads nothing."""
    try:
        _package_root()
        if str(assets or os.environ.get(ASSETS_VARIABLE)) != DOWNLOAD:
            find_assets(assets)
    except (AssetsNotFoundError, LiberoNotInstalledError) as error:
        return str(error)
    return None


def import_libero(module: str, assets: str | Path | None = None, *, need_assets: bool = True) -> Any:
    """Import `libero.libero.<module>` without a prompt, with the assets of `find_assets(assets)` hooked in.

    LIBERO reads its configuration while it is imported and asks on stdin when there is none, so ours is
    written first. It finds assets through one module variable, which is set here; its own search
    (site-packages, home, download) is never reached. Task files and initial states need no assets.

    Raises:
        AssetsNotFoundError, LiberoNotInstalledError: see there.
        RuntimeError: LIBERO is already in use in this process with another folder of assets.
    """
    _configure()
    library = importlib.import_module("libero.libero")
    if need_assets:
        folder = str(find_assets(assets))
        if library._assets_path_cache not in (None, folder):
            raise RuntimeError(
                f"LIBERO already uses the assets in {library._assets_path_cache}, so {folder} can't be used "
                "as well: use one folder of assets in a process"
            )
        library._assets_path_cache = folder
    return importlib.import_module(f"libero.libero.{module}")


def task_folder(kind: str) -> Path:
    """The wheel's own folder of "bddl_files" or "init_files".

    Raises:
        LiberoNotInstalledError: hf-libero is not installed.
    """
    return _package_root() / kind


def asset_hash(assets: str | Path | None = None) -> str:
    """Hex SHA-256 over the names and bytes of all asset files, to be stored with data sets and results.

    Remembered on disk by names, sizes and modification times, so that only the first call reads the files.

    Raises:
        AssetsNotFoundError: as find_assets.
    """
    return _asset_hash(find_assets(assets))


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


def _downloaded() -> Path:
    _configure()
    download = importlib.import_module("libero.libero.utils.download_utils")
    try:
        folder = download.download_assets_from_huggingface()
    except Exception as error:  # whatever the hub client raises, the user needs the same advice
        raise AssetsNotFoundError(f"hf-libero could not download the assets ({error}). {_WHAT_TO_DO}") from error
    return _checked(Path(folder), "hf-libero's download")


@cache
def _configure() -> None:
    """Point LIBERO_CONFIG_PATH at a configuration of our own, before `libero.libero` is imported."""
    root = _package_root()
    paths = {
        "benchmark_root": root,
        "bddl_files": root / "bddl_files",
        "init_states": root / "init_files",
        "datasets": root.parent / "datasets",
        "assets": root / "assets",  # not read by hf-libero
    }
    # JSON is YAML. One folder for each installed LIBERO, so that none overwrites another's paths.
    text = json.dumps({name: str(path) for name, path in paths.items()}, indent=1)
    folder = _cache_dir() / "config" / hashlib.sha256(text.encode()).hexdigest()[:16]
    _write(folder / "config.yaml", text)
    os.environ["LIBERO_CONFIG_PATH"] = str(folder)


@cache
def _package_root() -> Path:
    spec = importlib.util.find_spec("libero")  # looks, imports nothing
    if spec is None or spec.origin is None:
        raise LiberoNotInstalledError(
            "the LIBERO suites need hf-libero: pip install --no-deps hf-libero==0.1.4 robosuite==1.4.0 bddl==1.0.1"
        )
    return Path(spec.origin).parent / "libero"


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
