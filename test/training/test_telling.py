"""What frames are told: their own sentence, others of their scene, and what can't be done."""

import dataclasses

import pytest
import torch
from synthetic_demonstrations import write_suite

from zipmo_ros.contract.share import share_path
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.motion.config import TextConfig, TokenConfig
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.telling import TellingOptions, ToldFrames, any_of_scene, own, tell
from zipmo_ros.training.wordings import load_words

SAYS = {"red": "turn the lever to the left", "blue": "turn the lever to the right"}
TOKENS = TextConfig("minilm", 384, tokens=TokenConfig())
SEVERAL = 5


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    return DemonstrationWindows.load(
        write_suite(tmp_path_factory.mktemp("told"), says=SAYS), images=False, tracks=False
    )


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_own_sentence_comes_first_and_then_those_of_the_scene(windows, generator):
    indices = torch.tensor([3, 70, 100])
    choice = own(windows, indices) + any_of_scene(windows, indices, SEVERAL - 1, generator)
    assert choice.rows.shape == (3, SEVERAL)
    assert torch.equal(choice.rows[:, 0], windows.sentence[indices])
    torch.testing.assert_close(choice.places[:, 0], windows.own_landmarks(indices), equal_nan=True)
    for number, window in enumerate(indices):
        there = {int(row) for row in windows.told[window] if row >= 0}
        assert set(choice.rows[number, 1:].tolist()) == there, "as many as there are, then anew"
        for row, places in zip(choice.rows[number], choice.places[number], strict=True):
            column = windows.told[window].tolist().index(int(row))
            torch.testing.assert_close(places, windows.landmarks[window, column].float(), equal_nan=True)


def test_demonstrations_that_do_not_say_where_sentences_point_are_counted(windows):
    windows.check_told()
    told = windows.told.clone()
    told[windows.demo == windows.demo[-1]] = -1
    count = len(windows.demo.unique())
    with pytest.raises(ValueError, match=f"1 of {count} demonstrations do not say where"):
        dataclasses.replace(windows, told=told).check_told()
    with pytest.raises(ValueError, match=f"{count} of {count} demonstrations do not say where"):
        dataclasses.replace(windows, told=told[:, :0]).check_told()


def test_what_cannot_be_done_points_nowhere(windows, generator, tmp_path):
    rules = load_words(str(share_path("config/wordings/train.yaml")), 3)
    sentences, indices = Sentences(windows, TOKENS, rules, tmp_path), torch.tensor([3, 70])
    choice = own(windows, indices) + any_of_scene(windows, indices, SEVERAL - 1, generator)
    cannot = torch.zeros(2, SEVERAL, dtype=torch.bool)
    cannot[1, 2] = True
    shifts = torch.full((2, len(windows.views), 2), 0.25)
    told = choice.told(sentences, indices, shifts, cannot, generator)
    assert len(told.text) == 2 * SEVERAL
    assert torch.equal(told.can, (~cannot.flatten()).float())
    expected = (choice.places + 0.25).flatten(0, 1)
    assert told.places[SEVERAL + 2].isnan().all()
    others = ~cannot.flatten()
    torch.testing.assert_close(told.places[others], expected[others], equal_nan=True)
    assert choice.told(sentences, indices, shifts, None, generator).can is None


def test_its_own_sentence_can_always_be_done(windows, generator, tmp_path):
    rules = load_words(str(share_path("config/wordings/train.yaml")), 3)
    sentences, indices = Sentences(windows, TOKENS, rules, tmp_path), torch.arange(20)
    shifts = torch.zeros(20, len(windows.views), 2)
    told = tell(windows, sentences, indices, shifts, TellingOptions(SEVERAL, 0.9, 1.0), generator)
    can = told.can.view(20, SEVERAL)
    assert (can[:, 0] == 1).all()
    assert 0.7 < float((can[:, 1:] == 0).float().mean()) < 1.0
    alone = tell(windows, sentences, indices, shifts, None, generator)
    assert (len(alone.text), alone.can) == (20, None)


@pytest.mark.parametrize(("sentences", "impossible"), [(0, 0.4), (8, 1.0), (8, -0.1)])
def test_telling_that_teaches_nothing_is_refused(sentences, impossible):
    with pytest.raises(ValueError, match="told at least one sentence"):
        TellingOptions(sentences, impossible, 1.0)


def test_nothing_is_asked_of_what_is_hidden():
    """Of two sentences the hidden one may be pointed at and understood in any way: the loss is that of the other."""

    class Hiding:
        def hide(self, text, rows):
            return text.masked_fill(rows[:, None], 0.0)

    told = ToldFrames(torch.ones(2, 4), torch.zeros(2, 1, 2, 2), torch.tensor([1.0, 1.0]))
    hidden = told.hidden(torch.tensor([True]), Hiding())  # of one frame
    assert (hidden.text[0] == 0).all()
    assert (hidden.text[1] == 1).all()

    def loss(first, second):
        logits = torch.zeros(2, 1, 2, 4)
        logits[0], logits[1] = first, second
        pointing = Pointing(logits.cumsum(-1), torch.zeros(2, 1, 2, 4, 2), torch.tensor([first, second]))
        return float(hidden.loss(pointing, 2, 1.0)[0])

    assert loss(5.0, 1.0) == loss(-5.0, 1.0)
    assert loss(5.0, 1.0) != loss(5.0, -1.0)
