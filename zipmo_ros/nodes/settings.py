"""Parameters of the nodes. What changes weights or the meaning of a figure is not here but in the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from zipmo_ros.nodes.parameters import setting
from zipmo_ros.nodes.wire.messages import JOINT_NAMES

INIT_STATES = 1000  # at most: room between the numbers of two tasks' episodes, see runtime/stamps.py


@dataclass(frozen=True)
class PlannerParameters:
    checkpoint: str = setting("", "Bundle of vae/, planner/ and policy/, or a shipped one's name; empty: nano-mini",
                              read_only=True)  # fmt: skip
    device: str = setting("cpu", "Torch device that plans, such as cpu or cuda", read_only=True)
    threads: int = setting(1, "Torch threads on the CPU; with 1, results repeat on every machine",
                           minimum=1, maximum=256, read_only=True)  # fmt: skip
    replan_every: int = setting(2, "Control steps between two plans; images that come sooner are not planned for",
                                minimum=1, maximum=16)  # fmt: skip
    seed: int = setting(0, "Seed of the sampling noise; the same seed and stamp give the same plan",
                        minimum=0, maximum=2**31 - 1)  # fmt: skip
    nfe: int = setting(0, "Euler steps of a plan; 0: as many as the checkpoint says", minimum=0, maximum=1000)
    overlay_points: int = setting(12, "Points per axis and view whose planned tracks the overlay shows",
                                  minimum=1, maximum=64)  # fmt: skip
    autostart: bool = setting(True, "Configure and activate without a lifecycle manager", read_only=True)


@dataclass(frozen=True)
class PolicyParameters:
    checkpoint: str = setting("", "Bundle of vae/, planner/ and policy/, or a shipped one's name; empty: nano-mini",
                              read_only=True)  # fmt: skip
    device: str = setting("cpu", "Torch device of the policy, such as cpu or cuda", read_only=True)
    threads: int = setting(1, "Torch threads on the CPU; with 1, results repeat on every machine",
                           minimum=1, maximum=256, read_only=True)  # fmt: skip
    mode: str = setting("lockstep", "lockstep waits for the plan that a step is due; realtime never waits",
                        choices=("lockstep", "realtime"))  # fmt: skip
    replan_every: int = setting(2, "Control steps between two plans that are taken", minimum=1, maximum=16)
    ensemble: str = setting("intended", "How chunks that overlap are blended (official: with the published index)",
                            choices=("intended", "official"), read_only=True)  # fmt: skip
    plan_timeout: float = setting(0.4, "Realtime: age of the newest plan (s) at which the arm stops",
                                  minimum=0.05, maximum=10.0)  # fmt: skip
    joint_timeout: float = setting(0.4, "Realtime: silence of joint_states (s) at which the arm stops",
                                   minimum=0.05, maximum=10.0)  # fmt: skip
    joint_names: tuple[str, ...] = setting(JOINT_NAMES, "The 7 arm joints and 2 fingers, in the policy's order",
                                           read_only=True)  # fmt: skip
    autostart: bool = setting(True, "Configure and activate without a lifecycle manager", read_only=True)


@dataclass(frozen=True)
class SimParameters:
    suite: str = setting("mini", "Suite of tasks")
    task: str = setting("", "Task of the suite whose scene is set up; empty: the first")
    goal: str = setting("", "Task of the same scene that ends the episode when done; empty: the task itself; any")
    init_state: int = setting(0, "Initial state of the scene; a suite may have fewer",
                              minimum=0, maximum=INIT_STATES - 1)  # fmt: skip
    seed: int = setting(0, "Seed of the environment", minimum=0, maximum=2**31 - 1)
    episode: int = setting(-1, "Number of the episode; its time starts at 1000 s times this. -1: by task and state",
                           minimum=-1, maximum=2_000_000)  # fmt: skip
    mode: str = setting("lockstep", "lockstep waits for the command of each observation; realtime runs at 20 Hz",
                        choices=("lockstep", "realtime"))  # fmt: skip
    image_every: int = setting(2, "Steps between two pairs of images", minimum=1, maximum=16)
    max_steps: int = setting(0, "Control steps of an episode; 0: the suite's own limit", minimum=0, maximum=10000,
                             read_only=True)  # fmt: skip
    autoreset: bool = setting(True, "Start an episode when activated and after each end, from the next initial state")
    announce_instruction: bool = setting(True, "Publish a task's sentence when its first episode starts")
    patience: float = setting(1.0, "Lockstep: seconds until an unanswered observation is published again",
                              minimum=0.1, maximum=60.0)  # fmt: skip
    command_timeout: float = setting(0.4, "Realtime: silence of the command (s) at which the arm stops",
                                     minimum=0.05, maximum=10.0)  # fmt: skip
    libero_assets: str = setting("", "Folder with LIBERO's assets; empty: where they are usually found", read_only=True)
    autostart: bool = setting(True, "Configure and activate without a lifecycle manager", read_only=True)
