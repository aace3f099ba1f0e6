"""The graphs that can be started: their nodes, and the arguments a user may give.

The one table behind `zipmo up`, the launch files, and what `zipmo eval` and `zipmo demo` tell a graph. An argument has
the name of the nodes' parameter and of the commands' key that mean the same. "Not said" is null to a command, and "" to
an argument, which leaves the parameter alone; a ROS parameter can't be null and says it by 0 or "".
It imports neither ROS nor the nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from zipmo_ros.contract.arm import COMMAND_KINDS, GRIPPER_KINDS
from zipmo_ros.contract.protocols import DTYPES, ENGINES
from zipmo_ros.contract.share import share_path
from zipmo_ros.contract.topics import TRANSPORTS
from zipmo_ros.models import CLONING, NAMED, NO_PLANNER, shipped_for
from zipmo_sim.suites import DEFAULT, LOOKS, SUITES


@dataclass(frozen=True)
class Argument:
    """A word of the command line. parameters: (node, parameter) pairs it sets; an empty value leaves them alone.

    otherwise: all values -> what an empty value stands for.
    """

    name: str
    default: str
    description: str
    parameters: tuple[tuple[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    otherwise: Callable[[Mapping[str, str]], str] = lambda values: ""


@dataclass(frozen=True)
class NodeEntry:
    """A node. executable: as installed. module: what `python -m` runs. parameters_file: below config/ros."""

    name: str
    executable: str
    module: str
    parameters_file: str


@dataclass(frozen=True)
class Graph:
    """Nodes and arguments, those of ANY_GRAPH among them.

    without: values -> names of the nodes that these leave out.
    """

    description: str
    nodes: tuple[NodeEntry, ...]
    arguments: tuple[Argument, ...]
    without: Callable[[Mapping[str, str]], tuple[str, ...]] = lambda values: ()

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """All arguments with the values given or their defaults. Raises ValueError for a wrong name or choice."""
        known = {argument.name: argument for argument in self.arguments}
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"no argument '{name}'; there are {', '.join(known)}")
            if known[name].choices and value not in known[name].choices:
                raise ValueError(f"{name} must be one of {', '.join(known[name].choices)}, got '{value}'")
        values = {name: given.get(name, argument.default) for name, argument in known.items()}
        return {name: value or known[name].otherwise(values) for name, value in values.items()}

    def started(self, values: Mapping[str, str]) -> list[NodeEntry]:
        """The nodes that these argument values start."""
        return [node for node in self.nodes if node.name not in self.without(values)]

    def parameters(self, node: NodeEntry, values: Mapping[str, str]) -> dict[str, str]:
        """The parameters of one node that these argument values set."""
        return {
            parameter: values[argument.name]
            for argument in self.arguments
            for owner, parameter in argument.parameters
            if owner == node.name and values[argument.name] != ""
        }


def remappings(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """(from, to) for every node of a graph with these argument values.

    ROS itself names these topics without regard to namespaces. In a namespace they are the namespace's own, so that two
    graphs of one domain don't hear each other; /diagnostics stays shared, where names say whose they are.
    """
    return [(name, name.removeprefix("/")) for name in ("/clock", "/tf", "/tf_static")] if values["namespace"] else []


def parameters_path(node: NodeEntry) -> Path:
    """The node's parameter file. Raises FileNotFoundError where it is not installed."""
    return share_path(f"config/ros/{node.parameters_file}")


PLANNER = NodeEntry("planner", "planner_node", "zipmo_ros.nodes.planner_node", "planner.yaml")
POLICY = NodeEntry("policy", "policy_node", "zipmo_ros.nodes.policy_node", "policy.yaml")
SIM = NodeEntry("sim", "sim_node", "zipmo_ros.nodes.sim_node", "sim.yaml")
ARM = NodeEntry("arm", "arm_node", "zipmo_ros.nodes.arm_node", "arm.yaml")
RECORDER = NodeEntry("recorder", "recorder_node", "zipmo_ros.nodes.recorder_node", "recorder.yaml")
_ALL = (PLANNER.name, POLICY.name, SIM.name)
_SWITCH = ("true", "false")


def _everywhere(parameter: str, nodes: tuple[str, ...] = _ALL) -> tuple[tuple[str, str], ...]:
    return tuple((node, parameter) for node in nodes)


def _left_out(values: Mapping[str, str]) -> tuple[str, ...]:
    planner = (PLANNER.name,) if values["planner"] == NO_PLANNER else ()
    return planner + ((RECORDER.name,) if values["record"] == "false" else ())


# Arguments that every graph has.
ANY_GRAPH = (
    Argument("namespace", "", "namespace of all nodes and topics, the clock's too"),
    Argument("on_death", "end", "what one node's death means: the whole graph ends, or that node is started again", (),
             ("end", "respawn")),
    Argument("log_level", "info", "least severe messages shown", (), ("debug", "info", "warn", "error")),
)  # fmt: skip

GRAPHS = {
    "sim": Graph(
        "Planner, policy and a simulated arm",
        (PLANNER, POLICY, SIM, ARM, RECORDER),
        (
            Argument("checkpoint", "", "bundle of vae/, planner/ and policy/, or a shipped one's name; empty: by suite",
                     _everywhere("checkpoint", ("planner", "policy")),
                     otherwise=lambda values: shipped_for(values["suite"], values["planner"])),
            Argument("planner", "", f"{', '.join(NAMED)}, folder of the bundle, module:callable, or another package's "
                     f"by name; empty: the bundle's; {NO_PLANNER}: the policy needs none", (("planner", "planner"),),
                     otherwise=lambda values: NO_PLANNER if values["policy"] == CLONING else ""),
            Argument("policy", "", "folder of the bundle (policy, bc), module:callable, or another package's by name",
                     (("policy", "policy"),)),
            Argument("robot", "", "of config/robots, or a YAML file",
                     _everywhere("robot", (*_ALL, ARM.name))),
            Argument("device", "", "torch device, such as cpu or cuda", _everywhere("device", ("planner", "policy"))),
            Argument("suite", DEFAULT, "suite of tasks", (("sim", "suite"),), tuple(SUITES)),
            Argument("task", "", "task of the suite; empty: the first", (("sim", "task"),)),
            Argument("init_state", "", "initial state of the scene, from 0", (("sim", "init_state"),)),
            Argument("seed", "", "seed of the environment and of the plans' noise",
                     _everywhere("seed", ("sim", "planner"))),
            Argument("mode", "lockstep", "lockstep: the simulator waits for each command; realtime: 20 Hz",
                     _everywhere("mode", ("sim", "policy", "arm")), ("lockstep", "realtime")),
            Argument("command_interface", "", "have an arm's node drive the simulated arm, as this kind of controller "
                     "(lockstep); empty: none", _everywhere("command_interface", ("sim", "arm")),
                     ("", "pose", "twist")),
            Argument("gripper_interface", "joint_trajectory", "kind of the gripper's controller, of an arm's node",
                     (("arm", "gripper_interface"),)),
            Argument("lag_s", "0.0", "time constant that an arm's node gives its twists; a simulated arm has its own",
                     (("arm", "lag_s"),)),
            Argument("resume_automatically", "backward stamp", "causes of a stop, comma-separated, after which motion "
                     "goes on by itself (realtime); simulated episodes put the clock back",
                     _everywhere("resume_automatically", ("sim", "policy"))),
            Argument("replan_every", "", "control steps between two plans, and between two pairs of images",
                     (("sim", "image_every"), *_everywhere("replan_every", ("planner", "policy")))),
            Argument("plan_age", "", "control steps that the newest plan may be old (lockstep); empty: replan_every",
                     (("policy", "plan_age"),)),
            Argument("image_every", "", "control steps between two pairs of images, where not those between plans",
                     (("sim", "image_every"),)),
            Argument("image_phase", "", "control steps that the second camera is later by than the first",
                     (("sim", "image_phase"),)),
            Argument("camera_skew", "", "s that images of one moment may be apart; empty: half a control step",
                     _everywhere("camera_skew", ("planner", "policy"))),
            Argument("max_steps", "", "control steps of an episode, where not the suite's own limit",
                     (("sim", "max_steps"),)),
            Argument("look", "", "how images are drawn: fast, full or coarse; empty: the suite's", (("sim", "look"),),
                     ("", *LOOKS)),
            Argument("settle", "", "what passes before step 0, as zipmo eval names it; empty: the usual",
                     (("sim", "settle"),)),
            Argument("perturb", "", "what is otherwise than in training, as zipmo eval names it; empty: nothing",
                     (("sim", "perturb"),)),
            Argument("strength", "", "of that, above 0; 1 is the strongest", (("sim", "strength"),)),
            Argument("nfe", "", "Euler steps of a plan; empty: as the checkpoint says", (("planner", "nfe"),)),
            Argument("warm_start", "", "flow time from which on a plan goes on from the last one; empty: from noise",
                     (("planner", "warm_start"),)),
            Argument("engine", "", "what carries out the planner's network; empty: PyTorch as it is",
                     (("planner", "engine"),), ("", *ENGINES)),
            Argument("dtype", "", "arithmetic of the planner; empty: float32", (("planner", "dtype"),), ("", *DTYPES)),
            Argument("text_encoder", "", "folder of bert-base-cased, or a cache of its sentence vectors (.npy), for "
                     "planners that read sentences by it", (("planner", "text_encoder"),)),
            Argument("refuse_unknown", "", "whether the arm holds where the planner did not understand the sentence",
                     (("planner", "refuse_unknown"),), ("", *_SWITCH)),
            Argument("latency_ms", "", "what a plan takes at least, to see what late plans cost; empty: what it takes",
                     (("planner", "latency_ms"),)),
            Argument("latency_jitter", "", "by what share that varies from plan to plan, up and down",
                     (("planner", "latency_jitter"),)),
            Argument("execution", "", "how chunks that come late are executed", (("policy", "execution"),),
                     ("", "ensemble", "newest", "anchored")),
            Argument("ensemble", "", "how chunks that overlap are blended", (("policy", "ensemble"),),
                     ("", "intended", "official")),
            Argument("autoreset", "", "start an episode at once and after each end",
                     (("sim", "autoreset"),), ("", *_SWITCH)),
            Argument("announce_instruction", "", "publish a task's sentence when its first episode starts",
                     (("sim", "announce_instruction"),), ("", *_SWITCH)),
            Argument("libero_assets", "", "folder with LIBERO's assets", (("sim", "libero_assets"),)),
            Argument("record", "false", "write every topic to a bag", (), _SWITCH),
            Argument("bags", "", "folder for bags", (("recorder", "out"),)),
            Argument("autostart", "true", "nodes configure and activate themselves; false: a lifecycle manager does",
                     _everywhere("autostart", (*_ALL, ARM.name, RECORDER.name)), _SWITCH),
            *ANY_GRAPH,
        ),
        without=lambda values: (*_left_out(values), *(() if values["command_interface"] else (ARM.name,))),
    ),
    "record": Graph(
        "A recorder beside a graph that runs",
        (RECORDER,),
        (
            Argument("bags", "", "folder for bags", (("recorder", "out"),)),
            Argument("memory_mb", "", "MiB of messages that may wait for the disk", (("recorder", "memory_mb"),)),
            Argument("autostart", "true", "it configures and activates itself; false: a lifecycle manager does",
                     _everywhere("autostart", (RECORDER.name,)), _SWITCH),
            *ANY_GRAPH,
        ),
    ),
}  # fmt: skip


def _left_out_of_arm(values: Mapping[str, str]) -> tuple[str, ...]:
    alone = (PLANNER.name, POLICY.name) if values["policy"] == NO_PLANNER else ()
    return (*_left_out(values), *alone)


_OF_THE_SIMULATOR = ("suite", "task", "init_state", "image_every", "image_phase", "plan_age", "max_steps",
                     "autoreset", "announce_instruction", "libero_assets", "mode", "resume_automatically", "perturb",
                     "strength", "look", "settle")  # fmt: skip
# What computing takes makes plans late there, and anchored chunks bear that better (zipmo latency).
_ON_A_ROBOT = {"execution": "anchored"}
_OTHERS_HERE = ("checkpoint", "robot", "policy", "command_interface", "gripper_interface", "lag_s", "autostart")
GRAPHS["arm"] = Graph(
    "Planner, policy and the node that drives a real arm (not tried on hardware: begin with shadow=true)",
    (PLANNER, POLICY, ARM, RECORDER),
    (
        Argument("checkpoint", "", "bundle of vae/, planner/ and policy/, or a shipped one's name; empty: nano-mini",
                 _everywhere("checkpoint", ("planner", "policy")),
                 otherwise=lambda values: shipped_for(DEFAULT, values["planner"])),
        Argument("policy", "", "folder of the bundle (policy, bc), module:callable, or another package's by name; "
                 f"{NO_PLANNER}: the arm's node alone, for zipmo home and calibrate", (("policy", "policy"),)),
        Argument("robot", "", "of config/robots, or a YAML file",
                 _everywhere("robot", ("planner", "policy", ARM.name))),
        Argument("command_interface", "", "kind of the arm's controller; empty: the robot's usual one",
                 ((ARM.name, "command_interface"),), ("", *COMMAND_KINDS)),
        Argument("gripper_interface", "", "kind of the gripper's controller; empty: the robot's usual one",
                 ((ARM.name, "gripper_interface"),), ("", *GRIPPER_KINDS)),
        Argument("hand_pose", "", "where the pose of the hand comes from", ((ARM.name, "hand_pose"),),
                 ("", "current_pose", "kinematics")),
        Argument("shadow", "", "compute and check everything, move nothing", ((ARM.name, "shadow"),), ("", *_SWITCH)),
        Argument("image_transport", "", "which messages the cameras send",
                 _everywhere("image_transport", ("planner", "policy")), ("", *TRANSPORTS)),
        Argument("plan_timeout", "", "age of the newest plan (s) at which the arm stops",
                 (("policy", "plan_timeout"),)),
        Argument("plan_budget", "", "s that a plan may take from its images on, later ones are warned of",
                 (("planner", "plan_budget"),)),
        Argument("deadman_timeout", "", "silence of the topic deadman (s) at which the arm stops; 0: none is asked for",
                 _everywhere("deadman_timeout", ("policy", ARM.name))),
        Argument("autostart", "true", "nodes configure and activate themselves; false: a lifecycle manager does",
                 _everywhere("autostart", ("planner", "policy", ARM.name, RECORDER.name)), _SWITCH),
        *(
            replace(
                argument,
                parameters=tuple(pair for pair in argument.parameters if pair[0] != SIM.name),
                default=_ON_A_ROBOT.get(argument.name, argument.default),
            )
            for argument in GRAPHS["sim"].arguments
            if argument.name not in (*_OF_THE_SIMULATOR, *_OTHERS_HERE)
        ),
    ),
    without=_left_out_of_arm,
)  # fmt: skip
