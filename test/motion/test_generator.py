"""From images and a sentence to tracks, as the nodes use it."""

import logging

import numpy as np
import pytest
import torch

from zipmo_ros.motion import checkpoint, text
from zipmo_ros.motion.flow import plan_noise
from zipmo_ros.motion.text import embed_sentences
from zipmo_ros.motion.zipmo.generator import MotionGenerator
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

from .conftest import PLANNERS, VAES, awaken

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    bundle = tmp_path_factory.mktemp("bundle")
    torch.manual_seed(0)
    checkpoint.save(bundle / "vae", awaken(TrackVAE(VAES["nano"])))
    checkpoint.save(bundle / "planner", awaken(MotionPlanner(PLANNERS["nano"])))
    return MotionGenerator.load(bundle)


def test_plan_depends_on_everything_and_on_nothing_else(generator):
    noise = plan_noise(0, 1000, generator.noise_shape)
    z = generator.plan(IMAGES, "open the drawer", noise)
    assert z.shape == generator.latent_shape == (2, 2, 2, 16)
    assert z.dtype == np.float32
    assert np.array_equal(z, generator.plan(IMAGES, " open  the drawer ", noise.reshape(generator.latent_shape)))
    assert np.array_equal(z, generator.plan(IMAGES, "open the drawer", noise, steps=generator.planner.config.steps))
    for other in (
        generator.plan(IMAGES[::-1], "open the drawer", noise),
        generator.plan(IMAGES, "close the drawer", noise),
        generator.plan(IMAGES, "open the drawer", np.random.default_rng(1)),
        generator.plan(IMAGES, "open the drawer", noise, steps=1),
    ):
        assert np.abs(other - z).max() > 1e-4


def test_decode_and_encode(generator):
    z = generator.plan(IMAGES, "open the drawer", np.random.default_rng(0))
    queries = np.random.default_rng(1).uniform(-0.9, 0.9, (2, 5, 2)).astype(np.float32)
    tracks = generator.decode(z, IMAGES, queries)
    assert tracks.shape == (2, 5, 16, 2)
    assert generator.decode(z, IMAGES, queries, steps=64).shape == (2, 5, 64, 2)
    assert generator.encode(tracks, IMAGES).shape == generator.latent_shape


def test_wrong_inputs_are_named(generator):
    with pytest.raises(ValueError, match="must not be empty"):
        generator.plan(IMAGES, "  ", np.random.default_rng(0))
    with pytest.raises(ValueError, match="noise must have shape"):
        generator.plan(IMAGES, "go", np.zeros((3, 16), np.float32))
    with pytest.raises(ValueError, match="views"):
        generator.plan(IMAGES[:1], "go", np.random.default_rng(0))
    with pytest.raises(ValueError, match="embedding must have shape"):
        generator.decode(np.zeros((1, 2, 2, 16), np.float32), IMAGES, np.zeros((2, 1, 2), np.float32))
    with pytest.raises(ValueError, match="disagree"):
        MotionGenerator(
            TrackVAE(VAES["nano"]),
            MotionPlanner(PLANNERS["nano"].__class__(**{**vars(PLANNERS["nano"]), "latent_grid": 4})),
        )


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
