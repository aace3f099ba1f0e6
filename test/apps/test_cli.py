"""The command line as a user meets it: help, and clear errors for wrong requests."""

import json

import numpy as np
import pytest
from PIL import Image

from zipmo_ros.apps import cli
from zipmo_ros.apps.configuration import load
from zipmo_ros.apps.demo import DemoRequest, choose_episodes, result
from zipmo_ros.apps.robustness import RobustnessRequest
from zipmo_ros.apps.video import CAPTION, PANEL, compose, write_gif, write_mp4
from zipmo_ros.evaluation.evaluate import choose_tasks
from zipmo_ros.evaluation.results import write_json


def test_help_names_every_command(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in cli.COMMANDS)


def test_unknown_command(capsys):
    assert cli.main(["fly"]) == 2
    assert "no command 'fly'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["suite=minni"], "unknown suite"),
        (["tasks=[fly]"], "no task fly"),
        (["checkpoint=/nowhere"], "/nowhere"),
        (["via=telepathy"], "got 'telepathy'"),
        (["oracle=luck"], "oracle must be one of none, expert, tracks, plans, followed, zeroed, replay, got 'luck'"),
        (["instruction=mumble"], "instruction must be"),
        (["epsiodes=3"], "epsiodes"),
        (["episodes=0"], "episodes must be a whole number from 1, got 0"),
        (["replan_every=17"], "replan_every must be a whole number from 1 to 16, got 17"),
        (["nfe=0"], "nfe must be a whole number from 1 to 1000"),
        (["policy=nosuch"], "holds no 'nosuch'; it and the entry points of zipmo_ros.policies have encoder, "),
        (["planner=policy"], "holds a checkpoint of kind 'policy', not planner or arfm or atm"),
        (["planner=nosuch:Foo"], "'nosuch:Foo' can't be used: No module named 'nosuch'"),
        (["ensemble=all"], "ensemble must be one of intended, official, got 'all'"),
        (["libero_assets=/nowhere"], "'mini' needs none"),
        pytest.param(["suite=libero_object", "libero_assets=/nowhere"], "/nowhere", marks=pytest.mark.libero),
        (["execution=soon"], "execution must be one of ensemble, "),
        (["latency_ms=-1", "via=direct"], "latency_ms must be a number from 0"),
        (["latency_ms=50"], "latency_ms=50 needs via=direct, or mode=realtime: in lockstep the simulator waits"),
        (
            ["execution=reacting", "mode=realtime"],
            "needs via=direct: over ROS there are ensemble, newest, anchored",
        ),
        (["mode=realtime", "via=direct"], "mode=realtime needs via=ros"),
        (["latency_ms=50", "via=direct", "oracle=expert"], "means nothing with oracle=expert"),
        (["latency_jitter=2"], "latency_jitter must be a number from 0 to 1, got 2"),
        (["seed=-1"], "seed must be a whole number from 0 to 2147483647, got -1"),
        (["workers=0"], "workers must be a whole number from 1, got 0"),
        (["max_steps=0"], "max_steps must be a whole number from 1 or null, got 0"),
        (["max_steps=long"], "max_steps must be a whole number from 1 or null, got 'long'"),
        (["perturb=fog"], "perturb must be one of camera_angle"),
        (["strength=0"], "strength must be a number from 0.01 to 1, got 0"),
        (["perturb=moved_goal"], "needs a goal, and there is none in turn_lever_left, turn_lever_right"),
        pytest.param(
            ["suite=libero_object_lan", "perturb=blur", "oracle=expert", "via=direct"],
            "only of mini, libero_object_mixed",
            marks=pytest.mark.libero,
        ),
        (["episodes"], "not key=value"),
    ],
)
def test_wrong_evaluations_say_what_is_wrong(words, reason, capsys):
    assert cli.main(["eval", *words]) == 2
    assert reason in capsys.readouterr().err


def test_an_empty_checkpoint_folder_is_refused_before_any_episode(tmp_path, capsys):
    assert cli.main(["eval", f"checkpoint={tmp_path}"]) == 2
    assert "holds no checkpoint" in capsys.readouterr().err


def test_options_are_overrides_too():
    sentence = "put the milk, it's white, in the left bin"
    config = load("demo", ["--say", sentence, "--seed", "3"], DemoRequest)
    assert config.say == sentence
    assert config.seed == 3
    assert load("demo", [f"--say={sentence}", "--seed=3", "suite=mini"], DemoRequest) == config


def test_names_may_be_joined_by_commas():
    """As the help says, and without the brackets that Hydra asks for."""
    names = ("turn_lever_left", "turn_lever_right")
    for words in (["tasks=" + ",".join(names)], ["--tasks", ",".join(names)], [f"tasks=[{','.join(names)}]"]):
        assert load("demo", words, DemoRequest).tasks == names
    assert load("robustness", ["strength=0.5,1"], RobustnessRequest).strength == (0.5, 1.0)
    with pytest.raises(ValueError, match=r"seed must be a whole number, got \[1, 2\]"):
        load("demo", ["seed=1,2"], DemoRequest)


@pytest.mark.parametrize("words", [["episodes=0"], ["ensemble=all"], ["checkpoint=/nowhere"], ["say=' '"]])
def test_wrong_demonstrations_say_what_is_wrong(words, tmp_path, capsys):
    assert cli.main(["demo", f"out={tmp_path}", *words]) == 2
    assert "zipmo demo: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_gif_plays_all_frames_and_is_whole_or_absent(tmp_path):
    ramp = np.tile(np.arange(0, 240, 3, dtype=np.uint8)[None, :, None], (40, 1, 3))
    frames = [np.roll(ramp, 20 * number, axis=1) for number in range(3)]
    write_gif(tmp_path / "film.gif", frames, fps=10, width=60)
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.size, film.n_frames, film.info["duration"]) == ((60, 30), 3, 100)
    with pytest.raises(ValueError, match="no frames"):
        write_gif(tmp_path / "none.gif", [])
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


def test_a_said_sentence_is_over_when_any_task_of_its_scene_is_done():
    config = load("demo", ["--say", "drop the loaf off in the container on the left"], DemoRequest)
    (episode,) = choose_episodes(config)
    assert (episode.instructed_task, episode.instruction) == ("any", config.say)
    assert episode.task.startswith("put_bread")
    done = {"error": None, "refused": False, "success": True, "instructed_task": "any"}
    done["done_tasks"] = ("put_bread_in_left_bin",)
    assert result(done) == "done: put_bread_in_left_bin"
    assert result({**done, "instructed_task": "put_bread_in_left_bin"}) == "done"
    assert result({**done, "success": False}) == "not done"
    assert result({**done, "success": False, "refused": True}) == "not understood"


def test_tasks_by_name_keep_the_suite_order():
    names = [task.name for task in choose_tasks("mini", ["turn_lever_left", "put_milk_in_left_bin"])]
    assert names == ["put_milk_in_left_bin", "turn_lever_left"]


def test_json_is_whole_or_absent(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a" / "report.json", {"bad": object()})
    assert not (tmp_path / "a" / "report.json").exists()
    write_json(tmp_path / "a" / "report.json", {"good": 1})
    assert json.loads((tmp_path / "a" / "report.json").read_text()) == {"good": 1}


def test_film_plays(tmp_path):
    import av

    image = np.full((128, 128, 3), 90, np.uint8)
    frame = compose({"one": image, "two": image, "three": image}, "put the milk in the left bin", "step 3")
    assert frame.shape == (PANEL + CAPTION, 3 * PANEL, 3)
    write_mp4(tmp_path / "film.mp4", [frame] * 5, fps=20)
    with av.open(str(tmp_path / "film.mp4")) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(frames) == 5
    assert abs(int(frames[0][PANEL - 20, PANEL // 2].mean()) - 90) < 12
    with pytest.raises(ValueError, match="no frames"):
        write_mp4(tmp_path / "empty.mp4", [], fps=20)
    assert not (tmp_path / "empty.mp4").exists()
