"""Which episodes the demonstration shows."""

import pytest

from zipmo_ros.apps.configuration import load
from zipmo_ros.apps.demo import DemoRequest, choose_episodes
from zipmo_sim.simulator import ANY


@pytest.mark.parametrize("suite", ["mini", "libero_object", "libero_object_mixed"])
def test_four_different_tasks_of_any_suite(suite):
    episodes = choose_episodes(load("demo", [f"suite={suite}"], DemoRequest))
    assert len({episode.instruction for episode in episodes}) == 4


def test_tasks_can_be_named():
    (episode,) = choose_episodes(load("demo", ["tasks=turn_lever_left"], DemoRequest))
    assert episode.task == "turn_lever_left"
    with pytest.raises(ValueError, match="has no task fly; it has put_milk"):
        choose_episodes(load("demo", ["tasks=fly"], DemoRequest))


def test_your_own_sentence_gets_the_scene_that_fits(capsys):
    (episode,) = choose_episodes(load("demo", ["say=move the carton of milk into the bin on the right"], DemoRequest))
    assert "milk" in episode.task
    assert (episode.instruction, episode.instructed_task) == ("move the carton of milk into the bin on the right", ANY)
    assert "the scene of" in capsys.readouterr().out
    with pytest.raises(ValueError, match="empty"):
        choose_episodes(load("demo", ["say='  '"], DemoRequest))
