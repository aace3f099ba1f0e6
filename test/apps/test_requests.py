"""Requests: the YAML holds defaults and help, the dataclass the types, and the two have the same keys."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml

from zipmo_ros.apps import (
    bench,
    bench_env,
    bench_planners,
    bench_train,
    bench_transport,
    cli,
    collect,
    demo,
    evaluate,
    latency,
    motion,
    report,
    robustness,
    train_all,
)
from zipmo_ros.apps.configuration import Count, Names, Range, load, plain, typed
from zipmo_ros.contract.share import share_path
from zipmo_ros.evaluation.over_ros import graph_arguments
from zipmo_ros.nodes.graph import GRAPHS

REQUESTS = {
    "eval": evaluate.EvaluationRequest,
    "latency": latency.LatencyRequest,
    "robustness": robustness.RobustnessRequest,
    "demo": demo.DemoRequest,
    "collect": collect.CollectRequest,
    "motion": motion.MotionRequest,
    "bench": bench.BenchRequest,
    "bench_env": bench_env.BenchEnvRequest,
    "bench_planners": bench_planners.BenchPlannersRequest,
    "bench_train": bench_train.BenchTrainRequest,
    "bench_transport": bench_transport.BenchTransportRequest,
    "report": report.ReportRequest,
    "train_all": train_all.TrainAllRequest,
}
# replan_every is also how often there have to be images.
OTHER_NAMES = {"replan_every": {"image_every"}}


@pytest.mark.parametrize("name", REQUESTS)
def test_yaml_and_dataclass_have_the_same_keys_and_the_defaults_pass(name):
    written = yaml.safe_load(share_path(f"config/hydra/{name}.yaml").read_text())
    fields = dataclasses.fields(REQUESTS[name])
    assert set(written) == {field.name for field in fields}
    assert all(field.default is field.default_factory is dataclasses.MISSING for field in fields)
    request = load(name, [], REQUESTS[name])
    assert typed(REQUESTS[name], plain(request)) == request
    assert request == typed(REQUESTS[name], written)


@pytest.mark.parametrize("name", REQUESTS)
def test_help_is_the_yaml_which_describes_every_key(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*name.split("_"), "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert share_path(f"config/hydra/{name}.yaml").read_text() in text
    for field in dataclasses.fields(REQUESTS[name]):
        assert any(line.startswith(f"{field.name}:") for line in text.splitlines()), field.name


@dataclass(frozen=True)
class Part:
    width: Count


@dataclass(frozen=True)
class Example:
    name: str
    flag: bool
    number: int
    share: Annotated[float, Range(0, 1)]
    steps: Annotated[int, Range(1, 9)] | None
    way: Literal["here", "there"]
    tasks: Names
    folders: tuple[Path, ...]
    sizes: Annotated[tuple[int, ...], Range(1)]
    part: Part


GOOD = {"name": "a", "flag": True, "number": 3, "share": 1, "steps": None, "way": "here", "tasks": "all",
        "folders": "data/a", "sizes": [1, 2], "part": {"width": 2}}  # fmt: skip


def test_values_come_as_their_types_and_go_back_plain():
    request = typed(Example, GOOD)
    assert request == Example("a", True, 3, 1.0, None, "here", "all", (Path("data/a"),), (1, 2), Part(2))
    assert type(request.share) is float
    assert plain(request) == {**GOOD, "share": 1.0, "folders": ["data/a"]}
    assert typed(Example, {**GOOD, "tasks": "b,c"}) == typed(Example, {**GOOD, "tasks": ["b", "c"]})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": 3}, "name must be text, got 3"),
        ({"name": None}, "name must be text, got null"),
        ({"flag": "yes"}, "flag must be true or false, got 'yes'"),
        ({"number": True}, "number must be a whole number, got True"),
        ({"number": 1.5}, "number must be a whole number, got 1.5"),
        ({"share": 2}, "share must be a number from 0 to 1, got 2"),
        ({"share": float("nan")}, "share must be a number from 0 to 1, got nan"),
        ({"share": False}, "share must be a number, got False"),
        ({"steps": 0}, "steps must be a whole number from 1 to 9 or null, got 0"),
        ({"way": "up"}, "way must be one of here, there, got 'up'"),
        ({"tasks": [1]}, "tasks must be 'all' or a list, each text, got [1]"),
        ({"folders": ""}, "folders must be a path, got ''"),
        ({"sizes": []}, "sizes must be a list, each a whole number, its length from 1, got []"),
        ({"sizes": [1, "b"]}, "sizes[1] must be a whole number, got 'b'"),
        ({"part": 3}, "part must be keys of its own, got 3"),
        ({"part": {"width": 0}}, "part.width must be a whole number from 1, got 0"),
        ({"part": {}}, "part.width is missing"),
        ({"part": {"width": 1, "depth": 2}}, "there is no key part.depth; there are width"),
        ({"more": 1}, "there is no key more; there are name, "),
    ],
)
def test_what_does_not_fit_is_told_by_key_expectation_and_value(change, complaint):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the message is compared as a whole
        typed(Example, {**GOOD, **change})
    assert str(refused.value).startswith(complaint)


def test_keys_added_and_taken_away_are_named():
    with pytest.raises(ValueError, match="there is no key colour"):
        load("report", ["+colour=red"], report.ReportRequest)
    with pytest.raises(ValueError, match="out is missing"):
        load("report", ["~out"], report.ReportRequest)


@pytest.mark.parametrize("name", ["eval", "demo", "motion"])
def test_nobody_but_the_checkpoint_says_how_many_steps_a_plan_takes(name):
    assert load(name, [], REQUESTS[name]).nfe is None


@pytest.mark.parametrize("name", ["eval", "demo"])
def test_what_a_command_shares_with_the_graph_has_one_name(name):
    arguments = {argument.name: argument for argument in GRAPHS["sim"].arguments}
    shared = arguments.keys() & {field.name for field in dataclasses.fields(REQUESTS[name])}
    assert shared >= {"suite", "checkpoint", "seed", "replan_every", "nfe", "ensemble", "libero_assets"}
    for key in shared:
        names = {parameter for _, parameter in arguments[key].parameters}
        assert key in names
        assert names <= {key} | OTHER_NAMES.get(key, set())


def test_all_that_a_run_tells_the_graph_is_an_argument_of_that_name():
    request = load("eval", ["seed=3", "nfe=5", "max_steps=77", "ensemble=official"], evaluate.EvaluationRequest)
    settings = request.settings("ros", max_steps=request.max_steps)
    given = graph_arguments(settings)
    assert {"seed", "nfe", "max_steps", "ensemble", "checkpoint", "planner", "policy"} <= set(given)
    values = GRAPHS["sim"].values(given)
    for key in given:
        told = getattr(settings, key)
        words = str(told).lower() if isinstance(told, bool) else str(told)
        assert values[key] == ("" if told is None else words), key
