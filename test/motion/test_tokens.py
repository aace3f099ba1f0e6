"""Sentences read by their tokens: padding says nothing, and what the networks make of them."""

import dataclasses

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.config import ImageEncoderConfig, TextConfig, TokenConfig, from_dict, to_dict
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.sentence import SentenceInput, TokenReader
from zipmo_ros.motion.text import embed_for, embed_many, embed_rows, embed_sentences
from zipmo_ros.motion.zipmo.planner import MotionPlanner

from .conftest import CONV_VIEWS, PLANNERS, awaken

TEXT = TextConfig("minilm", 384, tokens=TokenConfig(width=64, depth=1))
IMAGE = dataclasses.replace(CONV_VIEWS, text=TEXT, landmarks=2, understanding=True)
PLANNER = dataclasses.replace(PLANNERS["nano"], text=TEXT, image=IMAGE)
SHORT, LONG = "left bin", "put the milk in the left bin, and not the can, please"


@pytest.fixture(scope="module")
def rows():
    return embed_for(TEXT, [SHORT, LONG])


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return awaken(ConvEncoder(IMAGE))


@pytest.fixture
def planner():
    torch.manual_seed(0)
    return awaken(MotionPlanner(PLANNER))


def images(count):
    return torch.rand(count, 2, 32, 32, 3, generator=torch.Generator().manual_seed(1))


def test_rows_are_the_vector_and_the_tokens(rows):
    assert torch.equal(rows[:, 0], embed_sentences([SHORT, LONG]))
    short, long = embed_rows([SHORT, LONG])
    assert rows.shape == (2, len(long), 384)
    assert torch.equal(rows[0, : len(short)], short)
    assert not rows[0, len(short) :].any()
    assert (short != 0).any(-1).all()


@torch.no_grad()
def test_padding_says_nothing(rows, encoder, planner):
    alone = embed_for(TEXT, [SHORT])
    for model in (encoder, planner.image_encoder):
        _, together = model.look(images(2), rows)
        _, single = model.look(images(2)[:1], alone)
        torch.testing.assert_close(together.logits[:1], single.logits, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together.understood[:1], single.understood, atol=1e-5, rtol=1e-4)
    z = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(2))
    together = planner.velocity(z, torch.tensor(0.5), planner.condition(images(2), rows))
    single = planner.velocity(z[:1], torch.tensor(0.5), planner.condition(images(2)[:1], alone))
    torch.testing.assert_close(together[:1], single, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_every_part_reads_the_tokens(rows, encoder, planner):
    """Two sentences, one image: other places, another verdict, another motion; the pooled vector is not looked at."""
    pictures = images(1).expand(2, -1, -1, -1, -1)
    tokens, pointing = encoder.look(pictures, rows)
    for part in (tokens, pointing.logits, pointing.understood):
        assert not torch.allclose(part[0], part[1], atol=1e-3)
    z = torch.randn(1, 8, 16, generator=torch.Generator().manual_seed(2)).expand(2, -1, -1)
    image_tokens = planner.encode_images(pictures, rows)[:1].expand(2, -1, -1)
    conditioning = planner.condition(image_tokens=image_tokens, text=rows)
    moved = planner.velocity(z, torch.tensor(0.5), conditioning)
    assert not torch.allclose(moved[0], moved[1], atol=1e-3)
    other = rows.clone()
    other[:, 0] = 0
    assert torch.equal(encoder.look(pictures, other)[1].logits, pointing.logits)


@torch.no_grad()
@pytest.mark.parametrize("reads", ["tokens", "vectors"])
def test_several_sentences_of_an_image_are_as_if_each_had_its_own(rows, encoder, reads):
    torch.manual_seed(0)
    texts = torch.cat([rows, rows.flip(0)])
    if reads == "vectors":
        encoder, texts = awaken(ConvEncoder(dataclasses.replace(CONV_VIEWS, landmarks=2))), texts[:, 0]
    tokens, pointing = encoder.look(images(2), texts)
    each, pointed = encoder.look(images(2).repeat_interleave(2, 0), texts)
    torch.testing.assert_close(tokens, each, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(pointing.logits, pointed.logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(pointing.places, pointed.places, atol=1e-5, rtol=1e-4)
    for wrong in (texts[:3], texts[:1]):
        with pytest.raises(ValueError, match=f"{len(wrong)} texts can't be told of 2 images"):
            encoder.look(images(2), wrong)


def test_tokens_are_dropped_in_training_alone(rows):
    torch.manual_seed(0)
    reader = TokenReader(384, TokenConfig(dropout=0.5, word_dropout=0.5))
    trained = reader(rows)
    assert trained.mask.sum() < reader.eval()(rows).mask.sum()
    assert torch.equal(reader(rows).tokens, reader(rows).tokens)


@torch.no_grad()
def test_a_hidden_sentence_is_every_sentence(rows, planner):
    hidden = planner.condition(images(1).expand(2, -1, -1, -1, -1), rows, drop_text=torch.tensor([True, True]))
    for layer in hidden.context:
        attended = layer.value * layer.mask.transpose(-1, -2)
        torch.testing.assert_close(attended[0], attended[1])
    torch.testing.assert_close(hidden.norm[0], hidden.norm[1])
    half = planner.condition(images(1).expand(2, -1, -1, -1, -1), rows, drop_text=torch.tensor([True, False]))
    torch.testing.assert_close(half.norm[0], hidden.norm[0])
    assert not torch.allclose(half.norm[1], hidden.norm[1])


def test_what_reads_tokens_takes_no_vectors_and_the_other_way(rows, planner):
    with pytest.raises(ValueError, match=r"rows of tokens \[B, 1 \+ L, D\], got \[2, 384\]"):
        SentenceInput(TEXT).read(rows[:, 0])
    with pytest.raises(ValueError, match=r"vectors \[B, D\], got"):
        SentenceInput(dataclasses.replace(TEXT, tokens=None)).read(rows)
    with pytest.raises(ValueError, match=r"text must be rows of tokens"):
        planner.condition(images(2), rows[:, 0])


def test_it_is_saved_and_loaded(planner, tmp_path):
    checkpoint.save(tmp_path, planner)
    loaded = checkpoint.load(tmp_path, MotionPlanner)
    assert loaded.config == PLANNER
    assert loaded.config.image.text.tokens == TEXT.tokens


def test_configurations_from_before_there_were_tokens_are_read():
    plain = to_dict(CONV_VIEWS)
    for name in ("understanding", "understood_at"):
        del plain[name]
    del plain["text"]["tokens"]
    assert from_dict(ImageEncoderConfig, plain) == CONV_VIEWS
    del plain["landmarks"]
    with pytest.raises(ValueError, match="lacks landmarks"):
        from_dict(ImageEncoderConfig, plain)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dataclasses.replace(IMAGE, text=CONV_VIEWS.text), "reads its tokens and points"),
        (lambda: dataclasses.replace(IMAGE, landmarks=0), "reads its tokens and points"),
        (lambda: dataclasses.replace(TEXT, standardised=True), "vectors are standardised, tokens are not"),
        (lambda: dataclasses.replace(PLANNER, text=CONV_VIEWS.text), "both, or neither"),
        (lambda: dataclasses.replace(PLANNER, text_depth=1), "neither step_token nor text_depth"),
    ],
)
def test_what_does_not_go_together_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_states_of_several_layers_stand_side_by_side():
    text = TextConfig("minilm", 768, tokens=TokenConfig(width=64, depth=1, layers=(3, 6)))
    both, last = embed_for(text, [SHORT, LONG]), embed_for(TEXT, [SHORT, LONG])
    assert torch.equal(both[:, 1:, 384:], last[:, 1:])
    third = dataclasses.replace(text, width=384, tokens=dataclasses.replace(text.tokens, layers=(3,)))
    assert torch.equal(both[:, 1:, :384], embed_for(third, [SHORT, LONG])[:, 1:])
    assert not torch.allclose(both[:, 1:, :384], both[:, 1:, 384:], atol=0.1)
    several = pad_sequence(embed_many([SHORT, LONG], "minilm", (3, 6)), batch_first=True)
    torch.testing.assert_close(several, both, atol=1e-4, rtol=1e-3)


def test_layers_that_there_are_not_are_refused():
    with pytest.raises(ValueError, match=r"minilm's layers \(3, 6\) have a text width of 768, not 384"):
        TextConfig("minilm", 384, tokens=TokenConfig(layers=(3, 6)))
    with pytest.raises(ValueError, match=r"minilm has layers 0 \(of words alone\) to 6, not \[7\]"):
        TextConfig("minilm", 384, tokens=TokenConfig(layers=(7,)))
