"""What images and demonstrations were made from, as hashes: results that differ in one of them don't compare."""

import hashlib
import importlib.util
import json
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from zipmo_sim import suites
from zipmo_sim.env import cameras
from zipmo_sim.rendering import RenderSettings, select_backend

# The files of robosuite's wheel that `mini` is made from; each names its meshes and textures.
_MINI_MODELS = (
    "arenas/table_arena.xml",
    "robots/panda/robot.xml",
    "grippers/panda_gripper.xml",
    *(f"objects/{name}.xml" for name in ("bread", "can", "milk")),
)
_FILE = re.compile(r'file="([^"]+)"')


def render_hash(suite: str, settings: RenderSettings | None = None) -> str:
    """Hex SHA-256 of size, quality, cameras and OpenGL backend. settings: the suite's own unless given.

    Raises: ValueError for an unknown suite.
    """
    settings = settings or suites.render_settings(suite)
    drawn = {key: value for key, value in asdict(settings).items() if key != "merged" or value}  # older hashes lack it
    described = {"settings": drawn, "cameras": cameras(), "backend": select_backend()}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def asset_hash(suite: str, libero_assets: str | Path | None = None) -> str:
    """Hex SHA-256 of the model files, meshes and textures that a suite's scenes are built from.

    libero_assets: the folder that a LIBERO suite is run with, where it was named.

    Raises: ValueError for an unknown suite; FileNotFoundError where they are not installed.
    """
    if suites.suite_entry(suite).libero:
        from zipmo_sim.suites.libero.assets import asset_hash

        return asset_hash(libero_assets)
    return _wheel_hash()


@cache
def _wheel_hash() -> str:
    found = importlib.util.find_spec("robosuite")
    if found is None or found.origin is None:
        raise FileNotFoundError("robosuite is not installed: pip install --no-deps robosuite==1.4.0")
    root = Path(found.origin).parent / "models/assets"
    digest = hashlib.sha256()
    for name in _MINI_MODELS:
        path = root / name
        text = path.read_text()
        for file in [path, *(path.parent / mesh for mesh in sorted(set(_FILE.findall(text))))]:
            digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def model_hash(env) -> str:
    """Hex SHA-256 of a scene as MuJoCo compiled it, wherever its meshes lie and its fixtures stand."""
    scene = ElementTree.fromstring(_FILE.sub(lambda match: f'file="{Path(match[1]).name}"', env.sim.model.get_xml()))
    for body in scene.find("worldbody").findall("body"):
        if body.find("joint") is None and body.find("freejoint") is None:
            for placement in ("pos", "quat"):  # where an episode, or the sampling at construction, has put a fixture
                body.attrib.pop(placement, None)
    return hashlib.sha256(ElementTree.tostring(scene)).hexdigest()
