"""How messages travel between processes of one machine: Fast DDS's shared memory, with room for camera images.

Whoever publishes images needs the room, too: what a killed reader had not taken stays in the publisher's segment, and
where that is small no image fits in any more, so that the reader that comes back hears none, until the publisher is
started again.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

from zipmo_ros.contract.share import share_path

PROFILES = "config/fastdds_shm.xml"
VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")  # of Fast DDS 3 and of 2
_WITH_FAST_DDS_2 = ("humble", "iron", "jazzy")


def transport_variables() -> dict[str, str]:
    """What to add to the environment of nodes; nothing where the user's own environment chooses a transport.

    Only the name that this Fast DDS reads: the newer one warns of the older name. Another middleware reads neither.
    """
    if any(name in os.environ for name in (*VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS")):
        return {}
    return {VARIABLES[_fast_dds() < 3]: str(share_path(PROFILES))}


def _fast_dds() -> int:
    """Major version, by the ROS installation in use or else by the wheels."""
    if distribution := os.environ.get("ROS_DISTRO"):
        return 2 if distribution in _WITH_FAST_DDS_2 else 3
    try:
        version("ros-fastrtps")
    except PackageNotFoundError:
        return 3
    return 2
