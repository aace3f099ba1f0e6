"""What the launch files use of `launch` and `launch_ros`, which no wheel brings: it records what is built of it.

The signatures are those of launch and launch_ros as far as they are used, so that a word that these do not know is an
error here too. Nothing is started.
"""

import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any


class LaunchDescription:
    def __init__(self, initial_entities=None):
        self.entities = list(initial_entities or [])


class LaunchContext:
    def __init__(self, **launch_configurations):
        self.launch_configurations = launch_configurations


@dataclass
class LaunchConfiguration:
    variable_name: str
    default: Any = None

    def perform(self, context):
        return context.launch_configurations[self.variable_name]


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value=None, description=None, choices=None):
        self.name, self.default_value, self.description, self.choices = name, default_value, description, choices


@dataclass
class OpaqueFunction:
    function: Any
    _: Any = field(default=None, kw_only=True)

    def execute(self, context):
        return self.function(context)


@dataclass
class SetEnvironmentVariable:
    name: str
    value: str


@dataclass
class Shutdown:
    reason: str = field(default="reason not given", kw_only=True)


@dataclass
class IfCondition:
    predicate: Any


@dataclass(kw_only=True)
class Node:
    executable: str
    package: str | None = None
    name: str | None = None
    namespace: str | None = None
    parameters: list | None = None
    remappings: list | None = None
    arguments: list | None = None
    respawn: bool = False
    respawn_delay: float | None = None
    on_exit: Any = None
    sigterm_timeout: str = "5"
    output: str = "log"
    emulate_tty: bool = False
    condition: Any = None


@dataclass(kw_only=True)
class LifecycleNode(Node):
    name: str
    namespace: str


MODULES = {
    "launch": (LaunchDescription, LaunchContext),
    "launch.actions": (DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown),
    "launch.conditions": (IfCondition,),
    "launch.substitutions": (LaunchConfiguration,),
    "launch_ros": (),
    "launch_ros.actions": (LifecycleNode, Node),
}


def install(monkeypatch):
    """Put the stand-ins in the place of the real packages for one test."""
    for name, contents in MODULES.items():
        module = ModuleType(name)
        for item in contents:
            setattr(module, item.__name__, item)
        monkeypatch.setitem(sys.modules, name, module)
