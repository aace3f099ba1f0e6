"""Success against late plans: conditions, what is gone on with, the table, the section of the report."""

import dataclasses
import json
import random

import pytest

from zipmo_ros.apps import cli
from zipmo_ros.evaluation import sweep as sweeping
from zipmo_ros.evaluation.latency import Cell, cells
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.evaluation.smoothness import jerk

WORDS = ["tasks=[turn_lever_left,turn_lever_right]", "episodes=3"]


def test_without_latency_there_is_no_jitter_and_stop_and_go_has_steps_of_its_own():
    made = cells(["ensemble", "synchronous"], [0, 100], [0, 0.5], 2, 8)
    assert made == [
        Cell("ensemble", 0, 0, 2), Cell("ensemble", 100, 0, 2), Cell("synchronous", 0, 0, 8),
        Cell("synchronous", 100, 0, 8), Cell("ensemble", 100, 0.5, 2), Cell("synchronous", 100, 0.5, 8),
    ]  # fmt: skip
    assert len({cell.name for cell in made}) == len(made)


def test_jerk_is_that_of_a_cubic():
    period_s = 0.1
    times = [period_s * step for step in range(20)]
    assert jerk([[2.0 * t**3, 5 * t**2, t] for t in times], period_s) == pytest.approx(12.0)
    assert jerk([[0.0, 0.0, 0.0]] * 3, period_s) is None


@pytest.fixture
def ran(monkeypatch):
    """The jobs that were run; they succeed by lot, the less the later plans come."""
    jobs = []

    def run_jobs(serve, groups, workers, base, place):
        for group, members in groups.items():
            for cell, episode in members:
                jobs.append((cell, episode))
                lot = random.Random(f"{cell.name} {episode.number}").random()
                done = lot > cell.latency_ms / 500
                yield group, (cell, episode), Outcome.of(
                    episode, success=done, original_success=done, steps=60 if done else 200, jerk=50.0 + lot,
                    failure=None if done else "timeout", jump=0.1, held_steps=10, plan_age_ms=cell.latency_ms,
                )  # fmt: skip

    monkeypatch.setattr(sweeping, "run_jobs", run_jobs)
    return jobs


def sweep(tmp_path, *words):
    assert cli.main(["latency", *WORDS, *words, f"out={tmp_path}/late.json"]) == 0
    return json.loads((tmp_path / "late.json").read_text())


def test_cells_that_were_run_are_not_run_again(ran, tmp_path, capsys):
    sweep(tmp_path, "execution=newest", "latency_ms=[0,200]", "latency_jitter=0")
    assert len(ran) == 2 * 6
    ran.clear()
    report = sweep(tmp_path, "execution=[newest,synchronous]", "latency_ms=[0,200]", "latency_jitter=0")
    assert {cell.execution for cell, _ in ran} == {"synchronous"}
    assert [(c["execution"], c["latency_ms"], c["replan_every"]) for c in report["cells"]] == [
        ("newest", 0, 2), ("newest", 200, 2), ("synchronous", 0, 8), ("synchronous", 200, 8),
    ]  # fmt: skip
    assert all(len(cell["episodes"]) == 6 for cell in report["cells"])
    first = report["cells"][0]
    assert (first["success_rate"], first["median_steps"], first["held_share"]) == (1.0, 60, pytest.approx(1 / 6))
    assert (tmp_path / "late.png").stat().st_size > 5000
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("synchronous "))
    assert line.split()[:6] == ["synchronous", "0", "0", "8", "100", "61-100"]
    ran.clear()
    sweep(tmp_path, "execution=newest", "latency_ms=0", "latency_jitter=0", "fresh=true")
    assert len(ran) == 6


def test_cells_of_other_episodes_are_refused(ran, tmp_path, capsys):
    sweep(tmp_path, "execution=newest", "latency_ms=0", "latency_jitter=0")
    again = ["latency", *WORDS, "execution=newest", "latency_ms=0", "latency_jitter=0", "seed=8"]
    assert cli.main([*again, f"out={tmp_path}/late.json"]) == 2
    assert "with other seed" in capsys.readouterr().err


def in_real_time(cell, report):
    """The result of an evaluation, as zipmo eval mode=realtime writes it."""
    changes = {"seed": 7, "plan_age_ms": 250.0}
    episodes = [{**episode, **changes, "success": i < 4} for i, episode in enumerate(cell["episodes"])]
    told = {"protocol": "-", "via": "ros", "instruction": "own", "tasks": {}, "mode": "realtime",
            "execution": "anchored", "latency_ms": 200.0, "latency_jitter": 0.0}  # fmt: skip
    return {**report, **told, "result": "eval", "replan_every": 2, "episodes": episodes}


def test_the_report_tells_them_beside_what_others_measured(ran, tmp_path):
    report = sweep(tmp_path, "execution=[ensemble,anchored]", "latency_ms=[0,200]")
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "late.json").write_text(json.dumps(report))
    (folder / "checked.json").write_text(json.dumps(in_real_time(report["cells"][1], report)))
    assert cli.main(["report", f"results={folder}", f"out={tmp_path}/page.md"]) == 0
    text = (tmp_path / "page.md").read_text()
    assert "## Success against late plans: mini" in text
    assert f"`{report['command']}`" in text
    header, _, *rows = [line for line in text.split("interval:\n\n")[1].splitlines() if line.startswith("|")][:6]
    assert header == "| execution | 0 ms | 200 ms |"
    assert [row.split(" | ")[0] for row in rows] == [
        "| ensemble",
        "| anchored",
        "| ensemble, +-50 %",
        "| anchored, +-50 %",
    ]
    assert rows[0].split(" | ")[1] == "100 % (61-100)"
    assert rows[2].split(" | ")[1] == ""
    assert "| VLASH (delay 8, true future states) | 57 % |" in text
    assert "| anchored, 200 ms | 4 of 6, 30-90 % (250 ms) |" in text
    assert "## Success on mini" not in text, "it is of another timing"
    assert (tmp_path / "page/latency-late.png").exists()


def test_results_under_latency_are_of_a_protocol_of_their_own():
    from zipmo_ros.evaluation.outcomes import summarise

    usual = {"suite": "mini", "via": "direct", "seed": 7}
    assert summarise([], **usual)["protocol"] == summarise([], **usual, execution="ensemble")["protocol"]
    late = summarise([], **usual, execution="newest", latency_ms=100.0, latency_jitter=0.5)
    assert late["protocol"].endswith("-newest-100-ms-late-0.5-jitter")
    assert dataclasses.asdict(Cell("newest", 100.0, 0.5, 2)).items() <= {**late, "replan_every": 2}.items()
