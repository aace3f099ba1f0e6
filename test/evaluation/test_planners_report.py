"""What the page says of planners side by side, from files that the commands themselves wrote."""

import dataclasses
import json
import shutil

import torch
from report_pages import run, tables
from window_stubs import make_windows

from zipmo_ros.apps import cli
from zipmo_ros.apps import evaluate as command
from zipmo_ros.data import windows as dataset
from zipmo_ros.evaluation import evaluate
from zipmo_ros.models import bundle_path
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.arfm.config import arfm_nano
from zipmo_ros.motion.arfm.predictor import MotionPredictor
from zipmo_ros.motion.zipmo.config import planner_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner


def test_planners_stand_side_by_side(tmp_path, monkeypatch):
    """By the checkpoints that were timed together: one evaluated in two ways, one in one, one not at all."""
    folder, bundles = tmp_path / "results", {name: tmp_path / name for name in ("ours", "arfm", "idle")}
    for number, bundle in enumerate(bundles.values()):
        for part in ("vae", "planner", "policy"):
            shutil.copytree(bundle_path("nano-mini") / part, bundle / part)
        torch.manual_seed(number)
        checkpoint.save(bundle / "planner", MotionPlanner(planner_nano()))
    small = dataclasses.replace(arfm_nano(), width=64, depth=2, hidden=64, head_depth=1)
    moving = MotionPredictor(small)
    torch.nn.init.ones_(moving.head.out_proj.bias)  # or it would plan, untrained, that nothing moves, as all does here
    checkpoint.save(bundles["arfm"] / "planner", moving)
    windows = make_windows(init_state=torch.tensor([3, 22, 3, 22]), moving=torch.ones(4, 2, 24, dtype=torch.bool))
    windows = dataclasses.replace(windows, provenance={"mini": {}})
    monkeypatch.setattr(dataset.DemonstrationWindows, "load", lambda folders, **_: windows)
    monkeypatch.setattr(evaluate, "run_parallel", run)
    monkeypatch.setattr(command, "plot_failures", lambda report, path: None)
    common = ["tasks=[turn_lever_left,turn_lever_right]", "via=direct", "nfe=2"]
    for name, *words in (("own", "ours", "episodes=5"), ("few", "ours", "episodes=2"), ("other", "arfm", "episodes=5"),
                         ("swap", "ours", "episodes=5", "instruction=swap")):  # fmt: skip
        of, *words = words
        assert cli.main(["eval", *common, *words, f"checkpoint={bundles[of]}", f"out={folder}/{name}.json"]) == 0
    for name in ("ours", "arfm"):
        kind = "arfm" if name == "arfm" else "zipmo"
        words = [f"planner={kind}", f"checkpoint={bundles[name]}", "samples=2", "nfe=1", "protocol=tracks"]
        assert cli.main(["motion", *words, f"out={folder}/tracks-{name}.json"]) == 0
    words = [f"checkpoints=[{','.join(map(str, bundles.values()))}]", "repeats=1", "nfe=1", "samples=[1,2]"]
    assert cli.main(["bench", "planners", *words, f"out={folder}"]) == 0
    assert cli.main(["report", f"results={folder}", f"out={tmp_path}/page.md"]) == 0
    text = (tmp_path / "page.md").read_text()
    ours, arfm, idle = (checkpoint.content_hash(bundle)[:12] for bundle in bundles.values())
    done, foreseen, cost = tables(text, "Planners side by side: mini")
    own, other, swap = (json.loads((folder / f"{name}.json").read_text()) for name in ("own", "other", "swap"))
    count, few, told = (sum(e["success"] for e in result["episodes"]) for result in (own, other, swap))
    assert [[row[0], row[2], row[3], *row[6:]] for row in done] == [
        [f"ZipMo, `{ours}`", "2 Euler steps", f"{count} of 10", "-", f"{told} of 10"],
        [f"ARFM, `{arfm}`", "2 Euler steps", f"{few} of 10", "-", "-"],
    ]
    assert [row[0] for row in foreseen] == [
        *(f"{name}, 1 Euler step{words}" for name in (f"ZipMo, `{ours}`", f"ARFM, `{arfm}`")
          for words in ("", ", told another sentence")),
        "nearest neighbour", "constant velocity", "nothing moves",
    ]  # fmt: skip
    assert foreseen[0][1:4] != foreseen[2][1:4]
    assert foreseen[-1] == ["nothing moves", "1", "0.00", "0.00", "-", "-", *["100.0"] * 6]
    assert [(row[0], row[2]) for row in cost] == [
        (f"{name}, `{digest}`", count)
        for name, digest in (("ZipMo", ours), ("ARFM", arfm), ("ZipMo", idle))
        for count in ("1", "2")
    ]
    assert cost[0][5] == "1.00"
