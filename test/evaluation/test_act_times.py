"""What a chunk of actions costs beside lerobot's ACT, with a network in ACT's place: lerobot is not installed here."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from zipmo_ros.apps import cli
from zipmo_ros.contract.robot import load_robot


class SmallAct(torch.nn.Module):
    """Takes and gives what ACT does; its configuration tells of what sizes that is."""

    def __init__(self, config):
        super().__init__()
        self.features = config.input_features
        (states,), (actions,) = self.features["observation.state"].shape, config.output_features["action"].shape
        self.layer = torch.nn.Linear(states, 100 * actions)

    def forward(self, batch):
        assert not self.training
        assert len(batch["observation.images"]) == len(self.features) - 1
        for image, (name, feature) in zip(batch["observation.images"], list(self.features.items())[1:], strict=True):
            assert name.startswith("observation.images.")
            assert image.shape == (1, *feature.shape)
            assert 0 <= image.min() <= image.max() <= 1
        seen = sum(image.mean() for image in batch["observation.images"])
        return self.layer(batch["observation.state"] + seen).reshape(1, 100, -1), (None, None)


@pytest.fixture
def lerobot(monkeypatch):
    """Modules of lerobot's names with SmallAct."""
    types = {
        "PolicyFeature": lambda kind, shape: SimpleNamespace(kind=kind, shape=shape),
        "FeatureType": SimpleNamespace(STATE="state", VISUAL="visual", ACTION="action"),
    }
    contents = {
        "lerobot": {}, "lerobot.configs": {}, "lerobot.policies": {}, "lerobot.policies.act": {},
        "lerobot.configs.types": types, "lerobot.policies.act.modeling_act": {"ACT": SmallAct},
        "lerobot.policies.act.configuration_act": {"ACTConfig": SimpleNamespace},
    }  # fmt: skip
    for name, content in contents.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


def test_act_and_a_plan_are_timed_by_every_engine(lerobot, tmp_path, capsys):
    assert cli.main(["bench", "act", "nfe=[1,2]", "repetitions=2", f"out={tmp_path}"]) == 0
    report = json.loads((tmp_path / "act.json").read_text())
    rows = report["rows"]
    assert [(row["engine"], row["nfe"]) for row in rows] == [(e, n) for e in ("eager", "onnx") for n in (None, 1, 2)]
    assert rows[0]["ratio"] == rows[0]["eager_ratio"] == rows[3]["ratio"] == 1
    assert all(row["ratio"] > 1 for row in rows if row["nfe"])  # one layer is less work than a plan
    assert rows[4]["eager_ratio"] != rows[4]["ratio"]
    assert report["act_parameters"] == (len(load_robot().proprio_names) + 1) * 700
    assert "a plan of 2 steps, policy" in capsys.readouterr().out


def test_without_lerobot_it_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "lerobot", None)
    assert cli.main(["bench", "act", f"out={tmp_path}"]) == 2
    assert "pip install lerobot" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
