"""`zipmo check camera`: the view that the models were trained on, laid over the live one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.camera_check import check_camera
from zipmo_sim.suites import DEFAULT, SUITES, make_env, tasks


def rendered(suite: str, view: str) -> np.ndarray:
    """The view at the start of the suite's first task, uint8 [size, size, 3]."""
    env = make_env(suite, tasks(suite)[0].name)
    try:
        return env.reset(options={"init_state": 0})[0][view]
    finally:
        env.close()


def picture(path: Path) -> np.ndarray:
    """A picture uint8 RGB [H, W, 3]. Raises FileNotFoundError or ValueError."""
    from PIL import Image, UnidentifiedImageError

    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except UnidentifiedImageError as error:
        raise ValueError(f"{path} is no picture") from error


def main(argv: list[str]) -> int:
    """0 where nothing differs; 1 where something does, or no image comes; 2 for a wrong request."""
    parser = argparse.ArgumentParser(prog="zipmo check", description=__doc__)
    parser.add_argument("what", choices=["camera"])
    parser.add_argument("--robot", default="panda", help="of config/robots, or a YAML file: size, orientation, crop")
    parser.add_argument("--view", default=None, help="of the robot; not said: its first")
    parser.add_argument("--suite", default=DEFAULT, choices=SUITES, help="whose view was trained on")
    parser.add_argument("--reference", type=Path, help="a picture of the trained view, in place of the suite's")
    parser.add_argument("--image", type=Path, help="a picture of the live view, in place of the topic's")
    parser.add_argument("--image-transport", default="raw", choices=["raw", "compressed"])
    parser.add_argument("--namespace", default="", help="namespace of the graph")
    parser.add_argument("--out", type=Path, default=Path("outputs/check_camera.png"))
    options = parser.parse_args(argv)
    try:
        robot = load_robot(options.robot)
        camera = robot.camera(options.view or robot.views[0])
        live = picture(options.image) if options.image else _live(camera.view, options)
        reference = picture(options.reference) if options.reference else rendered(options.suite, camera.view)
        check = check_camera(live, reference, camera)
    except TimeoutError as error:
        print(f"zipmo check: {error}", file=sys.stderr)
        return 1
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo check: {error}", file=sys.stderr)
        return 2
    _save(check.overlay, options.out)
    fits = ", ".join(f"{name} {fit:.2f}" for name, fit in check.fits.items())
    print(f"{camera.view}: {check.size[0]} x {check.size[1]}, set as '{camera.orientation}'; likeness: {fits}")
    for difference in check.differences:
        print(f"  {difference}")
    print(f"half live, half trained: {options.out}")
    return int(bool(check.differences))


def _live(view: str, options: argparse.Namespace) -> np.ndarray:
    from zipmo_ros.nodes.snapshot import snapshot  # only now: a picture needs no ROS

    return snapshot(view, options.image_transport, options.namespace)


def _save(image: np.ndarray, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).resize((4 * image.shape[1], 4 * image.shape[0]), Image.Resampling.NEAREST).save(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
