"""One format from end to end: demonstrations are collected, loaded, and trained on."""

import numpy as np
import pytest
import torch
from training_settings import stage_options, train_config

from zipmo_ros.data import schema
from zipmo_ros.data.readers.demonstrations import DemonstrationReader
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.evaluation.collection import collect
from zipmo_ros.evaluation.demonstrate import CollectionSettings
from zipmo_ros.motion.zipmo.config import vae_nano
from zipmo_ros.training.loop import fit
from zipmo_ros.training.stages.vae import VaeOptions, VaeStage

SUITE, TASK, EPISODES = "mini", "turn_lever_left", 2


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    out = tmp_path_factory.mktemp("collected")
    settings = CollectionSettings(noise=(0.1,), render_every=12, recovery=0.0, after_success=3)
    (summary,) = collect(SUITE, [TASK], EPISODES, out, 1, settings=settings)
    assert summary.kept == EPISODES
    return out


def test_two_demonstrations_are_collected_loaded_and_trained_on(collected, tmp_path):
    windows = DemonstrationWindows.load(collected, cache=tmp_path / "cache")
    assert len(windows.demos) == EPISODES
    assert windows.images[0].float().std() > 10  # something was rendered
    assert windows.moving[:].any()
    torch.manual_seed(0)
    few = {"batch_size": 4, "points_out": 8, "statistics_windows": 8, "validation_windows": 4}
    options = stage_options(VaeOptions, "vae", **few)
    stage = VaeStage(
        windows, vae_nano(), options, validation_states=(int(windows.init_state[-1]),), seed=0, device="cpu"
    )
    before = {name: weight.clone() for name, weight in stage.model.state_dict().items()}
    config = train_config(max_steps=2, warmup_steps=1)
    result = fit(stage.model, stage.loss, stage.batches, config, tmp_path / "run", validate=stage.validate)
    assert result.step == 2
    assert any(not torch.equal(weight, before[name]) for name, weight in stage.model.state_dict().items())
    assert all(np.isfinite(result.metrics[f"validation/{name}"]) for name in ("agentview_epe", "eye_in_hand_epe"))


def test_the_reader_sees_the_same_demonstrations(collected):
    windows, episodes = DemonstrationWindows.load(collected), list(DemonstrationReader().episodes(collected))
    assert [episode.name for episode in episodes] == list(windows.demos)
    for number, episode in enumerate(episodes):
        mine = (windows.demo == number).nonzero()[:, 0]
        assert windows.step[mine].tolist() == episode.image_steps.tolist()
        for view, name in enumerate(windows.views):
            np.testing.assert_array_equal(windows.images[mine, view], episode.images[name])
        assert episode.attributes["render_every"] == 12
        assert set(schema.SHARED) <= set(episode.attributes)
