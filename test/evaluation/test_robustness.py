"""The robustness protocol: its rows, what is gone on with, its table, its section of the report."""

import json
import random

import pytest

from zipmo_ros.apps import cli, robustness
from zipmo_ros.evaluation import sweep as sweeping
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome, summarise
from zipmo_ros.evaluation.robustness import Row, fitting, relative, rows
from zipmo_sim.perturbations.kinds import DIMENSIONS, KINDS
from zipmo_sim.suites import tasks

WORDS = ["tasks=[stack_red_on_green,turn_lever_left]", "episodes=4"]


@pytest.fixture
def ran(monkeypatch):
    """The rows of the jobs that were run; they succeed by lot, always where nothing is otherwise."""
    jobs = []

    def run_jobs(serve, groups, workers, base, place):
        for group, members in groups.items():
            for row, episode in members:
                jobs.append((row, episode.number))
                done = random.Random(f"{row.perturb} {episode.number}").random() > (row.strength or 0) / 2
                yield group, (row, episode), Outcome.of(
                    episode, success=done, original_success=done, steps=60, failure=None if done else "timeout"
                )  # fmt: skip

    monkeypatch.setattr(sweeping, "run_jobs", run_jobs)
    monkeypatch.setattr(robustness, "first_frames", lambda *asked, **_: {name: [None] for name in asked[2]})
    return jobs


def sweep(tmp_path, *words):
    assert cli.main(["robustness", *WORDS, *words, f"out={tmp_path}/bent.json"]) == 0
    return json.loads((tmp_path / "bent.json").read_text())


def test_a_sweep_goes_on_where_it_was_killed(ran, tmp_path, monkeypatch):
    whole = sweeping.run_jobs

    def killed(*arguments, place):
        for number, outcome in enumerate(whole(*arguments, place=place)):
            if number == 5:
                raise KeyboardInterrupt
            yield outcome

    monkeypatch.setattr(sweeping, "run_jobs", killed)
    words = ["perturb=[blur,moved_goal]", "strength=1"]
    assert cli.main(["robustness", *WORDS, *words, f"out={tmp_path}/bent.json"]) == 130
    before = ran[:5]
    monkeypatch.setattr(sweeping, "run_jobs", whole)
    ran.clear()
    report = sweep(tmp_path, *words)
    assert not set(ran) & set(before)
    assert len(ran) + len(before) == 8 + 8 + 4, "moved_goal is nothing for a lever"
    assert [(row["perturb"], row["strength"], len(row["episodes"])) for row in report["rows"]] == [
        (None, None, 8), ("blur", 1, 8), ("moved_goal", 1, 4)
    ]  # fmt: skip
    ran.clear()
    sweep(tmp_path, "perturb=[blur,noise]", "strength=[0.5,1]")
    assert {row for row, _ in ran} == {Row("blur", 0.5), Row("noise", 0.5), Row("noise", 1)}


def test_the_table_has_every_perturbation_by_dimension(ran, tmp_path, capsys):
    report = sweep(tmp_path)
    assert len(report["rows"]) == 1 + 2 * len(KINDS)
    text = capsys.readouterr().out
    assert (tmp_path / "bent.md").read_text() in text
    assert all(dimension in text and name in text for name in KINDS for dimension in DIMENSIONS)
    assert "| **language instructions** | see the table of sentences | - | - |" in text
    assert "| unchanged |  | 100 %, 68-100 | 100 %, 68-100 |" in text
    row = next(row for row in report["rows"] if (row["perturb"], row["strength"]) == ("noise", 1))
    assert row["relative"] == row["success_rate"] < 1
    low, high = row["wilson95"]
    line = next(line for line in text.splitlines() if line.startswith("| noise |"))
    assert line.split(" | ")[3] == f"{100 * row['success_rate']:.0f} %, {100 * low:.0f}-{100 * high:.0f} " \
                                   f"({row['relative']:.2f}) |"  # fmt: skip
    for picture in ("bent.png", "bent-frames.png"):
        assert (tmp_path / picture).stat().st_size > 2000


@pytest.mark.libero
def test_all_means_all_that_fit_a_task():
    drawn = [Episode(task.index, task.name, 30, 7, task.name, task.language) for task in tasks("libero_spatial")]
    assert set(KINDS) - set(fitting("libero_spatial", drawn)) == {"object_yaw", "object_colour"}
    made = rows("libero_spatial", ["moved_thing"], [1.0], drawn)
    assert [len(episodes) for episodes in made.values()] == [10, 5], "five of the bowls stand on something"


def test_success_is_related_to_the_same_episodes():
    def episodes(*done, error=None):
        return [{"number": number, "success": won, "error": error} for number, won in enumerate(done)]

    plain = episodes(True, True, False, True)
    assert relative(episodes(True, False), plain) == 0.5
    assert relative(episodes(False, False, True), plain) == 0.5
    assert relative(episodes(True, error="crash"), plain) is None
    assert relative([], plain) is None


def test_the_report_has_a_section_of_it_and_keeps_perturbed_evaluations_out_of_the_others(ran, tmp_path):
    report = sweep(tmp_path, "perturb=[blur]")
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "bent.json").write_text(json.dumps(report))
    evaluation = {"protocol": "-", "via": "ros", "instruction": "own", "tasks": {}, "episodes": [], "nfe": 4,
                  "replan_every": 2, "ensemble": "intended", "result": "eval", "perturb": "blur"}  # fmt: skip
    (folder / "blurred.json").write_text(json.dumps({**report, **evaluation}))
    (tmp_path / "page").mkdir()
    (tmp_path / "bent-frames.png").rename(tmp_path / "page/bent-frames.png")
    assert cli.main(["report", f"results={folder}", f"out={tmp_path}/page.md"]) == 0
    text = (tmp_path / "page.md").read_text()
    assert "(page/bent-frames.png)" in text
    assert "## Where something is otherwise: mini" in text
    assert f"`{report['command']}`" in text
    assert "| **sensor noise**: blur | out of focus" in text
    assert "## Success on mini" not in text
    assert (tmp_path / "page/robustness-bent.png").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["perturb=[fog]"], "unknown perturbation fog; there are camera_angle"),
        (["strength=[0]"], "strength[0] must be a number from 0.01 to 1"),
        (["perturb=[moved_goal]", "tasks=[turn_lever_left]"], "moved_goal needs a goal, which none of turn_lever_left"),
        pytest.param(
            ["suite=libero_object_lan", "oracle=expert"],
            "no perturbations of libero_object_lan, only of mini, libero_object_mixed",
            marks=pytest.mark.libero,
        ),
    ],
)
def test_what_there_is_not_is_refused(words, reason, capsys):
    assert cli.main(["robustness", *words]) == 2
    assert reason in capsys.readouterr().err


def test_results_under_a_perturbation_are_of_a_protocol_of_their_own():
    usual = {"suite": "mini", "via": "direct", "seed": 7}
    assert summarise([], **usual)["protocol"] == summarise([], **usual, strength=0.5)["protocol"]
    assert summarise([], **usual, perturb="blur", strength=0.5)["protocol"].endswith("-blur-0.5")
