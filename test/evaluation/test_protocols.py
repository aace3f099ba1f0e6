"""Evaluation protocols: what they fix, what is told of a score, and that tables do not mix them."""

import json
import random
import re

import pytest

from zipmo_ros.apps import cli
from zipmo_ros.apps import evaluate as command
from zipmo_ros.contract.share import share_path
from zipmo_ros.evaluation import evaluate
from zipmo_ros.evaluation.outcomes import USUAL, Outcome
from zipmo_ros.evaluation.parallel import as_far_as
from zipmo_ros.evaluation.protocols import EvaluationProtocol

NAMES = sorted(path.stem for path in share_path("config/protocols").glob("*.yaml"))
FIRST = "tasks=[pick_up_the_alphabet_soup_and_place_it_in_the_basket]"


def run(settings, episodes, workers, progress, journal, place):
    """Outcomes by lot."""
    return [
        Outcome.of(episode, success=random.Random(f"{episode}").random() < 0.7, original_success=False, steps=50)
        for episode in episodes
    ]


@pytest.fixture
def evaluated(monkeypatch, tmp_path):
    """Calls the command; gives the result file."""
    monkeypatch.setattr(evaluate, "run_parallel", run)
    monkeypatch.setattr(command, "plot_failures", lambda report, path: None)

    def call(name, *words):
        assert cli.main(["eval", "via=direct", *words, f"out={tmp_path}/{name}.json"]) == 0
        return json.loads((tmp_path / f"{name}.json").read_text())

    return call


def test_they_are_there():
    assert NAMES == ["lerobot", "libero", "openpi", "pro", "reference", "zipmo"]


def test_what_is_usual_is_what_the_command_does_unasked():
    request, _ = command.requested([])
    assert {name: getattr(request, name) for name in USUAL} == USUAL


def test_the_table_of_the_page():
    page = share_path("docs/libero.md").read_text()
    rows = [[cell.strip() for cell in row.split("|")] for row in re.findall(r"^\| (`.*) \|$", page, re.MULTILINE)]
    told = {row[0].strip("`"): row[1:] for row in rows if row[0].strip("`") in NAMES}
    assert sorted(told) == NAMES
    for name, (states, episodes, steps, settling, images, _) in told.items():
        suite = "libero_object" if EvaluationProtocol.load(name).libero else "mini"
        request, _ = command.requested([f"suite={suite}", f"protocol={name}"])
        assert int(episodes) == request.episodes
        assert ("drawn" in states) == (request.draw == "seeded")
        assert settling.split(",")[0] == (request.settle or "10").partition("-")[0]
        assert ("full look" in images) == (request.look == "full")
        assert ("256 px" in images) == (request.robot == "panda_256")
        if request.max_steps:
            assert str(request.max_steps) in steps or " to " in steps


@pytest.mark.parametrize("name", NAMES)
def test_what_a_protocol_fixes_is_a_key_of_the_command(name):
    protocol = EvaluationProtocol.load(name)
    suite = "libero_object" if protocol.libero else "mini"
    words = [f"suite={suite}", f"protocol={name}"]
    request, _ = command.requested(words)
    for key, value in protocol.keys(suite).items():
        assert getattr(request, key) == value
    assert protocol.about


def test_limits_go_by_suite_and_with_the_base():
    limits = {suite: EvaluationProtocol.load("openpi").keys(suite)["max_steps"]
              for suite in ("libero_spatial", "libero_10", "libero_10_swap")}  # fmt: skip
    assert limits == {"libero_spatial": 220, "libero_10": 520, "libero_10_swap": 520}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["protocol=atm"], "protocol must be one of lerobot, libero, openpi"),
        (["protocol=reference"], "protocol=reference is for the suites of LIBERO, not for mini"),
        (["protocol=pro", "suite=libero_90"], "protocol=pro does not say the max_steps of libero_90"),
    ],
)
def test_what_does_not_fit_is_refused(words, complaint, capsys):
    assert cli.main(["eval", *words]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.libero
def test_states_are_drawn_as_the_reference_draws_them(evaluated):
    report = evaluated("all", "suite=libero_object", "protocol=reference")
    for index, name in enumerate(report["tasks"]):
        drawn = [episode["init_state"] for episode in report["episodes"] if episode["task"] == name]
        assert drawn == random.Random(42 + 1000 * index).sample(range(50), 10)
    assert report["protocol"] == "reference-libero_object-v1"
    settings = {key: report[key] for key in ("max_steps", "nfe", "replan_every", "ensemble", "settle", "look")}
    assert settings == {"max_steps": 600, "nfe": 10, "replan_every": 1, "ensemble": "official", "settle": "5-open",
                        "look": "full"}  # fmt: skip
    assert report["hashes"]["protocol"] == EvaluationProtocol.load("reference").hash


@pytest.mark.libero
def test_what_is_otherwise_is_told_with_the_score(evaluated, capsys):
    report = evaluated("short", "suite=libero_object", "protocol=reference", "--episodes", "2", "nfe=4", FIRST)
    assert report["protocol"] == "reference-libero_object-v1-episodes=2-nfe=4"
    said = capsys.readouterr().out
    assert "protocol reference-libero_object-v1-episodes=2-nfe=4" in said
    assert "otherwise than reference has it: the initial state" in said
    in_order = evaluated("order", "suite=libero_object", "protocol=lerobot", FIRST)
    assert [episode["init_state"] for episode in in_order["episodes"]] == list(range(10))


def test_several_seeds_have_a_mean_and_a_deviation(evaluated, capsys):
    words = ("tasks=[turn_lever_left,turn_lever_right]", "episodes=10", "seed=3", "seeds=3")
    report = evaluated("seeds", *words)
    assert [episode["seed"] for episode in report["episodes"]] == [3] * 20 + [4] * 20 + [5] * 20
    rates = report["by_seed"]["rates"]
    assert sum(rates.values()) / 3 == pytest.approx(report["by_seed"]["mean"]) == pytest.approx(report["success_rate"])
    spread = sum((rate - report["by_seed"]["mean"]) ** 2 for rate in rates.values()) / 2
    assert report["by_seed"]["std"] ** 2 == pytest.approx(spread)
    assert "3 seeds: " in capsys.readouterr().out
    alone = evaluated("alone", *words[:2], "seed=4")
    assert alone["by_seed"] is None
    assert alone["success_rate"] == rates["4"]


def test_seeds_that_ctrl_c_came_before_are_told_as_such(monkeypatch, tmp_path):
    monkeypatch.setattr(evaluate, "run_parallel", lambda settings, episodes, *_: as_far_as({}, episodes))
    monkeypatch.setattr(command, "plot_failures", lambda report, path: None)
    words = ["via=direct", "tasks=[turn_lever_left]", "episodes=2", "seed=3", "seeds=3"]
    assert cli.main(["eval", *words, f"out={tmp_path}/a.json"]) == 1
    report = json.loads((tmp_path / "a.json").read_text())
    assert [episode["seed"] for episode in report["episodes"]] == [3, 3, 4, 4, 5, 5]
    assert {episode["error"] for episode in report["episodes"]} == {"interrupted before this episode was done"}
    assert report["crashes"] == 6


def test_without_words_the_episodes_are_the_same(evaluated):
    own = evaluated("own", "tasks=[turn_lever_left]", "episodes=3")["episodes"]
    wordless = evaluated("none", "tasks=[turn_lever_left]", "episodes=3", "instruction=none")["episodes"]
    assert {episode["instruction"] for episode in wordless} == {"."}
    assert [(e["number"], e["instructed_task"]) for e in wordless] == [(e["number"], e["instructed_task"]) for e in own]


@pytest.mark.libero
def test_a_table_is_of_one_protocol_and_has_pro_beside_the_plain_suites(evaluated, tmp_path):
    for suite in ("libero_object", "libero_object_swap", "libero_spatial"):
        for protocol in ("reference", "lerobot"):
            checkpoint = "checkpoint=nano-libero-object"
            evaluated(f"{suite}-{protocol}", f"suite={suite}", f"protocol={protocol}", checkpoint, "episodes=1")
    evaluated("none", "suite=libero_object", "protocol=reference", "episodes=1", "instruction=none")
    page = tmp_path / "page.md"
    assert cli.main(["report", f"results={tmp_path}", f"out={page}"]) == 0
    sections = [part for part in page.read_text().split("\n## ") if part.startswith("LIBERO and LIBERO-PRO")]
    assert len(sections) == 2
    told = dict(zip(("lerobot", "reference"), sorted(sections), strict=True))
    assert told["reference"].startswith("LIBERO and LIBERO-PRO by reference-v1-episodes=1, checkpoint")
    assert "lerobot" not in told["reference"]
    header, _, *rows = [line for line in told["reference"].splitlines() if line.startswith("|")]
    assert header == "| suite | plain | swap | no words | published |"
    assert [row.split(" | ")[0] for row in rows] == ["| `libero_spatial`", "| `libero_object`"]
    assert rows[1].endswith("| 98.0 % |")
    assert rows[1].count("of 10)") == 3
    (picture,) = re.findall(r"\((page/tasks-\S+\.png)\)", told["reference"])
    assert (tmp_path / picture).stat().st_size > 5000
    assert "published" not in told["lerobot"]
