"""Names of what travels between the nodes: on the wire, and in bags (relative ones are remappable)."""

JOINT_STATES = "joint_states"
CURRENT_POSE = "current_pose"
INSTRUCTION = "instruction"
INSTRUCTION_IN_USE = "instruction_in_use"  # below the name of the node that follows it
MOTION_EMBEDDING = "motion_embedding"
PLAN_INFO = "motion_embedding/info"
INSTRUCTION_INFO = "instruction_in_use/info"  # the same, with when it was said
OVERLAY = "motion_plan/overlay"
TRACKS = "motion_plan/tracks"
POSE = "command/pose"
GRIPPER = "command/gripper"
STOP = "command/stop"  # why whoever commands the arm has stopped it
EPISODE = "episode"
EMERGENCY_STOP = "emergency_stop"
DEADMAN = "deadman"
DIAGNOSTICS = "/diagnostics"
CLOCK = "/clock"

TRANSPORTS = ("raw", "compressed")  # of images: sensor_msgs/Image or CompressedImage


def image_topic(view: str, transport: str = "raw") -> str:
    """Topic of a camera."""
    return f"{view}/image_raw" if transport == "raw" else f"{view}/image_raw/{transport}"


def camera_info_topic(view: str) -> str:
    """Topic of a camera's calibration."""
    return f"{view}/camera_info"
