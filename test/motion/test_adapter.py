"""From images and a sentence to tracks, as the nodes use it."""

import dataclasses
import logging

import numpy as np
import pytest
import torch

from zipmo_ros.contract.goal import Pokes, Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.motion import checkpoint, text
from zipmo_ros.motion.text import embed_sentences
from zipmo_ros.motion.zipmo.adapter import ZipmoPlanner, encode_tracks
from zipmo_ros.motion.zipmo.config import PokeConfig
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

from .conftest import PLANNERS, VAES, awaken

ROBOT = load_robot()
IMAGES = dict(
    zip(ROBOT.views, np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8), strict=True)
)
SEEN = Observation(1000, 0, IMAGES)
GO = Sentence("open the drawer")


def planner(bundle, **execution):
    return ZipmoPlanner.load(bundle, ROBOT, Execution(**execution))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    bundle = tmp_path_factory.mktemp("bundle")
    torch.manual_seed(0)
    checkpoint.save(bundle / "vae", awaken(TrackVAE(VAES["nano"])))
    checkpoint.save(bundle / "planner", awaken(MotionPlanner(PLANNERS["nano"])))
    return bundle


def test_plan_depends_on_everything_and_on_nothing_else(bundle):
    zipmo = planner(bundle)
    plan = zipmo.plan(SEEN, GO, 0)
    z = plan.embedding
    assert z.shape == zipmo.spec.plan.shape == (2, 2, 2, 16)
    assert z.dtype == np.float32
    assert (plan.stamp_ns, plan.goal, plan.spec) == (1000, GO, zipmo.spec.plan)
    assert np.array_equal(z, zipmo.plan(SEEN, Sentence(" open  the drawer "), 0).embedding)
    assert np.array_equal(z, planner(bundle, steps=zipmo.network.config.steps).plan(SEEN, GO, 0).embedding)
    swapped = Observation(1000, 0, dict(zip(ROBOT.views, reversed(IMAGES.values()), strict=True)))
    for other in (
        zipmo.plan(swapped, GO, 0),
        zipmo.plan(SEEN, Sentence("close the drawer"), 0),
        zipmo.plan(SEEN, GO, 1),
        zipmo.plan(Observation(1001, 0, IMAGES), GO, 0),
        planner(bundle, steps=1).plan(SEEN, GO, 0),
    ):
        assert np.abs(other.embedding - z).max() > 1e-4


def test_several_futures_in_one_batch(bundle):
    zipmo = planner(bundle)
    several = zipmo.plan(SEEN, GO, 0, samples=3)
    assert several.embeddings.shape == (3, 2, 2, 2, 16)
    np.testing.assert_allclose(several.embedding, zipmo.plan(SEEN, GO, 0).embedding, atol=1e-5)
    assert np.abs(several.embeddings[1] - several.embeddings[2]).max() > 1e-3


def test_arithmetic_of_sixteen_bits_is_close(bundle):
    rough = planner(bundle, dtype="bfloat16").plan(SEEN, GO, 0).embedding
    exact = planner(bundle).plan(SEEN, GO, 0).embedding
    assert 0 < np.abs(rough - exact).max() < 0.2 * np.abs(exact).max()


def test_decode_and_encode(bundle):
    zipmo = planner(bundle)
    queries = np.random.default_rng(1).uniform(-0.9, 0.9, (2, 5, 2)).astype(np.float32)
    tracks, places = zipmo.show(zipmo.plan(SEEN, GO, 0), SEEN, queries)
    assert tracks.shape == (2, 5, 16, 2)
    assert places.shape[::2] == (2, 2)
    assert encode_tracks(zipmo.vae, tracks, SEEN.stacked(ROBOT.views)).shape == zipmo.spec.plan.shape


def test_a_planner_of_pokes_takes_pokes(bundle):
    torch.manual_seed(0)
    config = dataclasses.replace(PLANNERS["nano"], text=None, pokes=PokeConfig(4), norm_by_text=False,
                                 image=dataclasses.replace(PLANNERS["nano"].image, text=None, landmarks=0))  # fmt: skip
    vae = awaken(TrackVAE(VAES["nano"]))
    poked = ZipmoPlanner(vae, awaken(MotionPlanner(config)), ROBOT.views, ROBOT.period_ns, Execution())
    here, there = (poked.plan(SEEN, Pokes(((0.0, 0.0, 0.1, end, 1.0),)), 0) for end in (0.2, -0.2))
    assert np.abs(here.embedding - there.embedding).max() > 1e-4
    assert poked.show(here, SEEN, np.zeros((2, 1, 2), np.float32))[1].shape == (2, 0, 2)
    with pytest.raises(ValueError, match="conditioned by pokes, got open the drawer"):
        poked.plan(SEEN, GO, 0)
    with pytest.raises(ValueError, match="conditioned by a sentence, got 1 pokes"):
        planner(bundle).plan(SEEN, here.goal, 0)


def test_wrong_inputs_are_named(bundle):
    zipmo = planner(bundle)
    with pytest.raises(ValueError, match="no image of eye_in_hand"):
        zipmo.plan(Observation(0, 0, {"agentview": IMAGES["agentview"]}), GO, 0)
    with pytest.raises(ValueError, match="embedding must have shape"):
        zipmo.decode(np.zeros((1, 2, 2, 16), np.float32), SEEN.stacked(ROBOT.views), np.zeros((2, 1, 2), np.float32))
    with pytest.raises(ValueError, match="looks at 2 views, the robot has agentview"):
        ZipmoPlanner(zipmo.vae, zipmo.network, ("agentview",), ROBOT.period_ns, Execution())
    other = MotionPlanner(dataclasses.replace(PLANNERS["nano"], latent_grid=4))
    with pytest.raises(ValueError, match="disagree"):
        ZipmoPlanner(zipmo.vae, other, ROBOT.views, ROBOT.period_ns, Execution())
    with pytest.raises(ValueError, match="dtype is float32 or bfloat16"):
        Execution(dtype="float64")


def test_sentences_mean_something():
    tasks = ["pick up the milk and place it in the basket", "open the top drawer of the cabinet", "turn on the stove"]
    vectors = embed_sentences([*tasks, "put the milk into the basket"])
    assert vectors.shape == (4, 384)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(4))
    assert (vectors[:3] @ vectors[3]).argmax() == 0
    assert torch.equal(embed_sentences(tasks[1:2])[0], vectors[1])
    assert embed_sentences([]).shape == (0, 384)


def test_wrong_sentences(caplog):
    with pytest.raises(ValueError, match="empty"):
        embed_sentences(["go", ""])
    with pytest.raises(ValueError, match="unknown text encoder"):
        embed_sentences(["go"], "word2vec")
    with pytest.raises(ValueError, match="list"):
        embed_sentences("go")
    with pytest.raises(FileNotFoundError, match="name its folder"):
        embed_sentences(["go"], "bert-base-cased")
    with caplog.at_level(logging.WARNING):
        assert embed_sentences(["put the red mug on the plate " * 60]).isfinite().all()
    assert "cut to 256" in caplog.text


def test_other_weights_under_the_same_name_are_refused(monkeypatch):
    monkeypatch.setattr(text, "MINILM_SHA256", "0" * 64)
    text._load.cache_clear()
    with pytest.raises(ValueError, match="is not all-MiniLM-L6-v2"):
        embed_sentences(["a sentence that nobody embedded before"])
    text._load.cache_clear()


def test_bert_from_a_folder(tmp_path):
    """The pooler's output of a local BERT (here a tiny random one)."""
    transformers = pytest.importorskip("transformers")
    transformers.AutoTokenizer.from_pretrained(str(text.minilm_folder())).save_pretrained(tmp_path)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.BertModel(transformers.BertConfig(vocab_size=30522, **sizes)).save_pretrained(tmp_path)
    vector = embed_sentences(["turn on the stove"], "bert-base-cased", path=tmp_path)
    assert vector.shape == (1, 32)
    assert vector.abs().max() <= 1  # the pooler ends in a tanh
