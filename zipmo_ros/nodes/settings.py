"""Parameters of the nodes; config/ros holds their defaults and what they mean.

What changes weights or the meaning of a figure is not here but in the checkpoint. A parameter can't be null: "" and 0
stand for "not said" where the file says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from zipmo_ros.contract.arm import COMMAND_KINDS, GRIPPER_KINDS
from zipmo_ros.contract.protocols import DTYPES, ENGINES
from zipmo_ros.contract.stamps import LAST_EPISODE, STATES_A_TASK
from zipmo_ros.contract.topics import TRANSPORTS
from zipmo_ros.nodes.parameters import setting
from zipmo_ros.runtime.horizons import HORIZONS

_MODES = ("lockstep", "realtime")
_MOST_STEPS = 1000  # control steps; what a plan spans is less, and checked once it is known


@dataclass(frozen=True)
class ModelParameters:
    """What every node has that runs a model for a robot."""

    checkpoint: str = setting(read_only=True)
    robot: str = setting(read_only=True)
    image_transport: str = setting(choices=TRANSPORTS, read_only=True)
    device: str = setting(read_only=True)
    threads: int = setting(minimum=1, maximum=256, read_only=True)
    replan_every: int = setting(minimum=1, maximum=_MOST_STEPS)
    camera_skew: float = setting(minimum=0.0, maximum=1.0, read_only=True)
    autostart: bool = setting(read_only=True)


@dataclass(frozen=True)
class PlannerParameters(ModelParameters):
    planner: str = setting(read_only=True)
    seed: int = setting(minimum=0, maximum=2**31 - 1)
    nfe: int = setting(minimum=0, maximum=1000, read_only=True)
    warm_start: float = setting(minimum=0.0, maximum=1.0, read_only=True)
    engine: str = setting(choices=ENGINES, read_only=True)
    dtype: str = setting(choices=DTYPES, read_only=True)
    text_encoder: str = setting(read_only=True)
    refuse_unknown: bool = setting()
    overlay_points: int = setting(minimum=1, maximum=64)
    plan_budget: float = setting(minimum=0.0, maximum=60.0)
    latency_ms: float = setting(minimum=0.0, maximum=10_000.0)
    latency_jitter: float = setting(minimum=0.0, maximum=1.0)


@dataclass(frozen=True)
class SafetyParameters:
    """What every node has that commands an arm or is one."""

    resume_automatically: str = setting(read_only=True)
    deadman_timeout: float = setting(minimum=0.0, maximum=10.0, read_only=True)

    @property
    def automatic(self) -> tuple[str, ...]:
        """The causes of resume_automatically."""
        return tuple(filter(None, map(str.strip, self.resume_automatically.split(","))))


@dataclass(frozen=True)
class PolicyParameters(ModelParameters, SafetyParameters):
    policy: str = setting(read_only=True)
    mode: str = setting(choices=_MODES)
    execution: str = setting(choices=tuple(HORIZONS), read_only=True)
    ensemble: str = setting(choices=("intended", "official"), read_only=True)
    plan_age: int = setting(minimum=0, maximum=_MOST_STEPS)
    plan_timeout: float = setting(minimum=0.05, maximum=10.0)
    joint_timeout: float = setting(minimum=0.05, maximum=10.0)


@dataclass(frozen=True)
class SimParameters(SafetyParameters):
    command_interface: str = setting(choices=("", "pose", "twist"), read_only=True)
    suite: str = setting()
    task: str = setting()
    goal: str = setting()
    approach: bool = setting()
    init_state: int = setting(minimum=0, maximum=STATES_A_TASK - 1)
    seed: int = setting(minimum=0, maximum=2**31 - 1)
    episode: int = setting(minimum=-1, maximum=LAST_EPISODE)
    mode: str = setting(choices=_MODES)
    robot: str = setting(read_only=True)
    image_every: int = setting(minimum=1, maximum=_MOST_STEPS)
    image_phase: int = setting(minimum=0, maximum=_MOST_STEPS, read_only=True)
    max_steps: int = setting(minimum=0, maximum=10000, read_only=True)
    look: str = setting(read_only=True)
    settle: str = setting(read_only=True)
    perturb: str = setting(read_only=True)
    strength: float = setting(minimum=0.01, maximum=1.0, read_only=True)
    autoreset: bool = setting()
    announce_instruction: bool = setting()
    patience: float = setting(minimum=0.1, maximum=60.0)
    command_timeout: float = setting(minimum=0.05, maximum=10.0)
    libero_assets: str = setting(read_only=True)
    autostart: bool = setting(read_only=True)


@dataclass(frozen=True)
class ArmParameters(SafetyParameters):
    robot: str = setting(read_only=True)
    mode: str = setting(choices=_MODES, read_only=True)
    command_interface: str = setting(choices=("", *COMMAND_KINDS), read_only=True)
    gripper_interface: str = setting(choices=("", *GRIPPER_KINDS), read_only=True)
    hand_pose: str = setting(choices=("current_pose", "kinematics"), read_only=True)
    rate_hz: float = setting(minimum=1.0, maximum=1000.0, read_only=True)
    lag_s: float = setting(minimum=-1.0, maximum=1.0, read_only=True)
    command_timeout: float = setting(minimum=0.05, maximum=10.0)
    joint_timeout: float = setting(minimum=0.02, maximum=10.0)
    begin_armed: bool = setting(read_only=True)
    shadow: bool = setting(read_only=True)
    autostart: bool = setting(read_only=True)


@dataclass(frozen=True)
class RecorderParameters:
    out: str = setting(read_only=True)
    memory_mb: int = setting(minimum=1, maximum=65536, read_only=True)
    autostart: bool = setting(read_only=True)
