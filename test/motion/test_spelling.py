"""Typing errors: what is mended, and what is left as it was said."""

import logging

import pytest
import torch

from zipmo_ros.motion.config import TextConfig, TokenConfig
from zipmo_ros.motion.spelling import mended
from zipmo_ros.motion.text import embed_for

TEXT = TextConfig(encoder="minilm", width=384, tokens=TokenConfig())


@pytest.mark.parametrize(("typed", "meant"), [
    ("put hte mikl in the lfet bin", "put the milk in the left bin"),
    ("stakc the geen blokc on the rde one", "stack the green block on the red one"),
    ("Tunr the levre to the rihgt!", "turn the lever to the right!"),
    ("acn", "can"),  # of its own letters, though "an" is commoner
])  # fmt: skip
def test_words_that_are_none_become_the_nearest(typed, meant):
    assert mended(typed).lower() == meant.lower()


@pytest.mark.parametrize("said", [
    "put the banana in the fridge", "inflate the pillow", "don't mend the fence", "isn't it Tuesday?", "fold the towel",
    "xqzvvk", "a b 12 3.5 R2D2",
])  # fmt: skip
def test_words_and_what_resembles_none_stay(said):
    assert mended(said) == said


def test_a_model_that_reads_tokens_reads_what_is_meant_and_says_so(caplog):
    typed, meant = "put teh milk in the left bun bin", "put the milk in the left bun bin"
    with caplog.at_level(logging.INFO):
        assert torch.equal(embed_for(TEXT, [typed]), embed_for(TEXT, [meant]))
    assert f"'{typed}' is read as '{meant}'" in caplog.text
    vectors = TextConfig(encoder="minilm", width=384)
    assert not torch.equal(embed_for(vectors, [typed]), embed_for(vectors, [meant]))
