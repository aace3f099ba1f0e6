"""`zipmo report`: from files that the commands themselves wrote, to one page."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from report_pages import CHANCES, rows, run, tables
from window_stubs import make_windows

from zipmo_policy.behaviour_cloning import BehaviourCloning
from zipmo_policy.behaviour_cloning import nano as cloning_nano
from zipmo_ros.apps import cli
from zipmo_ros.apps import evaluate as command
from zipmo_ros.apps.report import headings
from zipmo_ros.data import windows as dataset
from zipmo_ros.evaluation import evaluate
from zipmo_ros.evaluation.report_sections import Section
from zipmo_ros.models import bundle_path
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.zipmo.config import planner_nano, vae_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of results of every kind."""
    folder, compared = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("compared")
    for part in ("vae", "planner", "policy"):
        shutil.copytree(bundle_path("nano-mini") / part, compared / part)
    checkpoint.save(compared / "bc", BehaviourCloning(cloning_nano()))  # which is not shipped
    common = ["tasks=[turn_lever_left,turn_lever_right]", "episodes=5", f"checkpoint={compared}"]

    def evaluation(name, *words):
        assert cli.main(["eval", *common, *words, f"out={folder}/{name}.json"]) == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "run_parallel", run)
        patch.setattr(command, "plot_failures", lambda report, path: None)
        evaluation("mini", "via=ros")
        evaluation("quick", "via=ros", "nfe=1")
        evaluation("swap", "via=ros", "instruction=swap")
        evaluation("paraphrase", "via=ros", "instruction=paraphrase")
        for oracle in CHANCES:
            rung = "policy=bc" if oracle == "bc" else f"oracle={oracle}"
            evaluation(f"rung-{oracle}", "via=direct", rung)
        torch.manual_seed(0)
        bundle = tmp_path_factory.mktemp("bundle")
        checkpoint.save(bundle / "vae", TrackVAE(dataclasses.replace(vae_nano(), points_in=8)))
        checkpoint.save(bundle / "planner", MotionPlanner(planner_nano()))
        windows = make_windows(init_state=torch.tensor([3, 22, 3, 22]), moving=torch.ones(4, 2, 24, dtype=torch.bool))
        patch.setattr(dataset.DemonstrationWindows, "load", lambda folders, **_: windows)
        words = [f"checkpoint={bundle}", "samples=2", "nfe=1", f"out={folder}/motion.json"]
        assert cli.main(["motion", *words]) == 0
    words = ["checkpoint=random", "nfe=[1,4]", "repetitions=1", "columns=[]", f"out={folder}/bench"]
    assert cli.main(["bench", "plan", *words]) == 0
    (folder / "bench/plan.json").rename(folder / "latency.json")
    for extra in [folder / "motion.png", *(folder / "bench").iterdir(), folder / "bench"]:
        extra.rmdir() if extra.is_dir() else extra.unlink()
    return folder


@pytest.fixture
def report(written, tmp_path):
    """Calls the command on the files; gives the page, or what the command said where it failed."""

    def compose(folder=written, status=0):
        out = tmp_path / "page/results.md"
        assert cli.main(["report", f"results={folder}", f"out={out}"]) == status
        return out

    return compose


def test_every_file_is_told_with_its_command(report, written, capsys):
    text = report().read_text()
    for file in written.glob("*.json"):
        content = json.loads(file.read_text())
        assert f"`{content['command']}`" in text, file.name
    assert "13 of 13 result files told" in capsys.readouterr().out
    assert content["date"][:10] in text
    assert content["machine"]["cpu"] in text
    assert f"checkpoint `{json.loads((written / 'mini.json').read_text())['hashes']['checkpoint'][:12]}`" in text


def test_success_by_task(report, written):
    result = json.loads((written / "mini.json").read_text())
    table = rows(report().read_text(), "Success on mini")
    done = sum(episode["success"] for episode in result["episodes"])
    assert table[-1][:2] == ["**all tasks**", f"{done} of 10"]
    assert table[2][0] == "turn_lever_left"
    assert table[2][4] == "50"
    low, high = result["tasks"]["turn_lever_left"]["wilson95"]
    assert table[2][3] == f"{100 * low:.0f}-{100 * high:.0f}"
    assert f"{10 - done} timeout" in table[-1][5]


def test_the_ladder_is_of_the_same_episodes_and_plans_is_no_success_rate(report):
    page = report()
    table = {row[0]: row for row in rows(page.read_text(), "Which part loses episodes: mini")[2:]}
    assert list(table) == ["expert", "tracks", "plans", "none", "bc", "zeroed", "replay"]
    assert table["expert"][2] == "10 of 10"
    assert table["plans"][2:] == ["-", "-", "", "0.100"]
    assert table["none"][5] == "-"
    assert (page.parent / "results/ladder-rung-none.png").stat().st_size > 5000


def test_words_are_side_by_side(report, written):
    text = report().read_text()
    header, _, *table = rows(text, "Whether words steer it: mini")
    assert header == ["task", "its own sentence", "reworded", "the hand at another's thing"]
    swap = json.loads((written / "swap.json").read_text())["episodes"]
    left = [episode["success"] for episode in swap if episode["instructed_task"] == "turn_lever_left"]
    assert table[0][3] == f"{sum(left)} of {len(left)}"
    assert f"that other task got done in {sum(e['original_success'] for e in swap)} of 10, with or without" in " ".join(
        text.split()
    )


def test_of_runs_told_alike_the_longest_stands_beside_the_other_words(report, written, tmp_path):
    shutil.copytree(written, tmp_path / "more")
    run = json.loads((written / "mini.json").read_text())
    (tmp_path / "more/short.json").write_text(json.dumps({**run, "episodes": run["episodes"][:2]}))
    table = rows(report(tmp_path / "more").read_text(), "Whether words steer it: mini")
    assert next(row for row in table if row[0] == "**all tasks**")[1].endswith("of 10")


def test_sentences_are_counted_where_a_task_has_several(report, written):
    *_, last = rows(report().read_text(), "Whether words steer it: mini")
    said = {episode["instruction"] for episode in json.loads((written / "paraphrase.json").read_text())["episodes"]}
    assert last[0] == "95 % interval over sentences (different ones)"
    assert (last[1], last[3]) == ("-", "-")
    assert last[2].endswith(f" ({len(said)})")
    assert len(said) > 2


def test_telling_another_task_as_it_was_done_before_is_not_told(report, written, tmp_path):
    folder = copy(written, tmp_path / "old", "mini.json", "paraphrase.json")
    (copy(written, tmp_path / "swap", "swap.json", protocol="zipmo-mini-v1") / "swap.json").rename(folder / "swap.json")
    assert rows(report(folder).read_text(), "Whether words steer it: mini")[0][1:] == ["its own sentence", "reworded"]


def test_replay_stands_beside_a_suites_figures(report, written, tmp_path):
    text = report().read_text()
    replayed = json.loads((written / "rung-replay.json").read_text())["episodes"]
    table = rows(text, "Success on mini")
    assert table[0][-1] == "replay"
    assert table[-1][-1] == f"{sum(episode['success'] for episode in replayed)} of 10"
    alone = report(copy(written, tmp_path / "alone", "mini.json")).read_text()
    assert rows(alone, "Success on mini")[0][-1] == "failures"
    assert "(`oracle=replay`) was not measured" in alone


def test_euler_steps_have_success_and_latency(report):
    page = report()
    table = rows(page.read_text(), "Euler steps of a plan: mini")[2:]
    assert [row[0] for row in table] == ["1", "4"]
    assert [row[4] for row in table] == ["10.0", "40.0"]
    assert all(float(row[5]) > 0 for row in table)
    assert (page.parent / "results/steps-quick.png").exists()


def test_going_on_from_the_last_plan_stands_beside_beginning_anew(report, written, tmp_path):
    """Where it differs in nothing else, and of the same episodes."""
    episodes = json.loads((written / "rung-none.json").read_text())["episodes"]
    smooth = [{**episode, "jerk": 2.0 + number % 2, "jump": 0.125} for number, episode in enumerate(episodes)]
    folder = copy(written, tmp_path / "runs", "rung-none.json", states="development")
    for name, changes in {"warm": {"warm_start": 0.5, "nfe": 2, "episodes": smooth}, "less": {"warm_start": 0.25},
                          "other": {"warm_start": 0.5, "replan_every": 9}}.items():  # fmt: skip
        (copy(folder, tmp_path / name, "rung-none.json", **changes) / "rung-none.json").rename(folder / f"{name}.json")
    (table,) = tables(report(folder).read_text(), "Going on from the last plan: mini")
    assert [row[:2] + row[4:] for row in table] == [
        ["2 Euler steps", "0.5", "2.5", "0.125"], ["4 Euler steps", "0.25", "-", "-"],
        ["4 Euler steps", "noise", "-", "-"],
    ]  # fmt: skip


def test_savings_and_motion_have_tables_and_pictures(report):
    page = report()
    text = page.read_text()
    savings = rows(text, "Latency of a plan, and what the savings give: nano")
    assert savings[0] == ["nano, by Euler steps", "1", "4"]
    assert any(row[0].startswith("without context") for row in savings)
    motion = rows(text, "Planner and autoencoder alone: ")
    assert ["planner, best", "2"] in [row[:2] for row in motion]
    assert {"nearest neighbour", "constant velocity", "nothing moves"} <= {row[0] for row in motion}
    for picture in ("motion-motion.png", "savings-latency.png"):
        assert f"](results/{picture})" in text
        assert (page.parent / "results" / picture).exists()


def test_the_same_files_give_the_same_report(report):
    page = report()
    first = {path: path.read_bytes() for path in page.parent.rglob("*") if path.is_file()}
    assert len(first) == 5
    assert {path: path.read_bytes() for path in report().parent.rglob("*") if path.is_file()} == first


def copy(written, folder, *names, **changes):
    folder.mkdir()
    for name in names:
        (folder / name).write_text(json.dumps({**json.loads((written / name).read_text()), **changes}))
    return folder


def of(written, folder, **files):
    """A folder of files that are like others but for some of what they say: name -> (like which, what is changed)."""
    folder.mkdir()
    for name, (like, changes) in files.items():
        content = {**json.loads((written / f"{like}.json").read_text()), **changes}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


ATM = {"planner": "atm", "nfe": None}


def test_a_named_kind_of_planner_is_the_bundles_own_and_one_pass_is_told_as_such(report, written, tmp_path):
    text = report(of(written, tmp_path / "atm", atm=("rung-none", ATM))).read_text()
    assert "A plan takes one pass, a new one" in text
    assert "not as usual" not in text
    both = of(written, tmp_path / "both", atm=("rung-none", ATM), four=("rung-none", {}))
    assert "Euler steps of a plan:" not in report(both).read_text(), "one of them has no Euler steps"


@pytest.mark.parametrize("modelless", [(), ("expert",), ("expert", "replay")], ids=str)
def test_others_than_rungs_are_on_no_ladder(modelless, report, written, tmp_path, capsys):
    other = {**ATM, "policy": "atm_policy"}
    more = {} if modelless else {"atm": ("rung-none", ATM)}
    rungs = {name: (f"rung-{name}", {}) for name in modelless}
    text = report(of(written, tmp_path / "other", other=("rung-none", other), **more, **rungs)).read_text()
    assert "Which part loses episodes" not in text
    assert "not told, for want of others to compare it with: other.json" in capsys.readouterr().out


@pytest.mark.parametrize("told", [("own", "none"), ("none", "development"), ("own", "development")], ids=str)
def test_words_need_two_ways_of_telling_that_they_compare(told, report, written, tmp_path):
    files = {name: ("mini", {"instruction": name}) for name in told}
    assert "Whether words steer it" not in report(of(written, tmp_path / "told", **files)).read_text()


def test_what_is_not_as_usual_is_told_and_takes_no_others_place(report, written, tmp_path, capsys):
    """Also of files that were written before a protocol's name said so."""
    twist = {"command_interface": "twist", "robot": "panda_640", "image_phase": 1, "camera_skew": 0.06, "plan_age": 3}
    warm = {"warm_start": 0.5}
    files = {"a": ("mini", warm), "b": ("mini", twist), "c": ("mini", {}), "d": ("quick", warm | twist)}
    folder = of(written, tmp_path / "all", **files)
    text = report(folder).read_text()
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert sorted(titles) == ["## Success on mini", *["## Success on mini, not as usual"] * 3]
    assert "4 of 4 result files told" in capsys.readouterr().out
    assert "zipmo-mini-v1-twist-panda_640-images-1-apart-0.06-s-skew-3-steps-old (`b.json`)" in text
    assert "**Not as usual: `warm_start=0.5`.**" in text
    assert "`command_interface=twist`, `robot=panda_640`, `image_phase=1`, `camera_skew=0.06`, `plan_age=3`.**" in text


def test_a_replay_stands_beside_liberos_suites(report, written, tmp_path):
    here, there = {"suite": "libero_object"}, {"suite": "libero_spatial"}
    files = {"object": ("mini", here), "spatial": ("rung-none", there), "replay": ("rung-replay", here | {"nfe": None})}
    folder = of(written, tmp_path / "libero", **files)
    header, _, *table = rows(report(folder).read_text(), "LIBERO and LIBERO-PRO")
    assert header == ["suite", "plain", "replay"]
    assert [row[2] == "-" for row in table] == [True, False]


def test_what_is_missing_is_left_out(report, written, tmp_path, capsys):
    text = report(copy(written, tmp_path / "few", "mini.json", "rung-bc.json")).read_text()
    assert "## Success on mini" in text
    assert "Euler steps of a plan:" not in text
    assert "Whether words" not in text
    assert "not told" not in capsys.readouterr().out, "mini.json and rung-bc.json are two rungs"
    report(copy(written, tmp_path / "one", "rung-bc.json"))
    assert "not told, for want of others to compare it with: rung-bc.json" in capsys.readouterr().out


def test_libero_figures_say_what_their_images_are(report, written, tmp_path):
    hashes = {**json.loads((written / "mini.json").read_text())["hashes"], "assets": "0123456789abcdef"}
    names = ("mini.json", "rung-bc.json", "quick.json", "swap.json")
    folder = copy(written, tmp_path / "libero", *names, suite="libero_object", hashes=hashes)
    text = report(folder).read_text()
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert len(titles) == 4
    assert all(
        title.endswith("libero_object (assets 0123456789ab, not known as LIBERO's originals)") for title in titles
    )
    assert "Not the protocol of the paper's figures, which is in brackets: max_steps 300 (600), " in text
    assert "10 settle steps (5), states 25-49 (all 50)." in text


def test_a_table_never_mixes_settings(report, written, tmp_path):
    folder = copy(written, tmp_path / "mixed", "mini.json")
    longer = copy(written, tmp_path / "longer", "quick.json", max_steps=600, protocol="zipmo-mini-v1-600-steps")
    (longer / "quick.json").rename(folder / "quick.json")
    text = report(folder).read_text()
    assert text.count("## Success on mini") == 2
    assert "at most 600 steps" in " ".join(text.split())
    assert "Euler steps of a plan:" not in text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no *.json"),
        ("{", "a.json is not JSON"),
        ('{"benchmark": "plan"}', "a.json does not say which command made it"),
        ('{"result": "eval", "command": "zipmo eval"}', "a.json lacks settings, date"),
    ],
)
def test_wrong_files_are_named(content, reason, report, tmp_path, capsys):
    folder = tmp_path / "wrong"
    folder.mkdir()
    if content:
        (folder / "a.json").write_text(content)
    report(folder, status=2)
    assert reason in capsys.readouterr().err


def test_sections_that_are_alike_are_told_apart_by_their_checkpoints():
    def section(title, checkpoint):
        return Section(title, "", (SimpleNamespace(content={"hashes": {"checkpoint": checkpoint}}),))

    told = [section("mini", "a" * 64), section("late", "a" * 64), section("mini", "b" * 64), section("late", "a" * 64),
            Section("arm", "", (SimpleNamespace(content={}),))]  # fmt: skip
    assert headings(told) == [
        f"mini, checkpoint `{'a' * 12}`", "late", f"mini, checkpoint `{'b' * 12}`", "late", "arm",
    ]  # fmt: skip
