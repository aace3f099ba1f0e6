"""What can stand in a node's way, by name: how bad it is, and what to do about it.

/diagnostics carries the names in `states`, and as the message of a status what was seen and what to do.
"""

from __future__ import annotations

from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class State(NamedTuple):
    """level: of DiagnosticStatus. remedy: what the reader can do; empty where what was seen says it."""

    name: str
    level: bytes
    remedy: str = ""

    def said(self, seen: str) -> str:
        """For people: what was seen, and the remedy."""
        return f"{seen}; {self.remedy}" if self.remedy else seen


# Lifecycle and inputs of every node.
NOT_CONFIGURED = State("not_configured", ERROR)
NOT_ACTIVATED = State("not_activated", ERROR)
WRONG_TYPE = State("wrong_type", ERROR, "remap one of the two")
SEVERAL_SOURCES = State("several_sources", ERROR, "stop or remap all but one")
NO_INSTRUCTION = State("no_instruction", WARN, "give one with `zipmo say` or on `instruction`")

# Cameras.
NO_IMAGES = State("no_images", WARN, "start the cameras, or remap their topics to these")
CAMERA_SILENT = State("camera_silent", ERROR, "see whether its driver runs and its cable holds")
IMAGES_REFUSED = State("images_refused", ERROR, "set the driver, or `cameras` in the robot's file, to the other's")
CAMERAS_APART = State("cameras_apart", ERROR, "synchronise the cameras, or raise `camera_skew`")
CLOCK_AHEAD = State("clock_ahead", ERROR, "synchronise the clocks (chrony, PTP), or set use_sim_time alike everywhere")
CLOCK_BEHIND = State("clock_behind", WARN, "synchronise the clocks (chrony, PTP), or find what delays the images")
STAMPS_STAND = State("stamps_stand", WARN, "whoever publishes the images waits, or its clock has stopped")
PICTURE_FROZEN = State("picture_frozen", ERROR, "restart the camera's driver; nothing is planned for these images")
CAMERA_INFO_DIFFERS = State("camera_info_differs", WARN, "one of the two belongs to another camera or another mode")

# Planner.
PLANNING_FAILED = State("planning_failed", ERROR)
NOT_UNDERSTOOD = State("not_understood", WARN, "say it in other words, or name something that is there and can be done")
PLANNING_LATE = State("planning_late", WARN, "plan faster, plan more rarely (`replan_every`), or raise `plan_budget`")
