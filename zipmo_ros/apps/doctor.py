"""`zipmo doctor`: what this machine has and lacks, a line each, with what to do."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from zipmo_ros.models import bundle_path

Check = Callable[[argparse.Namespace], str]  # what was found; raises with what is wrong and what to do

# Rendering is tried in a process of its own: a backend is chosen once a process, and a bad driver may abort it.
_RENDER = """
import os, numpy, mujoco
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light pos="0 0 2"/><geom type="sphere" size=".2" rgba="1 0 0 1"/></worldbody></mujoco>')
data = mujoco.MjData(model); mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 64, 64); renderer.update_scene(data); image = renderer.render(); renderer.close()
assert image.std() > 1, "the image is empty"
"""
# The first environment's images and step: assets that are incomplete, or a simulator that doesn't fit, fail here.
_LIBERO = """
from zipmo_sim import suites
suite = next(name for name, entry in suites.SUITES.items() if entry.libero)
env = suites.make_env(suite, suites.tasks(suite)[0].name)
env.reset(); env.step([0] * 7); env.close()
"""
_WIRE = """
import time, rclpy
from std_msgs.msg import String
rclpy.init(); node = rclpy.create_node("zipmo_doctor"); heard = []
node.create_subscription(String, "zipmo_doctor", heard.append, 1)
publisher = node.create_publisher(String, "zipmo_doctor", 1)
end = time.monotonic() + 10
while not heard and time.monotonic() < end:
    publisher.publish(String(data="ping")); rclpy.spin_once(node, timeout_sec=0.05)
node.destroy_node(); rclpy.try_shutdown()
assert heard, "a message to this very process was not delivered"
"""


def _run(code: str, **environment: str) -> None:
    command, environment = [sys.executable, "-c", code], {**os.environ, **environment}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if run.returncode:
        last = (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
        raise RuntimeError(last)


def check_rclpy(_: argparse.Namespace) -> str:
    try:
        importlib.import_module("rclpy")
    except ImportError as error:
        raise RuntimeError(f"{error}; run `make setup`, or source a ROS 2 installation") from error
    _run(_WIRE, ROS_AUTOMATIC_DISCOVERY_RANGE=os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST"))
    implementation = os.environ.get("RMW_IMPLEMENTATION", "default middleware")
    return f"a message went round ({implementation})"


def check_rendering(backend: str) -> Check:
    def check(_: argparse.Namespace) -> str:
        try:
            _run(_RENDER, MUJOCO_GL=backend, PYOPENGL_PLATFORM=backend)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            package = {"osmesa": "libosmesa6", "egl": "libegl1 libgl1-mesa-dri"}[backend]
            raise RuntimeError(f"{error}; try: sudo apt-get install {package}") from error
        return "renders"

    return check


def check_simulator(_: argparse.Namespace) -> str:
    import mujoco

    version = importlib.metadata.version("robosuite")
    if tuple(map(int, mujoco.__version__.split(".")[:2])) >= (3, 9):
        raise RuntimeError(f"mujoco {mujoco.__version__} breaks robosuite {version}; pip install 'mujoco==3.8.1'")
    from zipmo_sim.suites import DEFAULT, tasks

    return f"mujoco {mujoco.__version__}, robosuite {version}, suite {DEFAULT} with {len(tasks(DEFAULT))} tasks"


def check_libero(options: argparse.Namespace) -> str:
    from zipmo_sim.suites.libero.assets import ASSETS_VARIABLE, asset_hash, find_assets, kind_of_assets

    folder = find_assets(options.libero_assets)
    digest = asset_hash(folder)
    _run(_LIBERO, **{ASSETS_VARIABLE: str(folder)})
    return f"{kind_of_assets(digest)} (hash {digest[:12]}), in {folder}"


def check_text(_: argparse.Namespace) -> str:
    from zipmo_ros.motion.text import embed_sentences

    size = embed_sentences(["put the milk in the left bin"]).shape[-1]
    return f"MiniLM embeds a sentence into {size} numbers, without a download"


def check_checkpoint(options: argparse.Namespace) -> str:
    from zipmo_ros.contract.protocols import Execution
    from zipmo_ros.contract.robot import load_robot
    from zipmo_ros.models import load_planner, load_policy
    from zipmo_ros.motion.checkpoint import content_hash

    bundle = bundle_path(options.checkpoint)
    for load in (load_planner, load_policy):
        load(None, bundle, load_robot(), Execution())
    return f"{bundle} loads, content {content_hash(bundle)[:12]}"


def check_device(_: argparse.Namespace) -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()} with torch {torch.__version__}"
    return f"CPU only, {os.cpu_count()} cores, torch {torch.__version__} (enough for nano)"


def check_memory(_: argparse.Namespace) -> str:
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) / 2**20
    if free < 4:
        raise RuntimeError(f"{free:.1f} GiB free; the demo wants 4 GiB")
    return f"{free:.1f} GiB free"


# name -> (check, whether the demo needs it)
CHECKS: dict[str, tuple[Check, bool]] = {
    "rclpy": (check_rclpy, True),
    "rendering: osmesa": (check_rendering("osmesa"), True),
    "rendering: egl": (check_rendering("egl"), False),
    "simulator": (check_simulator, True),
    "LIBERO assets": (check_libero, False),
    "text encoder": (check_text, True),
    "checkpoint": (check_checkpoint, True),
    "device": (check_device, True),
    "memory": (check_memory, True),
}


def main(argv: list[str]) -> int:
    """Print one line a check; 1 when something that the demo needs is missing."""
    parser = argparse.ArgumentParser(prog="zipmo doctor", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="bundle to try (default: the shipped one)")
    parser.add_argument(
        "--libero-assets", type=Path, help="folder with LIBERO's assets (default: ZIPMO_LIBERO_ASSETS, else its own)"
    )
    options = parser.parse_args(argv)
    failed = 0
    for name, (check, needed) in CHECKS.items():
        try:
            verdict, text = "ok", check(options)
        except Exception as error:  # any failure of a check is its result
            verdict, text = ("MISSING" if needed else "absent"), str(error) or type(error).__name__
            failed += needed
        print(f"{verdict:<8} {name:<18} {text}", flush=True)
    print("ready: `zipmo demo`" if not failed else f"{failed} things that the demo needs are missing")
    return int(failed > 0)
