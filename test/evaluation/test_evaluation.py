"""Which episodes are drawn and what is said of them."""

import math
from collections import Counter
from dataclasses import replace

import pytest
import yaml

from zipmo_ros.contract.share import share_path
from zipmo_ros.contract.splits import BY_NAME
from zipmo_ros.data.grammar import IMPOSSIBLE, KINDS
from zipmo_ros.data.wordings import Family
from zipmo_ros.evaluation.episodes import draw_episodes, paraphrase, swap, worded
from zipmo_ros.evaluation.evaluate import check_oracle
from zipmo_ros.evaluation.outcomes import Outcome, clustered_interval, summarise, table, wilson_interval
from zipmo_ros.evaluation.plotting import plot_failures
from zipmo_sim import suites
from zipmo_sim.suites import Task, tasks


def make_tasks():
    return [
        Task("toy", i, name, f"do {name}", scene, 10)
        for i, (name, scene) in enumerate([("a", "one"), ("b", "one"), ("c", "two"), ("d", "two")])
    ]


def test_wilson_interval_known_values():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    low, high = wilson_interval(38, 50)  # textbook: [0.626, 0.857]
    assert math.isclose(low, 0.6259, abs_tol=1e-3)
    assert math.isclose(high, 0.8570, abs_tol=1e-3)
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)


def test_interval_over_clusters():
    """Answers that vary within a sentence as between sentences are as good as independent ones; equal ones are one."""
    mixed = [(f"sentence {i % 10}", i < 70) for i in range(100)]
    assert clustered_interval(mixed) == pytest.approx(wilson_interval(70, 100))
    alike = [(f"sentence {i // 10}", i < 70) for i in range(100)]
    low, high = clustered_interval(alike)
    # Ten answers each ten times over: the design effect is 10 n / (n - 1) with n = 10 sentences.
    assert (low, high) == pytest.approx(wilson_interval(7 * 0.9, 10 * 0.9))
    assert clustered_interval([("one", True)] * 30 + [("two", True)] * 30) == pytest.approx(wilson_interval(2, 2))
    assert clustered_interval([]) == (0.0, 1.0)


def test_sentences_are_counted_where_tasks_have_several():
    words = {task.name: [f"please do {task.name}", f"{task.name}, now"] for task in make_tasks()}
    for tell, told in ((paraphrase(words), 8), (swap(make_tasks()), None)):
        episodes = draw_episodes(make_tasks(), 8, seed=3, tell=tell)
        outcomes = [Outcome.of(e, success=e.init_state % 2 == 0, original_success=False, steps=9) for e in episodes]
        report = summarise(outcomes, suite="toy", via="direct", seed=0)
        assert (report["sentences"] and report["sentences"]["distinct"]) == told
        assert ("8 different sentences" in table(report)) == bool(told)


def test_same_seed_same_episodes_and_only_evaluation_states():
    first, again = (draw_episodes(make_tasks(), 20, seed=7) for _ in range(2))
    assert first == again
    assert first != draw_episodes(make_tasks(), 20, seed=8)
    assert all(25 <= episode.init_state < 50 for episode in first)
    assert len({episode.number for episode in first}) == 80
    assert len({episode.init_state for episode in first if episode.task == "a"}) == 20


@pytest.mark.parametrize("states", [*BY_NAME.values(), range(200)])
def test_every_episode_of_a_suite_has_a_number_of_its_own(states):
    suite = [replace(make_tasks()[0], index=index, name=f"task {index}", init_states=1000) for index in range(130)]
    episodes = draw_episodes(suite, 15 * len(states), seed=0, states=states)
    assert len({episode.number for episode in episodes}) == 130 * 15 * len(states)
    assert max(episode.number for episode in episodes) < 2_000_000


def test_numbers_within_a_tasks_first_thousand_are_as_ever():
    """They key the planner's noise: others would change figures."""
    episodes = draw_episodes(make_tasks(), 20 * 25, seed=0)
    rounds = [at // 25 for at in range(20 * 25)] * 4
    indices = {task.name: task.index for task in make_tasks()}
    for episode, turn in zip(episodes, rounds, strict=True):
        assert episode.number == indices[episode.task] * 1000 + turn * 50 + episode.init_state


def test_episodes_beyond_the_numbers_are_refused():
    with pytest.raises(ValueError, match="15384 numbers for each of 130 tasks"):
        draw_episodes(make_tasks(), 9000, seed=0)
    with pytest.raises(ValueError, match="no episode number for task 130"):
        draw_episodes([replace(make_tasks()[0], index=130)], 1, seed=0)


def test_states_for_choosing_are_apart_from_those_of_the_evaluation_and_must_exist():
    many = [replace(task, init_states=1000) for task in make_tasks()]
    for name in ("validation", "development"):
        states = {episode.init_state for episode in draw_episodes(many, 50, seed=1, states=BY_NAME[name])}
        assert states == set(BY_NAME[name])
        assert not states & set(BY_NAME["evaluation"])
    with pytest.raises(ValueError, match="toy has 50 initial states, so not 50-99"):
        draw_episodes(make_tasks(), 1, seed=1, states=BY_NAME["development"])


def test_swap_names_another_task_of_the_same_scene():
    scenes = {task.name: task.scene for task in make_tasks()}
    for episode in draw_episodes(make_tasks(), 5, seed=1, tell=swap(make_tasks())):
        assert episode.instructed_task != episode.task
        assert scenes[episode.instructed_task] == scenes[episode.task]
        assert episode.instruction == f"do {episode.instructed_task}"
    assert not any(episode.approach for episode in draw_episodes(make_tasks(), 5, seed=1))
    with pytest.raises(ValueError, match="needs another task"):
        draw_episodes(make_tasks()[:1], 5, seed=1, tell=swap(make_tasks()[:1]))


def test_swap_names_what_takes_another_thing_where_there_is_such_a_task():
    things = {task.name: task.thing for task in tasks("mini")}
    drawn = draw_episodes(tasks("mini"), 5, seed=1, tell=swap(tasks("mini")), approach=True)
    for episode in drawn:
        assert (things[episode.task] != things[episode.instructed_task]) == bool(things[episode.task])
    assert {things[name] for name in things} == {"milk", "can", "bread", "red", "green", ""}
    outcomes = [Outcome.of(episode, success=True, original_success=False, steps=9) for episode in drawn]
    report = summarise(outcomes, suite="mini", via="direct", seed=0, instruction="swap")
    assert report["protocol"] == "zipmo-mini-v1-approach"
    assert report["episodes"][0]["approach"] is True


def test_a_protocols_name_says_what_the_graph_and_the_plans_have_otherwise():
    usual = {"suite": "mini", "via": "ros", "seed": 0}
    otherwise = {"warm_start": 0.5, "command_interface": "twist", "image_phase": 1, "camera_skew": 0.06, "plan_age": 3}
    report = summarise([], **usual, **otherwise)
    assert report["protocol"] == "zipmo-mini-v1-warm-from-0.5-twist-images-1-apart-0.06-s-skew-3-steps-old"
    assert otherwise.items() <= report.items()
    assert summarise([], **usual, robot="panda_640")["protocol"] == "zipmo-mini-v1-panda_640"
    assert summarise([], **usual, robot="panda_256", fixed=("robot",))["protocol"] == "zipmo-mini-v1"


def test_crashes_are_counted_apart_from_failures():
    episodes = draw_episodes(make_tasks()[:1], 4, seed=0)
    results = [(True, None), (False, None), (False, "ValueError: broken"), (True, None)]
    outcomes = [
        Outcome.of(episode, success=success, original_success=success, steps=5, error=error)
        for episode, (success, error) in zip(episodes, results, strict=True)
    ]
    report = summarise(outcomes, suite="toy", via="direct", seed=0, checkpoint="x", hashes={})
    assert report["success_rate"] == pytest.approx(2 / 3)
    assert report["crashes"] == 1
    assert report["tasks"]["a"]["episodes"] == 4
    assert {"protocol", "suite", "via", "seed", "checkpoint", "hashes", "wilson95", "episodes"} <= set(report)
    assert {"task", "init_state", "seed", "success", "steps", "error"} <= set(report["episodes"][0])
    assert "crashed" in table(report)


def test_paraphrases_change_the_words_alone():
    words = {task.name: [f"please do {task.name}", f"{task.name}, now"] for task in make_tasks()}
    plain = draw_episodes(make_tasks(), 8, seed=3)
    told = draw_episodes(make_tasks(), 8, seed=3, tell=paraphrase(words))
    assert told == draw_episodes(make_tasks(), 8, seed=3, tell=paraphrase(words))
    assert [(e.number, e.instructed_task) for e in told] == [(e.number, e.task) for e in plain]
    assert all(episode.instruction in words[episode.task] for episode in told)
    assert len({episode.instruction for episode in told}) == 8
    with pytest.raises(ValueError, match="no sentences for 'a'"):
        draw_episodes(make_tasks(), 1, seed=0, tell=paraphrase({"b": ["x"]}))


def test_shipped_paraphrases_name_the_same_things():
    words = yaml.safe_load(share_path("config/paraphrases/mini.yaml").read_text())
    assert list(words) == [task.name for task in tasks("mini")]
    everything = [sentence for sentences in words.values() for sentence in sentences]
    assert len(set(everything)) == len(everything) == 50
    telling = {"milk", "can", "bread", "left", "right", "red", "green"}
    for task in tasks("mini"):
        assert len(words[task.name]) == 5
        for sentence in words[task.name]:
            named = {word for word in telling if word in sentence.replace("-", " ").split()}
            assert named == telling & set(task.language.split()), sentence
            assert sentence != task.language


def test_failures_are_counted_told_and_drawn(tmp_path):
    episodes = draw_episodes(make_tasks()[:2], 3, seed=0)
    ends = ["slipped", "slipped", None, "timeout", None, None]
    outcomes = [
        Outcome.of(episode, success=i == 2, original_success=i == 2, steps=9, failure=end, error=[None, "x"][i == 4])
        for i, (episode, end) in enumerate(zip(episodes, ends, strict=True))
    ]
    report = summarise(outcomes, suite="toy", via="direct", seed=0)
    assert report["failures"] == Counter(slipped=2, timeout=1)
    assert report["tasks"]["a"]["failures"] == {"slipped": 2}
    assert "2 slipped, 1 timeout" in table(report).splitlines()[-2]
    plot_failures(report, tmp_path / "ends.png")
    assert (tmp_path / "ends.png").stat().st_size > 2000


def test_action_errors_are_averaged():
    episodes = draw_episodes(make_tasks()[:1], 2, seed=0)
    outcomes = [
        Outcome.of(episode, success=True, original_success=True, steps=9, action_error=error)
        for episode, error in zip(episodes, (0.1, 0.3), strict=True)
    ]
    report = summarise(outcomes, suite="toy", via="direct", seed=0)
    assert report["action_error"] == pytest.approx(0.2)
    assert "0.200" in table(report)


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (("plans", "ros", "own"), "needs via=direct"),
        (("tracks", "direct", "swap"), "another task"),
    ],
)
def test_impossible_oracles_are_refused(request_, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_oracle(*request_)


def wordings(family, episodes=40):
    tell = worded(Family.load(family), suites.sentences, suites.arrangement)
    return draw_episodes(tasks("mini"), episodes, seed=3, tell=tell)


def test_wordings_are_of_all_kinds_and_what_cannot_be_done_has_no_task():
    drawn = wordings("development")
    assert drawn == wordings("development")
    assert {episode.kind for episode in drawn} == {*KINDS, *IMPOSSIBLE}
    for episode in drawn:
        assert episode.instructed_task == ("any" if episode.kind in IMPOSSIBLE else episode.task)
    assert len({episode.instruction for episode in drawn}) > 200
    assert not {e.instruction for e in drawn} & {e.instruction for e in wordings("test") if e.kind != "typo"}
    with pytest.raises(ValueError, match="can't be told another task"):
        check_oracle("expert", "direct", "development")


def outcome(episode, **result):
    known = {"success": False, "original_success": False, "steps": 5}
    return Outcome.of(episode, **{**known, **result})


def test_what_cannot_be_done_succeeds_by_refraining():
    episode = next(e for e in wordings("development") if e.kind == "prohibition")
    assert outcome(episode, refused=True, moved_m=0.0).success
    assert outcome(episode, moved_m=0.01).success
    assert not outcome(episode, moved_m=0.2).success
    assert not outcome(episode, moved_m=0.01, done_tasks=("a",)).success
    assert not outcome(episode, refused=True, error="broken").success


def test_an_interval_over_sentences_stands_beside_that_over_episodes():
    episode = next(e for e in wordings("development") if e.kind == "plain")
    told = [replace(episode, number=n, instruction="one" if n < 8 else f"{n}") for n in range(10)]
    outcomes = [outcome(e, success=e.number != 9) for e in told]
    report = summarise(outcomes, suite="toy", via="direct", seed=0, instruction="development", refuse_unknown=True)
    over = clustered_interval((each.instruction, each.success) for each in outcomes)
    assert report["wilson95"] == list(wilson_interval(9, 10))
    assert report["sentences"] == report["kinds"]["plain"]["sentences"] == {"distinct": 3, "wilson95": list(over)}
    assert report["protocol"].endswith("-refusing")
    assert "plain " in table(report)


def test_what_is_refused_is_counted_by_kind():
    several = [e for e in wordings("development") if e.kind in ("prohibition", "gibberish")][:6]
    report = summarise([outcome(e, refused=True) for e in several], suite="toy", via="ros", seed=0,
                       instruction="development")  # fmt: skip
    assert report["kinds"]["impossible"]["refused"] == 6
    assert "possible" not in report["kinds"]
    assert "prohibition: refrained" in table(report)
