"""Released files, from where they lie to an action: here of the golden cases' widths, with their weights."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from zipmo_policy import head
from zipmo_ros.apps import cli
from zipmo_ros.apps import interop as command
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.policy_golden import build_head, ensembled
from zipmo_ros.models import load_planner, load_policy
from zipmo_ros.motion import text
from zipmo_ros.motion.checkpoint import CheckpointError
from zipmo_ros.motion.zipmo import adapter, interop
from zipmo_ros.motion.zipmo.golden import TOLERANCE
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.released import PARTS, convert, write_random
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_sim.suites import tasks

from .test_golden import SEED0, golden

ROBOT = load_robot()
TOLD = "put the bowl on the stove"


@pytest.fixture
def folder(monkeypatch):
    """The golden cases; released files are of their widths."""
    folder = golden.GoldenFolder(SEED0)
    config = build_head(folder).config

    def part(self, name, policy=None):
        if name == "vae":
            return TrackVAE(folder.vae_config())
        if name == "planner":
            return MotionPlanner(
                folder.libero_config(step_token=self.planner is interop.LAYOUTS["libero_tramoe"].planner)
            )
        return policy()

    monkeypatch.setattr(interop.Layout, "part", part)
    monkeypatch.setattr(head, "base", lambda: config)
    return folder


def policy():
    return head.PolicyHead(head.base())


def weights_of(folder, layout):
    """The golden weights, as a released file of this layout has them."""
    layout = interop.LAYOUTS[layout]
    parts = layout.parts(policy)
    tramoe = {"vae": parts["vae"], "planner": interop.LAYOUTS["libero_tramoe"].part("planner")}
    libero = folder.weights("libero", tramoe, golden.PREFIXES["libero"])
    if not parts["planner"].config.step_token:
        libero = {key: value for key, value in libero.items() if not key.startswith("start_t_mapping.")}
    if "policy" not in parts:
        return libero
    own = folder.weights("policy", {"policy": parts["policy"]}, {"policy": ""})
    return own | {f"{layout.prefixes['planner']}{key}": value for key, value in libero.items()}


def file_of(folder, layout, path):
    save_file(weights_of(folder, layout), path)
    return path


def write_vectors(path, vectors):
    """As ATM keeps them."""
    np.save(path, vectors, allow_pickle=True)
    return path


@pytest.mark.parametrize("variant", ["atm", "tramoe"])
def test_a_sentence_becomes_the_references_actions(folder, tmp_path, monkeypatch, variant):
    """Files, bundle, vectors, planner, policy, ensembling: what is between a sentence and an action here. Chunks are
    cut to [-1, 1], the reference's are not.
    """
    bundle = tmp_path / "bundle"
    convert([file_of(folder, f"policy_head_{variant}", tmp_path / "file.safetensors")], bundle, policy, "none")
    stored = folder.arrays(f"policy_{variant}")
    vectors = write_vectors(tmp_path / "task_emb_bert.npy", {TOLD: stored["in_task_emb"][0]})
    monkeypatch.setattr(adapter, "plan_noise", lambda seed, stamp_ns, shape: stored["in_z"][stamp_ns, :1])
    execution = Execution(steps=folder.config["policy"]["nfe"], text_encoder=vectors)
    planner, head = (load(None, bundle, ROBOT, execution) for load in (load_planner, load_policy))
    images = dict(zip(ROBOT.views, stored["in_image_u8"][0], strict=True))
    chunks = []
    for step in range(len(stored["in_z"])):
        proprio = np.concatenate([stored["in_joint"][step, 0], stored["in_gripper"][step, 0]])
        seen = Observation(step, step, images, proprio)
        chunks.append(head.act(seen, Sentence(TOLD), planner.plan(seen, Sentence(TOLD), 0)))
    expected = stored["out_chunks"][:, :1].clip(-1, 1)
    np.testing.assert_allclose(np.stack(chunks)[:, None], expected, atol=TOLERANCE)
    np.testing.assert_allclose(ensembled(np.stack(chunks)[:, None], 0.99), ensembled(expected, 0.99), atol=TOLERANCE)


def test_a_bundle_has_the_weights_of_its_file(folder, tmp_path):
    file = file_of(folder, "policy_head_tramoe", tmp_path / "file.safetensors")
    alone = file_of(folder, "libero_tramoe", tmp_path / "planner.safetensors")
    assert command.main(["convert", str(file), str(alone), "--out", str(tmp_path / "bundle")]) == 0
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == set(command.PARTS) == set(PARTS)
    given = load_file(file)
    planner, policy = (load_file(tmp_path / "bundle" / part / "model.safetensors") for part in ("planner", "policy"))
    assert torch.equal(planner["start_t_mapping.coeffs"], given["track_predictor.start_t_mapping.coeffs"])
    assert torch.equal(policy["trunk.policy_out_proj.proj.weight"], given["policy_out_proj.proj.weight"])
    assert json.loads((tmp_path / "bundle" / "vae" / "config.json").read_text())["meta"]["licence"] == command.LICENCE
    assert command.main(["convert", str(alone), "--out", str(tmp_path / "part"), "--parts", "vae"]) == 0
    assert [path.name for path in (tmp_path / "part").iterdir()] == ["vae"]


def test_what_makes_no_bundle_is_told_and_leaves_nothing(folder, tmp_path, capsys, monkeypatch):
    whole = file_of(folder, "policy_head_atm", tmp_path / "atm.safetensors")
    other = file_of(folder, "libero_tramoe", tmp_path / "tramoe.safetensors")
    plain = weights_of(folder, "libero_atm")
    plain["out_proj.proj.weight"] += 1
    save_file(plain, tmp_path / "changed.safetensors")
    del plain["out_proj.proj.weight"]
    save_file(plain, tmp_path / "torn.safetensors")
    out = tmp_path / "out" / "bundle"

    def refused(*files, message):
        assert command.main(["convert", *map(str, files), "--out", str(out)]) == 1
        assert message in capsys.readouterr().err
        assert not out.parent.exists()

    refused(other, message=f"there is no policy in {other} (libero_tramoe): name one of policy_heads/atm_libero")
    refused(whole, other, message=f"of different variants, and make no bundle together: {whole} is a policy_head_atm")
    refused(whole, tmp_path / "changed.safetensors", message="hold a planner each, not the same one")
    refused(whole, tmp_path / "torn.safetensors", message="missing out_proj.proj.weight")
    refused(tmp_path / "nowhere", message="nowhere does not exist")
    saved = interop.Layout.part

    def fails(self, name, policy=None):
        if name == "policy" and not torch.empty(0).is_meta:
            raise OSError("the disk is full")
        return saved(self, name, policy)

    monkeypatch.setattr(interop.Layout, "part", fails)
    assert command.main(["convert", str(whole), "--out", str(out)]) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert not list(out.parent.iterdir())
    out.mkdir()
    assert command.main(["convert", str(whole), "--out", str(out)]) == 1
    assert f"{out} is there already" in capsys.readouterr().err


def test_a_random_file_has_the_layout(folder, tmp_path):
    write_random(tmp_path / "a.safetensors", "policy_head_tramoe", policy, seed=1)
    assert command.main(["random", "policy_head_tramoe", "--seed", "1", "--out", str(tmp_path / "b.safetensors")]) == 0
    one, same = (load_file(tmp_path / f"{name}.safetensors") for name in "ab")
    given = weights_of(folder, "policy_head_tramoe")
    assert {key: value.shape for key, value in one.items()} == {key: value.shape for key, value in given.items()}
    assert all(torch.equal(value, same[key]) for key, value in one.items())
    convert([tmp_path / "a.safetensors"], tmp_path / "bundle", policy, "none")
    with pytest.raises(FileExistsError, match="is there already"):
        write_random(tmp_path / "a.safetensors", "policy_head_tramoe", policy, seed=1)


def test_files_of_sentence_vectors(tmp_path):
    vectors = {TOLD: np.arange(4, dtype=np.float32), "turn on the stove": np.ones(4, np.float32)}
    path = write_vectors(tmp_path / "vectors.npy", vectors)
    found = text.embed_sentences(["turn  on the stove", TOLD], "bert-base-cased", path)
    np.testing.assert_array_equal(found, [vectors["turn on the stove"], vectors[TOLD]])
    with pytest.raises(ValueError, match="no vector of 'fly', only of 2 other"):
        text.embed_sentences(["fly"], "bert-base-cased", path)
    text.check_source("bert-base-cased", path, [TOLD])
    with pytest.raises(ValueError, match=r"no vector of 'fly' \(1 such sentences\): say text_encoder=FOLDER"):
        text.check_source("bert-base-cased", path, [TOLD, "fly"])
    for name, held in {"no.npy": np.zeros(3), "uneven.npy": vectors | {"a": np.ones(3)}, "empty.npy": {}}.items():
        with pytest.raises(ValueError, match=f"{name} (is no file of|must hold) "):
            text.embed_sentences([TOLD], "bert-base-cased", write_vectors(tmp_path / name, held))


def test_a_file_of_vectors_runs_nothing(tmp_path):
    class Runs:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    path = write_vectors(tmp_path / "bad.npy", {TOLD: Runs()})
    with pytest.raises(ValueError, match="which is no array"):
        text.embed_sentences([TOLD], "bert-base-cased", path)
    assert not (tmp_path / "ran").exists()


def bert_folder(path, **sizes):
    """A random BERT of few layers whose tokenizer is MiniLM's."""
    transformers = pytest.importorskip("transformers")
    transformers.AutoTokenizer.from_pretrained(str(text.minilm_folder())).save_pretrained(path)
    config = transformers.BertConfig(
        vocab_size=30522, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, **sizes
    )
    transformers.BertModel(config).save_pretrained(path)
    return path


def test_a_folder_without_the_pooler_is_no_bert(tmp_path):
    """transformers would draw it at random."""
    path = bert_folder(tmp_path / "bert", hidden_size=32)
    weights = load_file(path / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "pooler" not in k}, path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"is no bert-base-cased: it lacks pooler\.dense\.bias, pooler\.dense\.weight"):
        text.embed_sentences([TOLD], "bert-base-cased", path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="can't be read as a Hugging Face folder of bert-base-cased"):
        text.embed_sentences([TOLD], "bert-base-cased", tmp_path / "empty")


@pytest.mark.libero
@pytest.mark.slow
def test_the_command_goes_from_released_files_to_a_score(folder, tmp_path, capsys):
    """Three control steps on LIBERO as the release evaluates, with BERT from a folder."""
    file = file_of(folder, "policy_head_tramoe", tmp_path / "file.safetensors")
    assert cli.main(["interop", "convert", str(file), "--out", str(tmp_path / "bundle")]) == 0
    task, out = tasks("libero_spatial")[0], tmp_path / "eval.json"
    words = ["eval", f"checkpoint={tmp_path / 'bundle'}", "suite=libero_spatial", "protocol=reference", "device=cpu",
             "ensemble=official", "dtype=bf16", f"tasks=[{task.name}]", "episodes=1", "max_steps=3", "via=direct",
             f"out={out}"]  # fmt: skip
    assert cli.main(words) == 2
    assert "this model reads sentences by bert-base-cased" in capsys.readouterr().err
    vectors = write_vectors(tmp_path / "vectors.npy", {"fly": np.ones(128, np.float32)})
    assert cli.main([*words, f"text_encoder={vectors}"]) == 2
    assert f"no vector of '{task.language}'" in capsys.readouterr().err
    bert = bert_folder(tmp_path / "bert", hidden_size=128)
    assert cli.main([*words, f"text_encoder={bert}"]) == 0
    score = json.loads(out.read_text())
    assert (score["episodes"][0]["steps"], score["dtype"], score["device"]) == (3, "bfloat16", "cpu")
    assert score["protocol"].endswith("-episodes=1-max_steps=3-bfloat16")
    assert score["hashes"]["text_encoder"] == text.source_hash(bert)


def test_a_planner_whose_sentences_nobody_reads_is_told_at_once(folder, tmp_path):
    convert([file_of(folder, "policy_head_atm", tmp_path / "f.safetensors")], tmp_path / "bundle", policy, "none")
    with pytest.raises(FileNotFoundError, match="neither shipped nor fetched: say text_encoder=FOLDER"):
        load_planner(None, tmp_path / "bundle", ROBOT, Execution())
    with pytest.raises(FileNotFoundError, match="text_encoder=/nowhere is neither a folder nor a file"):
        load_planner(None, tmp_path / "bundle", ROBOT, Execution(text_encoder="/nowhere"))
    with pytest.raises(ValueError, match="minilm, which is installed: leave text_encoder out"):
        text.check_source("minilm", tmp_path)
    with pytest.raises(CheckpointError):
        convert([], tmp_path / "none", policy, "none")
