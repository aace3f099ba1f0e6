"""`zipmo motion` as a user meets it."""

import dataclasses
import json

import pytest
import torch
from window_stubs import make_windows

from zipmo_ros.apps import cli
from zipmo_ros.data import windows as dataset
from zipmo_ros.evaluation.motion_scores import BATCH
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.arfm.config import arfm_nano
from zipmo_ros.motion.arfm.predictor import MotionPredictor
from zipmo_ros.motion.atm.config import atm_nano
from zipmo_ros.motion.atm.track_transformer import TrackTransformer
from zipmo_ros.motion.zipmo.config import planner_nano, vae_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE


@pytest.fixture
def bundle(tmp_path):
    torch.manual_seed(0)
    checkpoint.save(tmp_path / "bundle/vae", TrackVAE(dataclasses.replace(vae_nano(), points_in=8)))
    checkpoint.save(tmp_path / "bundle/planner", MotionPlanner(planner_nano()))
    return tmp_path / "bundle"


def test_report(bundle, tmp_path, monkeypatch, capsys):
    windows = make_windows(init_state=torch.tensor([3, 22, 3, 22]))
    monkeypatch.setattr(dataset.DemonstrationWindows, "load", lambda folders, **_: windows)
    out = tmp_path / "out/motion.json"
    words = [f"checkpoint={bundle}", f"out={out}", "data=here", "windows=2", "samples=2", "nfe=1"]
    assert cli.main(["motion", *words]) == 0
    text = capsys.readouterr().out
    assert "2 held-out windows" in text
    assert "constant velocity" in text
    report = json.loads(out.read_text())
    assert (report["result"], report["protocol"]) == ("motion", "zipmo-motion-v1")
    assert report["command"].startswith("zipmo motion checkpoint=")
    assert report["hashes"] == {"checkpoint": checkpoint.content_hash(bundle), "data": windows.data_hash}
    assert report["held_out"]
    assert report["nfe"] == 1
    assert report["points"] == {"drawn": 12, "encoded": 8}
    assert {row["k"] for row in report["predictions"]} == {1, 2}
    assert out.with_suffix(".png").stat().st_size > 5000
    assert len(out.read_text()) < 60_000
    early = make_windows(6, init_state=torch.tensor([3, 22, 3, 22, 3, 22]))
    monkeypatch.setattr(dataset.DemonstrationWindows, "load", lambda folders, **_: early)
    assert cli.main(["motion", *words, "opening=4", "windows=9"]) == 0
    assert "2 held-out windows from the first 4 steps" in capsys.readouterr().out
    assert json.loads(out.read_text())["opening"] == 4


def test_the_protocol_of_table_e_is_of_moving_points_in_windows_that_do_not_overlap(
    bundle, tmp_path, monkeypatch, capsys
):
    windows = make_windows(init_state=torch.tensor([22, 22, 3, 22]), step=torch.tensor([0, 2, 0, 16]),
                           demo=torch.tensor([0, 0, 1, 0]))  # fmt: skip
    monkeypatch.setattr(dataset.DemonstrationWindows, "load", lambda folders, **_: windows)
    out = tmp_path / "whn.json"
    words = [f"checkpoint={bundle}", f"out={out}", "data=here", "samples=2", "nfe=1", "protocol=whn"]
    assert cli.main(["motion", *words]) == 0
    report = json.loads(out.read_text())
    assert (report["protocol"], report["windows"]) == ("whn-motion-v1", 2)
    assert report["moving"] == {"points": 32, "variance_px2": 1.0, "stride": 16}
    assert {row["points"] for row in report["predictions"]} == {"moving"}
    said = capsys.readouterr().out
    assert "above 1 px^2; a window every 16 steps" in said
    assert "They can't be compared" in said
    assert cli.main(["motion", *words, "planner=arfm"]) == 2
    assert "protocol=whn is for planner=zipmo, not arfm" in capsys.readouterr().err


def test_arfm_has_figures_of_its_own_and_needs_its_kind(bundle, tmp_path, monkeypatch, capsys):
    windows = make_windows(init_state=torch.tensor([3, 22, 3, 22]))
    monkeypatch.setattr(dataset.DemonstrationWindows, "load", lambda folders, **_: windows)
    model = MotionPredictor(dataclasses.replace(arfm_nano(), width=64, depth=2, hidden=64, head_depth=1, points=4))
    checkpoint.save(tmp_path / "arfm/planner", model)
    out = tmp_path / "arfm.json"
    words = ["planner=arfm", f"out={out}", "data=here", "windows=2", "samples=2", "nfe=1"]
    assert cli.main(["motion", f"checkpoint={tmp_path}/arfm", *words]) == 0
    text = capsys.readouterr().out
    assert "<16 px, %" in text
    assert "autoencoder" not in text
    report = json.loads(out.read_text())
    assert (report["protocol"], report["points"], report["nfe"]) == ("tracks-motion-v4", {"drawn": 12}, 1)
    assert out.with_suffix(".png").stat().st_size > 5000
    assert cli.main(["report", f"results={tmp_path}", f"out={tmp_path}/report.md"]) == 0
    told = (tmp_path / "report.md").read_text()
    assert "The planner of arfm alone" in told
    assert "12 points a view, drawn uniformly" in told
    assert "| <16 px, % |" in told
    assert "autoencoder" not in told.split("alone: ")[1].replace("through the autoencoder", "")
    assert cli.main(["motion", f"checkpoint={bundle}", *words]) == 2
    assert "holds a planner, not a arfm" in capsys.readouterr().err


def test_by_tracks_whoever_predicts_is_measured_at_the_same_points(bundle, tmp_path, monkeypatch):
    """What no planner has a part in, that nothing moves, comes out the same for all of them."""
    starts, shaking = (torch.rand(80, 2, 30, steps, 2) for steps in (1, 16))
    moving, states = torch.ones(80, 2, 30, dtype=torch.bool), torch.tensor([22, 3] * 40)
    tracks = starts - 0.5 + 0.02 * shaking
    windows = make_windows(80, points=30, tracks=tracks, moving=moving, init_state=states)
    monkeypatch.setattr(dataset.DemonstrationWindows, "load", lambda folders, **_: windows)
    arfm = MotionPredictor(dataclasses.replace(arfm_nano(), width=64, depth=2, hidden=64, head_depth=1, points=4))
    checkpoint.save(tmp_path / "arfm/planner", arfm)
    checkpoint.save(tmp_path / "atm/planner", TrackTransformer(dataclasses.replace(atm_nano(), width=64, depth=1)))
    still, own = {}, {}
    for name, folder in (("zipmo", bundle), ("arfm", tmp_path / "arfm"), ("atm", tmp_path / "atm")):
        out = tmp_path / f"{name}.json"
        words = [f"planner={name}", f"checkpoint={folder}", f"out={out}", "data=here", "samples=2", "protocol=tracks"]
        assert cli.main(["motion", *words]) == 0
        report = json.loads(out.read_text())
        assert report["windows"] > BATCH, "points of a second batch, after some have drawn noise, and others none"
        still[name], own[name] = (
            [row for row in report["deltas"] + report["predictions"] if row["predictor"] == predictor]
            for predictor in ("still", "planner")
        )
    assert still["zipmo"] == still["arfm"] == still["atm"]
    assert len({json.dumps(rows) for rows in own.values()}) == 3
    assert {row["k"] for row in own["zipmo"]} == {1, 2}


def test_atm_has_no_euler_steps(tmp_path, monkeypatch, capsys):
    windows = make_windows(init_state=torch.tensor([3, 22, 3, 22]))
    monkeypatch.setattr(dataset.DemonstrationWindows, "load", lambda folders, **_: windows)
    model = TrackTransformer(dataclasses.replace(atm_nano(), width=64, depth=1, grid=1))
    checkpoint.save(tmp_path / "atm/planner", model)
    words = ["motion", "planner=atm", f"checkpoint={tmp_path}/atm", f"out={tmp_path}/atm.json", "windows=2"]
    assert cli.main([*words, "nfe=10"]) == 2
    assert "planner=atm predicts in one pass, without Euler steps" in capsys.readouterr().err
    assert cli.main(words) == 0
    assert ", one pass, " in capsys.readouterr().out
    assert json.loads((tmp_path / "atm.json").read_text())["nfe"] is None
    assert cli.main(["report", f"results={tmp_path}", f"out={tmp_path}/report.md"]) == 0
    assert "; one pass." in (tmp_path / "report.md").read_text()


def test_training_windows_are_called_what_they_are(bundle, tmp_path, monkeypatch, capsys):
    windows = make_windows(init_state=torch.tensor([3, 4, 3, 4]))
    monkeypatch.setattr(dataset.DemonstrationWindows, "load", lambda folders, **_: windows)
    assert cli.main(["motion", f"checkpoint={bundle}", f"out={tmp_path}/a.json", "samples=1"]) == 0
    assert "TRAINING windows" in capsys.readouterr().out
    report = json.loads((tmp_path / "a.json").read_text())
    assert not report["held_out"]
    assert (report["nfe"], report["settings"]["nfe"]) == (planner_nano().steps, None)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["data=/nowhere"], "/nowhere"),
        (["checkpoint=/nowhere"], "/nowhere"),
        (["windows=0"], "windows must be a whole number from 1, got 0"),
        (["smaples=3"], "smaples"),
    ],
)
def test_wrong_requests_say_what_is_wrong(words, reason, capsys):
    assert cli.main(["motion", *words]) == 2
    assert reason in capsys.readouterr().err
