"""The table of wordings: what counts as pointed at, and refusals against false ones."""

import json

import numpy as np
import pytest

from zipmo_ros.apps import sentences
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.data.grammar import IMPOSSIBLE, KINDS
from zipmo_ros.data.wordings import Family
from zipmo_ros.evaluation.results import Result
from zipmo_ros.evaluation.sentence_table import cells, measure, summary
from zipmo_ros.evaluation.sentences_report import wordings


def row(kind, understood, thing_px=0.0, goal_px=0.0, text="a"):
    means = None if kind in IMPOSSIBLE else "put it"
    found = {"kind": kind, "means": means, "text": text, "understood": understood}
    return found if means is None else found | {"thing_px": thing_px, "goal_px": goal_px}


ROWS = [
    row("plain", 0.9), row("plain", 0.8, 7.0, text="b"), row("typo", 0.4, 1.0, 5.9), row("place", 0.95, 1.0, 6.1),
    row("gibberish", 0.1), row("gibberish", 0.2), row("prohibition", 0.45), row("prohibition", 0.85),
]  # fmt: skip


def test_figures_by_kind():
    figures = summary(ROWS)
    assert list(figures["kinds"]) == ["plain", "place", "typo", "prohibition", "gibberish"]
    assert figures["kinds"]["plain"]["pointed"] == 0.5  # 6 px of 128
    assert figures["kinds"]["plain"]["sentences"] == 2
    assert figures["kinds"]["typo"] | {"wilson95": 0} == {
        "wordings": 1, "sentences": 1, "pointed": 1.0, "refused": 1.0, "wilson95": 0,
    }  # fmt: skip
    assert figures["kinds"]["place"]["pointed"] == 0.0
    assert figures["possible"]["refused"] == 0.25
    assert figures["impossible"]["refused"] == 0.75
    assert "pointed" not in figures["impossible"]


def test_refusals_against_false_ones():
    curve = summary(ROWS)["curve"]
    assert curve[0] == {"least": 0.0, "false_refusals": 0.0, "refused": 0.0}
    assert {"least": 0.5, "false_refusals": 0.25, "refused": 0.75} in curve
    assert [point["refused"] for point in curve] == sorted(point["refused"] for point in curve)
    assert summary([row("plain", None), row("gibberish", None)])["curve"] == []


def report(rows):
    machine = {"cpu": "a processor", "cores": 2, "gpu": None}
    facts = {"command": "zipmo sentences", "date": "2026-11-28", "machine": machine, "states": "development"}
    return {**summary(rows), **facts, "rows": rows, "suite": "toy", "family": "development"}


def test_the_table():
    assert [(line[0], line[-1]) for line in cells(report(ROWS))[-2:]] == [
        ("all that can be done", "25"), ("all that can't", "75"),
    ]  # fmt: skip


def test_the_section_of_results(tmp_path):
    deaf = [found | {"understood": None} for found in ROWS]
    told, untold = wordings([Result("one", report(ROWS)), Result("deaf", report(deaf))], tmp_path)
    assert told.title == "Wordings: toy, development family"
    assert "| all that can't | 4 | 1 | - | - | 75 |" in told.body
    assert "for choosing settings" in told.body
    assert (tmp_path / "wordings-one.png").stat().st_size > 5000
    assert "it refuses nothing" in untold.body
    assert not (tmp_path / "wordings-deaf.png").exists()


class Straightforward:
    """Points at the middle of every view, and says that it understood."""

    def point(self, observation, goal):
        assert isinstance(goal, Sentence)
        assert observation.stacked(tuple(observation.images)).any()
        return np.zeros((2, 2, 2)), 0.75


@pytest.mark.slow
def test_first_frames_of_every_scene_of_mini():
    rows = measure(Straightforward(), "mini", Family.load("development"), range(50, 100), 1, seed=0)
    assert {row["scene"] for row in rows} == {"bins", "blocks", "lever"}
    assert {row["kind"] for row in rows} == {*KINDS, *IMPOSSIBLE}
    assert {row["init_state"] for row in rows} == {50}
    pointed = [row["thing_px"] for row in rows if row["means"]]
    assert 0 < min(pointed) < max(pointed) < 60  # everything is in the frame, nothing in its very middle
    with pytest.raises(ValueError, match="mini has 1000 initial states, so not 990-1009"):
        measure(Straightforward(), "mini", Family.load("development"), range(990, 1010), 1, seed=0)


def test_wrong_requests_end_with_status_2(capsys):
    assert sentences.main(["family=train"]) == 2
    assert "family must be one of development, test" in capsys.readouterr().err
    assert sentences.main(["checkpoint=nowhere"]) == 2
    assert json.dumps("nowhere").strip('"') in capsys.readouterr().err
