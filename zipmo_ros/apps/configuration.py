"""Typed requests of the commands: config/hydra/<name>.yaml holds defaults and help, a frozen dataclass the types."""

from __future__ import annotations

import dataclasses
import re
import types
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from omegaconf import DictConfig, OmegaConf

from zipmo_ros.contract.share import share_path

Request = TypeVar("Request")


class Range(NamedTuple):
    """Bounds, both included, of a number or of the length of a list, as in `Annotated[int, Range(1)]`."""

    least: float
    most: float = float("inf")


Count = Annotated[int, Range(1)]
Seed = Annotated[int, Range(0, 2**31 - 1)]
EulerSteps = Annotated[int, Range(1, 1000)]
Timeout = Annotated[float, Range(0.02, 10)]  # s, of what is to come regularly
Domain = Annotated[int, Range(0, 232)]  # ROS_DOMAIN_ID
Milliseconds = Annotated[float, Range(0, 1e6)]
Share = Annotated[float, Range(0, 1)]
FlowTime = Annotated[float, Range(0.01, 1)]
Strength = Annotated[float, Range(0.01, 1)]  # of a perturbation
Names = Literal["all"] | tuple[str, ...]  # also given as a,b
_TOLD = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path", type(None): "null",
}  # fmt: skip


@overload
def load(name: str, overrides: list[str]) -> DictConfig: ...
@overload
def load(name: str, overrides: list[str], request: type[Request]) -> Request: ...
def load(name, overrides, request=None):
    """Compose config/hydra/<name>.yaml into a `request`. With --help among the overrides: print the file and exit.

    request: a frozen dataclass (see `typed`); without one the tree of the YAML, unchecked, is returned.
    Raises ValueError that names the key when an override does not fit.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    folder = share_path("config/hydra").resolve()
    if {"-h", "--help"} & set(overrides):
        print(f"usage: zipmo {name.replace('_', ' ')} [key=value ...]\n\n{(folder / f'{name}.yaml').read_text()}")
        raise SystemExit(0)
    overrides = _as_overrides(overrides)
    strange = [text for text in overrides if "=" not in text and not text.startswith("~")]
    if strange:
        raise ValueError(f"'{strange[0]}' is not key=value; see --help")
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            config = compose(name, overrides=overrides)
        return config if request is None else typed(request, OmegaConf.to_container(config, resolve=True))
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(" ".join(str(error).split("\n")[:2]).strip()) from error


def typed(request: type[Request], values: dict[str, Any], within: str = "") -> Request:
    """The request of plain values. Raises ValueError naming a key that is unknown, absent, or of another type.

    Fields are of bool, int, float, str, Path, None, Literal, tuple, Annotated with a Range, other such dataclasses, or
    a union of those. A single value stands for a list of one; texts and paths of a list may be joined by commas.
    """
    hints = get_type_hints(request, include_extras=True)
    if unknown := sorted(map(str, values.keys() - hints.keys())):
        raise ValueError(f"there is no key {within}{unknown[0]}; there are {', '.join(hints)}")
    if absent := sorted(hints.keys() - values.keys()):
        raise ValueError(f"{within}{absent[0]} is missing")
    return request(**{name: _typed(hint, values[name], within + name) for name, hint in hints.items()})


def plain(request: Any) -> dict[str, Any]:
    """A request as JSON and YAML know it, the inverse of `typed`: lists in place of tuples, text in place of paths."""

    def simple(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: simple(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return [simple(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    return simple(dataclasses.asdict(request))


def _typed(hint: Any, value: Any, key: str) -> Any:
    """`value` as `hint` has it. Raises ValueError."""
    kind, parts = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return typed(hint, value, f"{key}.")
    if kind in (Union, types.UnionType):
        for part in parts:
            try:
                return _typed(part, value, key)
            except ValueError:  # another part may take it
                continue
    elif kind is Annotated:
        result = _typed(parts[0], value, key)
        if parts[1].least <= (len(result) if isinstance(result, tuple) else result) <= parts[1].most:
            return result
    elif kind is tuple:
        if isinstance(value, str) and parts[0] in (str, Path) and "," in value:
            value = value.split(",")
        items = value if isinstance(value, list) else [value]
        return tuple(_typed(parts[0], item, f"{key}[{i}]" if items is value else key) for i, item in enumerate(items))
    elif kind is Literal:
        if value in parts:
            return value
    elif type(value) is hint:  # so that true is no number
        return value
    elif (hint is float and type(value) is int) or (hint is Path and isinstance(value, str) and value):
        return hint(value)
    raise ValueError(f"{key} must be {_told(hint)}, got {'null' if value is None else repr(value)}")


def _told(hint: Any) -> str:
    """What a hint allows, in words."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind in (Union, types.UnionType):
        return " or ".join(map(_told, parts))
    if kind is Annotated:
        least, most = parts[1]
        bounds = f"from {least}" + (f" to {most}" if most < float("inf") else "")
        return f"{_told(parts[0])}{', its length' if get_origin(parts[0]) is tuple else ''} {bounds}"
    if kind is tuple:
        return f"a list, each {_told(parts[0])}"
    if kind is Literal:
        return f"one of {', '.join(map(str, parts))}" if len(parts) > 1 else f"'{parts[0]}'"
    return _TOLD.get(hint, "keys of its own")


def _as_overrides(words: list[str]) -> list[str]:
    """`--key value` and `--key=value` mean key='value', for those used to options, and for sentences; key=a,b means
    key=[a,b], which Hydra's grammar would take for a sweep.
    """
    overrides, rest = [], iter(words)
    for word in rest:
        if word.startswith("--"):
            key, given, value = word[2:].partition("=")
            value = value if given else next(rest, None)
            if value is None:
                raise ValueError(f"{word} needs a value")
            if not re.fullmatch(r"[\w./\[\],-]+", value):  # what Hydra's grammar would trip over
                value = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
            word = f"{key}={value}"
        key, _, value = word.partition("=")
        overrides.append(f"{key}=[{value}]" if re.fullmatch(r"[\w./-]+(,[\w./-]+)+", value) else word)
    return overrides
