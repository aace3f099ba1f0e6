"""A node's parameters: type and range in a frozen dataclass, default and description in config/ros/<node>.yaml."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node

Schema = TypeVar("Schema")
_LINE = re.compile(r"\s+(\w+):.*?\s#\s(.*)")


class Documented(NamedTuple):
    default: Any
    description: str


def setting(
    *, minimum: float | None = None, maximum: float | None = None, choices: Sequence[str] = (), read_only: bool = False
) -> Any:
    """A field of a parameter dataclass. Ranges are closed and given as a pair; choices are for strings."""
    if (minimum is None) != (maximum is None):
        raise ValueError("a range has a minimum and a maximum")
    metadata = {"minimum": minimum, "maximum": maximum, "choices": tuple(choices), "read_only": read_only}
    return dataclasses.field(metadata=metadata)


def documented(path: Path) -> dict[str, Documented]:
    """Parameters of a file for one node: {name: default, and the comment behind it}."""
    text = path.read_text()
    comments = {match[1]: match[2] for line in text.splitlines() if (match := _LINE.fullmatch(line))}
    (node,) = yaml.safe_load(text).values()
    return {name: Documented(value, comments.get(name, "")) for name, value in node["ros__parameters"].items()}


def _descriptor(field: dataclasses.Field, known: Documented) -> ParameterDescriptor:
    about = field.metadata
    descriptor = ParameterDescriptor(description=known.description, read_only=about["read_only"])
    if about["choices"]:
        descriptor.additional_constraints = f"one of {', '.join(about['choices'])}"
    if about["minimum"] is not None:
        low, high = about["minimum"], about["maximum"]
        if isinstance(known.default, int):
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=0)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    return descriptor


def check_choices(values: Any) -> None:
    """Raise ValueError where a value of the parameter dataclass is none of its choices."""
    for field in dataclasses.fields(values):
        choices, value = field.metadata["choices"], getattr(values, field.name)
        if choices and value not in choices:
            raise ValueError(f"parameter '{field.name}' is '{value}'; choose one of {', '.join(choices)}")


def declare(node: Node, schema: type[Schema], file: Path, changed: Callable[[Schema], None]) -> Schema:
    """Declare every field of `schema` on the node, as `file` documents it, and return the values in force.

    `changed` is called with the new values after every later change. A change that breaks a choice, or that the
    dataclass's own __post_init__ refuses, is rejected with the reason. Raises ValueError for a bad start value, and
    KeyError for a field that the file does not document.
    """
    fields = {field.name: field for field in dataclasses.fields(schema)}
    known = documented(file)
    given = {
        name: node.declare_parameter(name, known[name].default, _descriptor(field, known[name])).value
        for name, field in fields.items()
    }
    current = schema(**given)
    check_choices(current)

    def proposal(parameters: list) -> Schema:
        return dataclasses.replace(current, **{p.name: p.value for p in parameters if p.name in fields})

    def judge(parameters: list) -> SetParametersResult:
        try:
            check_choices(proposal(parameters))
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def take(parameters: list) -> None:
        nonlocal current
        current = proposal(parameters)
        changed(current)

    node.add_on_set_parameters_callback(judge)
    node.add_post_set_parameters_callback(take)
    return current
