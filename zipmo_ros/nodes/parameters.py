"""Frozen dataclasses as the single schema of a node's parameters: type, default, description, range, read-only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node

Schema = TypeVar("Schema")


def setting(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    read_only: bool = False,
) -> Any:
    """A field of a parameter dataclass. Ranges are closed and given as a pair; choices are for strings."""
    if (minimum is None) != (maximum is None):
        raise ValueError("a range has a minimum and a maximum")
    metadata = {
        "description": description, "minimum": minimum, "maximum": maximum,
        "choices": tuple(choices), "read_only": read_only,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


def _descriptor(field: dataclasses.Field) -> ParameterDescriptor:
    about = field.metadata
    descriptor = ParameterDescriptor(description=about["description"], read_only=about["read_only"])
    if about["choices"]:
        descriptor.additional_constraints = f"one of {', '.join(about['choices'])}"
    if about["minimum"] is not None:
        low, high = about["minimum"], about["maximum"]
        if isinstance(field.default, int):
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


def declare(node: Node, schema: type[Schema], changed: Callable[[Schema], None]) -> Schema:
    """Declare every field of `schema` on the node and return the values in force.

    `changed` is called with the new values after every later change. A change that breaks a choice, or that the
    dataclass's own __post_init__ refuses, is rejected with the reason. Raises ValueError for a bad start value.
    """
    fields = {field.name: field for field in dataclasses.fields(schema)}
    given = {}
    for field in fields.values():
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        given[field.name] = _plain(node.declare_parameter(field.name, default, _descriptor(field)).value)
    current = schema(**given)
    check_choices(current)

    def proposal(parameters: list) -> Schema:
        changes = {p.name: _plain(p.value) for p in parameters if p.name in fields}
        return dataclasses.replace(current, **changes)

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


def _plain(value: Any) -> Any:
    """Arrays as tuples, so that the dataclass stays frozen."""
    return value if isinstance(value, str | bool | int | float) or value is None else tuple(value)
