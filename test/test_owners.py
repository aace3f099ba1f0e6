"""One owner for each fact: what the design lists stands in one place, and everything else asks it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from sources import ROOT, module_name, shown, trees

from zipmo_ros.contract import splits
from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.robot import load_robot
from zipmo_sim.suites import DEFAULT, SUITES

ROBOT = load_robot()
YAMLS = sorted((ROOT / "config").rglob("*.yaml"))
OTHER_YAMLS = [file for file in YAMLS if file.parent.name != "robots"]


def any_of(names) -> re.Pattern:
    return re.compile(rf"(?<![A-Za-z0-9])({'|'.join(map(re.escape, names))})(?![A-Za-z0-9])")


def first_and_last(states: range) -> str:
    return f"{states[0]}-{states[-1]}"


# Strings that only their owner may hold: of the code, the modules below it.
STRINGS = {
    "views": ((), any_of(ROBOT.views)),
    "joint names": ((), any_of([*ROBOT.proprio_names, ROBOT.gripper_joint])),
    "suites": (("zipmo_sim.suites",), re.compile(rf"^({'|'.join(SUITES)})$|[\"']({'|'.join(SUITES)})[\"']")),
    "splits": (("zipmo_ros.contract.splits",), any_of(map(first_and_last, splits.BY_NAME.values()))),
    "image size": ((), re.compile(rf"\b{IMAGE_SIZE} ?(px|pixels?|x)\b")),
    "horizon": ((), re.compile(rf"\b{HORIZON} (control )?steps\b")),
}


class Rule(NamedTuple):
    """Numbers that nothing with such a name may be given. names: of variables, arguments, keys, other operands."""

    values: tuple[float, ...]
    names: str
    owner: str | None = None


OPENING, SHIFT, TURN = ROBOT.gripper_open_m, ROBOT.translation_m, ROBOT.rotation_rad
STATES = {edge for states in splits.BY_NAME.values() for edge in (states.start, states.stop, states.stop - 1)}
NUMBERS = {
    # Whatever it is called; widths of networks are other things.
    "image size": Rule((IMAGE_SIZE,), r"^(?!.*(width|channels)$)", "zipmo_ros.contract.camera"),
    "pixels of a coordinate": Rule((IMAGE_SIZE / 2,), r"norm\(|abs\(|track|distance|place|travel"),
    "horizon": Rule((HORIZON,), r"horizon|samples|chunk|steps|\brange\b", "zipmo_ros.contract.plan"),
    "rate": Rule((ROBOT.rate_hz, ROBOT.period_s, 1e3 * ROBOT.period_s), r"rate|hz|fps|freq|period|control|tick"),
    "period": Rule((ROBOT.period_ns,), ""),  # nothing else is such a number
    "action scales": Rule((SHIFT, TURN), r"action|translation|rotation|twist|angular|linear"),
    "gripper": Rule((OPENING, OPENING / 2), r"grip|opening|finger"),
    "splits": Rule(tuple(STATES), r"\brange\b|state|split|demonstration", "zipmo_ros.contract.splits"),
}
# What looks like such a fact and is another one.
EXCEPTIONS = {
    ("horizon", "zipmo_ros/motion/zipmo/golden.py"): "steps of the golden cases of the released models",
    ("horizon", "zipmo_ros/motion/arfm/config.py"): "evaluations of the head a step, as in the paper",
    ("rate", "zipmo_ros/nodes/policy_node.py"): "WATCH_PERIOD: how often silence is looked for, by a steady clock",
    ("splits", "sim/zipmo_sim/task.py"): "INIT_STATES: how many LIBERO has",
    ("splits", "sim/zipmo_sim/experts/bowl.py"): "degrees",
}


def docstrings(tree: ast.AST) -> set[ast.AST]:
    """Bare strings: documentation, which may give examples."""
    return {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def strings_in(tree: ast.AST) -> Iterator[ast.Constant]:
    told = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told:
            yield node


def named_values(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What something with a name is set to, called with, compared or multiplied with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from ((ast.unparse(target), node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign) and node.value:
            yield ast.unparse(node.target), node.value
        elif isinstance(node, ast.keyword):
            yield node.arg or "", node.value
        elif isinstance(node, ast.arguments):
            positional = [*node.posonlyargs, *node.args]
            yield from zip(
                (a.arg for a in positional[len(positional) - len(node.defaults) :]), node.defaults, strict=True
            )
            yield from ((a.arg, value) for a, value in zip(node.kwonlyargs, node.kw_defaults, strict=True) if value)
        elif isinstance(node, ast.Call):
            yield from ((ast.unparse(node.func), argument) for argument in node.args)
        elif isinstance(node, ast.Compare):
            yield from ((ast.unparse(node.left), value) for value in node.comparators)
        elif isinstance(node, ast.BinOp):
            yield from ((ast.unparse(node.left), node.right), (ast.unparse(node.right), node.left))
        elif isinstance(node, ast.Dict):
            yield from ((ast.unparse(key), value) for key, value in zip(node.keys, node.values, strict=True) if key)


def numbers_in(value: ast.AST) -> Iterator[ast.Constant]:
    """Numbers that a value is, or is a tuple or list of."""
    items = value.elts if isinstance(value, (ast.Tuple, ast.List)) else [value]
    for item in items:
        if isinstance(item, (ast.Tuple, ast.List)):
            yield from numbers_in(item)
        elif isinstance(item, ast.Constant) and type(item.value) in (int, float):
            yield item


def wrong_strings(fact: str, tree: ast.AST) -> list[ast.AST]:
    return [node for node in strings_in(tree) if STRINGS[fact][1].search(node.value)]


def wrong_numbers(fact: str, tree: ast.AST) -> list[ast.AST]:
    values, names, _ = NUMBERS[fact]
    return [
        number
        for name, value in named_values(tree)
        if re.search(names, name, re.IGNORECASE)
        for number in numbers_in(value)
        if number.value in values
    ]


def owned(file: Path, owners: tuple[str, ...]) -> bool:
    return any(f"{module_name(file)}.".startswith(f"{owner}.") for owner in owners)


@pytest.mark.parametrize("fact", STRINGS)
def test_strings_stand_with_their_owner(fact):
    files = {file: tree for file, tree in trees().items() if not owned(file, STRINGS[fact][0])}
    wrong = [shown(file, node) for file, tree in files.items() for node in wrong_strings(fact, tree)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("fact", NUMBERS)
def test_numbers_stand_with_their_owner(fact):
    owner = NUMBERS[fact].owner
    wrong = [
        shown(file, node)
        for file, tree in trees().items()
        if (fact, str(file)) not in EXCEPTIONS and not (owner and owned(file, (owner,)))
        for node in wrong_numbers(fact, tree)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("fact", "file"), EXCEPTIONS)
def test_no_exception_is_left_over(fact, file):
    assert wrong_numbers(fact, trees()[Path(file)]), "nothing there looks like this fact any more"


def leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a YAML file, with the key it stands under."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value


@pytest.mark.parametrize("file", OTHER_YAMLS, ids=lambda file: str(file.relative_to(ROOT / "config")))
def test_yaml_repeats_no_fact(file):
    for name, value in leaves(yaml.safe_load(file.read_text())):
        for fact in ("views", "joint names"):
            assert not STRINGS[fact][1].search(f"{name} {value}"), f"{fact}: {name}: {value}"
        for fact, rule in NUMBERS.items():
            if type(value) in (int, float) and fact != "splits":
                assert value not in rule.values or not re.search(rule.names, name), f"{fact}: {name}: {value}"
        assert name == "suite" or value not in SUITES, f"suites: {name}: {value}"
        meant = SUITES if file.parent.name == "recipes" else {DEFAULT}
        assert name != "suite" or value in meant, "another suite is meant where none is named"


@pytest.mark.parametrize("file", OTHER_YAMLS, ids=lambda file: str(file.relative_to(ROOT / "config")))
def test_what_yaml_explains_is_so(file):
    edges = {text for states in splits.BY_NAME.values() for text in map(str, (states[0], states[-1]))}
    edges |= {str(splits.TRAINING[0]), "999"}  # mini's last one
    for line in file.read_text().splitlines():
        if "suite:" in line:
            assert set(re.findall(r"\blibero_\w+", line)) <= set(SUITES), line
        if "states" in line and file.parent.name != "recipes":  # what they start from, `zipmo collect` checks
            assert {edge for span in re.findall(r"\b(\d+)-(\d+)\b", line) for edge in span} <= edges | {"100"}, line


VIOLATIONS = {
    "views": 'show("{view}/image_raw")',
    "joint names": 'names = ["{joint}"]',
    "suites": 'suite = "{suite}"',
}


@pytest.mark.parametrize("fact", VIOLATIONS)
def test_strings_are_found(fact):
    code = VIOLATIONS[fact].format(view=ROBOT.views[0], joint=ROBOT.joints[0], suite=next(iter(SUITES)))
    assert wrong_strings(fact, ast.parse(code))


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        ("image size", "resize(image, (128, 128))"),
        ("image size", "def draw(size=128): ..."),
        ("image size", "zeros((1, views, 128, 128, 3))"),
        ("pixels of a coordinate", "error = (places - there).norm(dim=-1) * 64"),
        ("horizon", "Config(horizon=16)"),
        ("horizon", "for step in range(16): ..."),
        ("rate", "control_freq = 20"),
        ("period", "stamp + step * 50_000_000"),
        ("action scales", "move = actions[:3] * 0.05"),
        ("gripper", "opening = 0.08"),
        ("splits", "states = range(25, 50)"),
        ("splits", "held = init_state < 25"),
    ],
)
def test_numbers_are_found(fact, code):
    assert wrong_numbers(fact, ast.parse(code))
