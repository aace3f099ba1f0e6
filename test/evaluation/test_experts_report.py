"""What the page says of the scripted experts, from files that `zipmo eval oracle=expert` wrote."""

from zipmo_ros.apps import cli
from zipmo_ros.evaluation import evaluate
from zipmo_ros.evaluation.outcomes import Outcome

TASKS = ("turn_lever_left", "turn_lever_right")


def run(settings, episodes, workers, progress, journal, place):
    """The left lever in every episode, the right one in one of three."""
    outcomes = []
    for number, episode in enumerate(episodes):
        done = episode.task == TASKS[0] or number % 3 == 0
        ended = {"success": done, "original_success": done, "failure": None if done else "timeout"}
        outcomes.append(Outcome.of(episode, steps=50, **ended))
    return outcomes


def test_experts_are_told_by_suite_from_states_that_serve_choosing(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "run_parallel", run)

    def evaluation(name, *words):
        command = ["eval", "suite=mini", f"tasks={','.join(TASKS)}", "oracle=expert", "via=direct", *words]
        assert cli.main([*command, f"out={tmp_path}/results/{name}.json"]) == 0

    evaluation("short", "states=development", "episodes=1")
    evaluation("long", "states=development", "episodes=3")
    evaluation("figures", "episodes=3")
    assert cli.main(["report", f"results={tmp_path}/results", f"out={tmp_path}/page.md"]) == 0
    page = (tmp_path / "page.md").read_text()
    section = page.split("## What the experts do")[1].split("\n## ")[0]
    assert "initial states 50-99" in section
    assert "| `mini` | 2 of 10 | 1 | 4 of 6 | 67 % |" in section
    assert "Not in every episode: `turn_lever_right` 1 of 3." in section
    assert "long.json" in section
    assert "short.json" not in section
    assert "figures.json" not in section
