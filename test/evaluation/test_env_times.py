"""`zipmo bench env`: environments take turns, and are told apart by what they cost."""

import json

import numpy as np

from zipmo_ros.apps import cli
from zipmo_ros.evaluation.env_times import ORIGINAL, UNSEEN, SteppedScene, env_report
from zipmo_sim.rendering import LOOKS


def test_a_suite_without_libero_has_nothing_beside_it(tmp_path, capsys):
    assert cli.main(["bench", "env", "size=32", "steps=2", "turns=1", f"out={tmp_path}"]) == 0
    text = capsys.readouterr().out
    assert f"{ORIGINAL} has no mini: name one of its suites, as in suite=libero_object" in text
    report = json.loads((tmp_path / "env.json").read_text())
    rows = {row["column"]: row for row in report["rows"]}
    assert set(rows) == {*LOOKS, UNSEEN}
    assert all(row["cpu_ms"] > 0 and row["ratio"] is None for row in rows.values())
    assert rows[UNSEEN]["cpu_ms"] < rows["full"]["cpu_ms"]
    assert report["hashes"]["assets"]


def test_ratios_are_of_the_same_turn():
    times = {"fast": np.array([[10.0, 11], [20, 22], [10, 11]]), ORIGINAL: np.array([[30.0, 31], [60, 70], [40, 44]])}
    fast, original = env_report(times)
    assert fast["ratio"] == 3
    assert fast["ratio_p25_p75"] == [3, 3.5]
    assert fast["steps_a_second"] == 100
    assert original["ratio"] == 1


def test_libero_has_its_own_beside_it():
    assert SteppedScene("libero_object", "any", None, None).columns[-1] == ORIGINAL


def test_wrong_requests_say_what_is_wrong(capsys):
    assert cli.main(["bench", "env", "suite=nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err
    assert cli.main(["bench", "env", "task=fly"]) == 2
    assert "'fly'" in capsys.readouterr().err
    assert cli.main(["bench", "env", "turns=0"]) == 2
    assert "turns" in capsys.readouterr().err
