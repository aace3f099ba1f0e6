"""What README, docs/architecture.md, docs/robot.md, docs/cluster.md and docs/libero.md say of the code is so."""

import importlib
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from sources import ROOT
from test_architecture import ALLOWED

from zipmo_ros.apps import cli, up
from zipmo_ros.apps.configuration import load
from zipmo_ros.contract import topics
from zipmo_ros.contract.arm import COMMAND_KINDS, GRIPPER_KINDS
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.graph import GRAPHS, parameters_path
from zipmo_ros.runtime.causes import CAUSES

PAGES = (
    "README.md",
    "docs/architecture.md",
    "docs/planners.md",
    "docs/robot.md",
    "docs/cluster.md",
    "docs/libero.md",
    "examples/README.md",
)
ROBOT_PAGE = (ROOT / "docs/robot.md").read_text()
BY_OPTIONS = ("say", "home", "check", "doctor")  # commands of --options; the others are of key=value


@pytest.mark.slow
def test_the_python_of_the_readme_runs_as_printed():
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 12
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "(2, 4, 4, 16) (16, 7)"


@pytest.mark.parametrize("page", PAGES)
def test_paths_that_a_page_names_are_there(page):
    made = ("outputs", "runs", "data")  # by commands, here or not
    first = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in made)
    named = set(re.findall(rf"`((?:{first})/[\w./-]*)`", (ROOT / page).read_text()))
    named = {path for path in named if not re.search(r"NAME|SUITE", path)}
    assert named, "it names none"
    assert not {path for path in named if not (ROOT / path).exists()}


def test_the_table_of_imports_is_the_one_that_is_kept():
    rows = re.findall(r"^\| `(zipmo[\w.]+)` \| (.*) \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    told = {package: tuple(re.findall(r"`([\w.]+)`", allowed)) for package, allowed in rows}
    assert {name: set(allowed) for name, allowed in told.items()} == {name: set(ours) for name, ours in ALLOWED.items()}


def commands(page):
    """Words after `zipmo` of every line of a page's blocks that is such a command."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    found = re.findall(r"^(?:\.venv/bin/)?zipmo (.+)$", "".join(blocks), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in found]


def check_command(words, capsys):
    """Raise for a command that is none, or an option or a key that it has not."""
    name, *rest = words
    assert name in cli.COMMANDS
    if name == "up":
        up.parse(rest)
    elif name in BY_OPTIONS:
        with pytest.raises(SystemExit):
            importlib.import_module(f"zipmo_ros.apps.{cli.COMMANDS[name].module}").main(["--help"])
        options = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
        assert {word for word in rest if word.startswith("--")} <= options
    elif name != "interop":
        pytest.importorskip("hydra")
        if name == "bench" and rest[0] != "plan":
            name = f"bench_{rest[0]}"
        if name == "train" and rest[0] == "all":
            name = "train_all"
        keys = ["once=true" if word == "--once" else word for word in rest]
        load(name, [word for word in keys if "=" in word])


NAMED_PAGES = ("docs/robot.md", "docs/planners.md", "docs/cluster.md", "docs/libero.md")


@pytest.mark.parametrize("words", [words for page in NAMED_PAGES for words in commands(page)], ids=" ".join)
def test_commands_of_the_pages_are_there(words, capsys):
    check_command(words, capsys)


def test_a_command_that_is_not_there_is_found(capsys):
    with pytest.raises(ValueError, match="no argument 'shadows'"):
        check_command(["up", "arm", "shadows=true"], capsys)
    with pytest.raises(AssertionError):
        check_command(["home", "--haste", "1"], capsys)


def test_the_robots_file_of_the_page_is_one(tmp_path):
    (text,) = re.findall(r"^```yaml\n(.*?)^```", ROBOT_PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "my_arm.yaml"
    file.write_text(text)
    robot = load_robot(file)
    assert robot.limits.workspace != load_robot("panda").limits.workspace
    assert robot.arm.topic(robot.arm.interface) == "/my_arm/target_pose"


def test_every_cause_and_state_is_in_its_table():
    for name, cause in CAUSES.items():
        assert f"| {name} | {cause.meaning} | {cause.remedy} |" in ROBOT_PAGE
    states = pytest.importorskip(
        "zipmo_ros.nodes.states", reason="states are levels of a ROS message", exc_type=ImportError
    )
    for state in (value for value in vars(states).values() if isinstance(value, states.State)):
        level = "error" if state.level == states.ERROR else "warning"
        assert f"| `{state.name}` | {level} | {state.remedy or 'the message says it'} |" in ROBOT_PAGE


@pytest.mark.parametrize("kind", [*COMMAND_KINDS, *GRIPPER_KINDS])
def test_every_interface_is_in_its_table(kind):
    assert f"| `{kind}` | " in ROBOT_PAGE


# Of controllers and of ROS, not of ours.
FOREIGN = {
    "error_recovery", "switch_command_type", "incoming_command_timeout", "interpolate_from_desired_state",
    "cmd_timeout", "enforce_command_limits", "robot_receive_timeout", "end_effector_link", "robot_base_link",
    "source_list",
}  # fmt: skip
KEYS_OF_DIAGNOSTICS = {"deadline_misses", "camera_skew_ms"}


def keys_of(plain):
    """All keys of a YAML, at any depth."""
    if not isinstance(plain, dict):
        return set()
    return set(plain).union(*map(keys_of, plain.values()))


def test_names_on_the_robots_page_are_ours_or_known_to_be_others():
    """Whatever stands in backticks with an underscore in it, or as the key of key=value."""
    known = {*FOREIGN, *KEYS_OF_DIAGNOSTICS, *COMMAND_KINDS, *GRIPPER_KINDS}
    known |= {value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)}
    for graph in GRAPHS.values():
        known |= {argument.name for argument in graph.arguments}
        for node in graph.nodes:
            known |= set(yaml.safe_load(parameters_path(node).read_text())[f"/**/{node.name}"]["ros__parameters"])
    known |= keys_of(yaml.safe_load((ROOT / "config/robots/panda.yaml").read_text()))
    known |= set(re.findall(r"^\| `(\w+)` \| (?:error|warning) \|", ROBOT_PAGE, re.MULTILINE))
    text = re.sub(r"^```.*?^```", "", ROBOT_PAGE, flags=re.MULTILINE | re.DOTALL)
    quoted = re.findall(r"`([^`\n]+)`", text)
    named = {word for word in quoted if re.fullmatch(r"[a-z]+(_[a-z]+)+", word)}
    named |= {key for word in quoted for key in re.findall(r"(?<![\w-])([a-z_]+)=", word)}
    assert len(named) > 30
    assert not named - known
