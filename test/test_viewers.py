"""What RViz and Foxglove are told to show is what travels."""

import json
import re
from collections.abc import Iterator

import yaml
from sources import ROOT

from zipmo_ros.contract import topics
from zipmo_ros.contract.robot import load_robot

ROBOT = load_robot()
NAMES = {value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)}
KNOWN = {*NAMES, *map(topics.image_topic, ROBOT.views), f"planner/{topics.INSTRUCTION_IN_USE}"}
RVIZ = yaml.safe_load((ROOT / "config/rviz/sim.rviz").read_text())["Visualization Manager"]
FOXGLOVE = json.loads((ROOT / "config/foxglove/zipmo.json").read_text())


def shown_by_foxglove(panels: dict) -> Iterator[str]:
    for panel in panels.values():
        yield from panel.get("topics", {})
        yield from (path["value"] for path in panel.get("paths", ()))
        yield from (panel[key] for key in ("topicToRender", "topicPath", "topicName") if key in panel)
        yield from panel.get("imageMode", {}).values()


def places(layout: dict | str) -> Iterator[str]:
    if isinstance(layout, str):
        yield layout
    else:
        yield from places(layout["first"])
        yield from places(layout["second"])


def test_rviz_shows_what_travels_in_the_frame_that_commands_are_in():
    shown = {display["Topic"]["Value"] for display in RVIZ["Displays"] if "Topic" in display}
    assert shown <= KNOWN
    assert {topics.OVERLAY, topics.TRACKS, topics.CURRENT_POSE, topics.POSE} <= shown
    assert "rviz_default_plugins/TF" in {display["Class"] for display in RVIZ["Displays"]}
    assert RVIZ["Global Options"]["Fixed Frame"] == ROBOT.base_frame


def test_foxglove_shows_what_travels():
    shown = {re.split(r"[.\[]", path)[0] for path in shown_by_foxglove(FOXGLOVE["configById"])}
    full = {name if name.startswith("/") else f"/{name}" for name in KNOWN}
    assert shown <= full
    assert {f"/{name}" for name in (topics.OVERLAY, topics.TRACKS, topics.CURRENT_POSE, topics.POSE)} <= shown
    frames = {panel["followTf"] for panel in FOXGLOVE["configById"].values() if "followTf" in panel}
    assert frames == {ROBOT.base_frame, ROBOT.views[0]}


def test_every_panel_has_its_place():
    assert sorted(places(FOXGLOVE["layout"])) == sorted(FOXGLOVE["configById"])
