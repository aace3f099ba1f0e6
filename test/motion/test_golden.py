"""Given the same weights, we compute what the reference computes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from zipmo_policy import head as policy
from zipmo_ros.apps import interop as command
from zipmo_ros.evaluation.policy_golden import build_head, verify_policy
from zipmo_ros.motion.zipmo import golden
from zipmo_ros.motion.zipmo.interop import LAYOUTS, to_reference
from zipmo_ros.runtime.ensembling import TemporalEnsemble

HERE = Path(__file__).parent
SEED0 = HERE / "golden" / "seed0"
# What float32 on a CPU reaches, with room for another BLAS; the promise is 2e-4.
REACHED = 3e-5


@pytest.fixture(scope="module")
def folder():
    return golden.GoldenFolder(SEED0)


@pytest.fixture(scope="module")
def report():
    return golden.verify_golden(SEED0).merged(verify_policy(SEED0))


def test_every_stored_output_is_reproduced(report):
    stored = {
        f"{path.name.removesuffix('.io.npz')}/{key.removeprefix('out_')}"
        for path in SEED0.glob("*.io.npz")
        for key in np.load(path)
        if key.startswith("out_")
    }
    assert set(report.per_case) == stored
    assert report.max_abs_error < REACHED, report.per_case
    assert report.bf16_max_abs_error < golden.BF16_TOLERANCE


def parts_of(folder, model):
    if model == "policy":
        return {"policy": build_head(folder)}, {"policy": ""}
    parts = {"vae": golden.TrackVAE(folder.vae_config())}
    if model == "planner":
        parts["planner"] = golden.MotionPlanner(folder.poke_config(16, pad=True))
    if model == "libero":
        parts["planner"] = golden.MotionPlanner(folder.libero_config(step_token=True))
    return parts, golden.PREFIXES[model]


@pytest.mark.parametrize("model", ["vae", "planner", "libero", "policy"])
def test_initial_values_are_the_references(folder, model):
    """Keys, shapes, position buffers and RoPE ladders of fresh models, from which any seed's weights are drawn."""
    parts, prefixes = parts_of(folder, model)
    if model == "policy":
        parts = {"policy": policy.PolicyHead(parts["policy"].config)}
    state = to_reference(parts, prefixes)
    expected = json.loads((HERE / "golden" / "layout.json").read_text())[model]
    assert {key: list(value.shape) for key, value in state.items()} == expected
    with np.load(HERE / "golden" / "base.npz") as base:
        for name in base:
            owner, key = name.split(":")
            if owner == model:
                np.testing.assert_allclose(state[key].numpy(), base[name], rtol=1e-6, err_msg=name)


def test_another_seed_gives_other_answers(folder):
    wrong = golden.compare("vae", golden.GoldenFolder(SEED0, seed=1), golden.vae_cases)
    assert wrong.max_abs_error > 1e-2


def test_weights_from_files(folder, tmp_path):
    """A folder that holds the weights themselves, as the recipe writes them."""
    from safetensors.torch import save_file

    for name in ("config.json", "vae.io.npz"):
        (tmp_path / name).write_bytes((SEED0 / name).read_bytes())
    parts, prefixes = parts_of(folder, "vae")
    weights = golden.redraw(0, "vae", parts, prefixes)
    save_file(weights, tmp_path / "vae.safetensors")
    assert golden.verify_golden(tmp_path).max_abs_error < REACHED
    weights["decoder.trajs_out.5.bias"] += 0.01
    save_file(weights, tmp_path / "vae.safetensors")
    assert golden.verify_golden(tmp_path).per_case["vae/decode16"] == pytest.approx(0.01, rel=1e-2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_released_layouts(layout):
    expected = json.loads((HERE / "layouts" / f"{layout}.json").read_text())
    with torch.device("meta"):
        parts = LAYOUTS[layout].parts(lambda: policy.PolicyHead(policy.base()))
    exported = to_reference(parts, LAYOUTS[layout].prefixes)
    assert {key: list(value.shape) for key, value in exported.items()} == expected


def test_command_line(capsys, tmp_path):
    assert command._layouts() == tuple(LAYOUTS)
    for name in ("config.json", "vae.io.npz"):
        (tmp_path / name).write_bytes((SEED0 / name).read_bytes())
    assert command.main(["verify", str(tmp_path)]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["cases"] == 12
    assert summary["max_abs_error"] < REACHED
    assert command.main(["verify", str(tmp_path), "--seed", "3"]) == 1
    assert command.main(["verify", str(tmp_path / "nowhere")]) == 1
    assert "no config.json" in capsys.readouterr().err
    assert command.main(["fetch", "vae", "--revision", "0" * 40]) == 2
    assert "CC BY-NC-SA 4.0" in capsys.readouterr().out


def test_official_ensembling_is_misindexed_as_in_the_reference():
    """Newest chunk: its 2nd action, oldest: its 1st; at the second step chunk0[0] and chunk1[15] are mixed."""
    chunks = np.random.default_rng(0).normal(size=(20, 16, 7))
    ensemble = TemporalEnsemble("official")
    for step, chunk in enumerate(chunks):
        ensemble.add(step, chunk)
        if step == 1:
            expected = (0.99 * chunks[0, 0] + chunks[1, 15]) / 1.99
            np.testing.assert_allclose(ensemble.action(1), expected, rtol=1e-12)
    weights = 0.99 ** np.arange(16)
    entries = np.stack([chunks[19 - age, (age + 1) % 16] for age in range(16)])
    np.testing.assert_allclose(ensemble.action(19), weights @ entries / weights.sum(), rtol=1e-12)


def test_meta_export_allocates_nothing():
    with torch.device("meta"):
        parts = LAYOUTS["vae"].parts()
    assert [name for name, p in parts["vae"].named_parameters() if not p.is_meta] == []
