"""A Panda at a bare table under a close camera: what the scenes of `mini` share."""

import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
from robosuite import load_controller_config
from robosuite.environments.manipulation.single_arm_env import SingleArmEnv
from robosuite.models.arenas import Arena, TableArena
from robosuite.models.objects import MujocoObject
from robosuite.models.tasks import ManipulationTask

from zipmo_ros.contract.robot import load_robot
from zipmo_sim.env import robosuite_options
from zipmo_sim.suites.mini.surface import TABLE_TOP

_ROBOT_BASE = (-0.56, 0.0, 0.912)
# From the front, so that the hand does not hide what it works on: image left is -y, image right is +y.
_CAMERA = (0.60, 0.0, 1.45)
_CAMERA_TARGET = (-0.09, 0.0, 0.86)
_CAMERA_FOVY = 36.0
_UNTOUCHABLE = {"contype": "0", "conaffinity": "0"}


def text(numbers) -> str:
    """MJCF notation of a vector."""
    return " ".join(f"{number:.6g}" for number in np.ravel(numbers))


def add_body(parent: ET.Element, name: str, pos=(0, 0, 0)) -> ET.Element:
    return ET.SubElement(parent, "body", name=name, pos=text(pos))


def add_geom(body: ET.Element, name: str, kind: str, size, pos=(0, 0, 0), rgba=(1, 1, 1, 1), **attributes) -> None:
    """A geom that both collides and is seen. size in MJCF's half lengths."""
    own = {"name": name, "type": kind, "size": text(size), "pos": text(pos), "rgba": text(rgba), "group": "1"}
    ET.SubElement(body, "geom", own | attributes)


class TableScene(SingleArmEnv):
    """robosuite environment: Panda, OSC_POSE at 20 Hz, a table, and what furnish adds.

    furnish: (arena) -> objects; it may also append fixed bodies to arena.worldbody.
    Poses and success are not its business: ManipulationEnv is given them as functions.
    """

    def __init__(self, furnish: Callable[[Arena], list[MujocoObject]]):
        self._furnish = furnish
        super().__init__(
            robots="Panda",
            mount_types=None,  # the stock pedestal has 33 000 triangles
            controller_configs=load_controller_config(default_controller="OSC_POSE"),
            initialization_noise={"magnitude": 0.03, "type": "gaussian"},
            **robosuite_options(),
        )

    def _load_model(self) -> None:
        super()._load_model()
        robot = self.robots[0].robot_model
        robot.set_base_xpos(np.array(_ROBOT_BASE))
        gone = _lighten(robot.root)
        robot._visual_geoms = [name for name in robot._visual_geoms if name not in gone]
        arena = TableArena(table_full_size=(0.9, 1.1, 0.05), table_offset=(0, 0, TABLE_TOP), has_legs=False)
        arena.set_origin([0, 0, 0])
        _redecorate(arena)
        self.model = ManipulationTask(arena, [robot], self._furnish(arena))

    def reward(self, action=None) -> float:
        return 0.0

    def _check_success(self) -> bool:
        return False


def _redecorate(arena: Arena) -> None:
    """Plain table, no walls, our camera, and the plinth that the robot stands on."""
    for geom in list(arena.worldbody.findall("geom")):
        if geom.get("name").startswith("wall"):
            arena.worldbody.remove(geom)
    table = arena.table_visual
    del table.attrib["material"]
    table.set("rgba", "0.62 0.56 0.47 1")
    height = (_ROBOT_BASE[2] - TABLE_TOP) / 2
    plinth = add_body(arena.worldbody, "plinth", (_ROBOT_BASE[0], 0, TABLE_TOP + height))
    add_geom(plinth, "plinth", "box", (0.1, 0.1, height - 0.001), rgba=(0.25, 0.25, 0.27, 1), **_UNTOUCHABLE)
    camera = arena.worldbody.find(f"camera[@name='{load_robot().cameras[0].simulated}']")
    backward = np.subtract(_CAMERA, _CAMERA_TARGET)
    right = np.cross((0, 0, 1), backward)
    camera.attrib.pop("quat")
    camera.set("pos", text(_CAMERA))
    camera.set("xyaxes", text([right, np.cross(backward, right)]))
    camera.set("fovy", text(_CAMERA_FOVY))


def _lighten(robot: ET.Element) -> set[str]:
    """Draw the arm by its collision meshes (about 2 000 triangles, not 100 000); the hand keeps its looks.

    Rendering in software costs time per triangle, and a frame would take three times as long.
    Returns the names of the geoms that are gone.
    """
    gone = set()
    shell = "0.92 0.92 0.92 1"
    for number in range(8):
        link = robot.find(f".//body[@name='robot0_link{number}']")
        collision = link.find(f"geom[@name='robot0_link{number}_collision']")
        for geom in link.findall("geom"):
            if geom.get("group") == "1":
                link.remove(geom)
                gone.add(geom.get("name").removeprefix("robot0_"))
        if number == 1:  # its collision mesh is the full one
            looks = {"type": "capsule", "size": "0.06 0.06", "pos": "0 0 -0.07"}
        elif number == 7:  # has no collision geom
            looks = {"type": "mesh", "mesh": "robot0_link7"}
        else:
            collision.set("group", "1")
            collision.set("rgba", shell)
            continue
        looks |= {"name": f"robot0_link{number}_looks", "group": "1", "mass": "0", "rgba": shell}
        ET.SubElement(link, "geom", looks | _UNTOUCHABLE)
    return gone
