"""Training with wordings by rules: models that read tokens, and say what they do not understand."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from zipmo_ros.apps import train
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.share import share_path
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.data.wordings import Family
from zipmo_ros.models import load_planner
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.config import TextConfig, TokenConfig
from zipmo_ros.motion.pointer import DOUBT, understanding_loss
from zipmo_ros.motion.text import embed_for
from zipmo_ros.motion.zipmo.adapter import ZipmoPlanner
from zipmo_ros.motion.zipmo.config import vae_nano
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.understanding import parting
from zipmo_ros.training.wordings import PLACES, DrawnWordings, load_words

SAYS = {"red": "turn the lever to the left", "blue": "turn the lever to the right"}
RULES = str(share_path("config/wordings/train.yaml"))
QUICK = ["model=words", "wordings=2", "train.max_steps=2", "train.warmup_steps=1", "stage.batch_size=4",
         "stage.validation_windows=8", "train.bf16=false"]  # fmt: skip
TOKENS = TextConfig("minilm", 384, tokens=TokenConfig())
VECTORS = TextConfig("minilm", 384)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    from synthetic_demonstrations import write_suite

    return write_suite(tmp_path_factory.mktemp("told"), says=SAYS)


@pytest.fixture(scope="module")
def bundle(told, tmp_path_factory):
    """An autoencoder as it begins; grounding, planner and bc, two steps each."""
    root = tmp_path_factory.mktemp("words")
    keys = [f"data={told}", f"cache={root}/cache", f"rephrasings={RULES}", *QUICK]
    checkpoint.save(root / "vae", TrackVAE(vae_nano()))
    assert train.main(["grounding", f"out={root}/grounding", "stage.telling.sentences=2", *keys]) == 0
    assert train.main(["planner", f"out={root}/planner", f"vae={root}/vae", f"encoder={root}/grounding",
                       "stage.point_draws=1", *keys]) == 0  # fmt: skip
    assert train.main(["bc", f"out={root}/bc", f"encoder={root}/grounding", *keys]) == 0
    return root


def test_a_bundle_says_whether_it_understands(bundle):
    robot = load_robot()
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    seen = Observation(0, 0, dict(zip(robot.views, images, strict=True)), np.zeros(9, np.float32))
    planner = ZipmoPlanner.load(bundle, robot, Execution())
    plan = planner.plan(seen, Sentence("push the stick left"), 0)
    assert 0 < plan.understood < 1
    places, understood = planner.point(seen, Sentence("push the stick left"))
    assert places.shape == (2, 2, 2)
    assert understood == plan.understood


@pytest.mark.parametrize(
    ("stage", "own", "within"),
    [
        ("planner", ["vae={bundle}/vae", "stage.point_draws=1"], "image_encoder."),
        ("arfm", ["+model.arfm.points=4"], "encoders.images."),
        ("atm", ["stage.points=4"], "image_encoder."),
        ("bc", [], "image_encoder."),
    ],
)
def test_a_frozen_encoder_stays_as_it_was_trained(stage, own, within, bundle, told, tmp_path):
    keys = [f"data={told}", f"cache={bundle}/cache", f"rephrasings={RULES}", *QUICK, "freeze=encoder"]
    made = [stage, f"out={tmp_path}/made", *(key.format(bundle=bundle) for key in own), *keys]
    assert train.main([*made, f"encoder={bundle}/grounding"]) == 0
    folders = bundle / "grounding", tmp_path / "made"
    encoder, whole = (load_file(folder / "model.safetensors") for folder in folders)
    kept = {name.removeprefix(within): values for name, values in whole.items() if name.startswith(within)}
    assert kept.keys() == encoder.keys()
    assert all(torch.equal(kept[name], encoder[name]) for name in encoder)
    before, after = (json.loads((folder / "config.json").read_text())["config"] for folder in folders)
    assert after["image"]["understood_at"] == before["understood_at"]
    if (begun := bundle / stage / "model.safetensors").exists():  # of which the encoder learned along
        unfrozen = load_file(begun)
        assert not all(torch.equal(unfrozen[name], whole[name]) for name in unfrozen)
    assert train.main(made) == 2  # of an encoder that nothing has trained


def test_what_reads_can_be_kept_alone(bundle, told, tmp_path, capsys):
    """The eyes go on learning; what counts as understood is judged anew."""
    keys = [f"data={told}", f"cache={bundle}/cache", f"rephrasings={RULES}", *QUICK, "freeze=reading"]
    made = ["planner", f"out={tmp_path}/made", f"vae={bundle}/vae", "stage.point_draws=1", *keys]
    assert train.main([*made, f"encoder={bundle}/grounding"]) == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (bundle / "grounding", tmp_path / "made"))
    same = {name for name, values in before.items() if torch.equal(values, after[f"image_encoder.{name}"])}
    reading = {name for name in before if name.startswith(("sentence.", "pointer.queries.", "understanding."))}
    assert reading <= same
    assert not same & {"stems.0.weight", "pointer.point.weight"}
    assert '"validation/refused"' in (tmp_path / "made/run/metrics.jsonl").read_text()
    capsys.readouterr()
    assert train.main([*made, "freeze=mouth"]) == 2
    assert "one of none, reading, encoder" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["arfm", "atm"])
def test_planners_of_tracks_read_as_their_encoder_does(stage, bundle, told, tmp_path):
    """Given an encoder that reads tokens they do, too, and go on learning what they do not understand."""
    small = {"arfm": "+model.arfm.points=4", "atm": "stage.points=4"}[stage]
    keys = [f"data={told}", f"cache={bundle}/cache", f"rephrasings={RULES}", *QUICK[1:], small]
    out = f"out={tmp_path}/bundle/planner"
    assert train.main([stage, out, f"encoder={bundle}/grounding", *keys]) == 0
    logged = (tmp_path / "bundle/planner/run/metrics.jsonl").read_text()
    assert '"understanding"' in logged
    assert '"validation/refused"' in logged
    config = json.loads((tmp_path / "bundle/planner/config.json").read_text())["config"]
    assert config["text"] == config["image"]["text"]
    assert config["text"]["tokens"]
    assert config["image"]["understood_at"] != 0
    robot = load_robot()
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    seen = Observation(0, 0, dict(zip(robot.views, images, strict=True)))
    plan = load_planner(stage, tmp_path / "bundle", robot, Execution()).plan(seen, Sentence("push the stick left"), 0)
    assert 0 < plan.understood < 1


def test_what_counts_as_understood_is_in_the_checkpoint(bundle):
    for stage in ("grounding", "planner"):
        description = json.loads((bundle / stage / "config.json").read_text())
        config = description["config"] if stage == "grounding" else description["config"]["image"]
        assert config["understood_at"] != 0.0
        assert description["meta"]["training"]["rephrasings"] == RULES
        metrics = (bundle / stage / "run" / "metrics.jsonl").read_text()
        assert "validation/refused" in metrics
        assert "understanding" in metrics


def test_refusing_needs_rules(told, tmp_path, capsys):
    keys = [f"data={told}", f"out={tmp_path}/grounding", "cache=null", *QUICK]
    assert train.main(["grounding", *keys]) == 2
    assert "rephrasings=config/wordings/train.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("config", [TOKENS, VECTORS], ids=["tokens", "vectors"])
def test_sentences_are_drawn_as_themselves_in_other_words_and_as_what_cannot_be_done(told, config, tmp_path):
    windows = DemonstrationWindows.load(told, images=False, tracks=False)
    words = Sentences(windows, config, load_words(RULES, 3), tmp_path)
    indices, generator = torch.arange(60), torch.Generator().manual_seed(0)
    rows = windows.sentence[indices]
    cannot = torch.arange(60) % 2 == 0
    drawn = words.draw(indices, rows, generator, cannot)
    own = words.own(rows)

    def same(a, b):
        length = min(a.shape[0], b.shape[0])
        return bool(torch.equal(a[:length], b[:length]))

    as_they_are = torch.tensor([same(a, b) for a, b in zip(drawn, own, strict=True)])
    assert not as_they_are[cannot].any()
    assert 0.1 < as_they_are[~cannot].float().mean() < 0.9
    texts = [windows.sentences[row] for row in rows]
    for found, text in zip(own, texts, strict=True):  # kept in half precision
        exact = embed_for(config, [text])[0]
        torch.testing.assert_close(found[: len(exact)], exact, atol=4e-3, rtol=1e-3)
    again = Sentences(windows, config, load_words(RULES, 3), tmp_path)  # out of the cache
    assert torch.equal(again.draw(indices, rows, torch.Generator().manual_seed(0), cannot), drawn)


def test_places_are_said_by_where_things_stand_when_a_demonstration_begins():
    sentences = tuple(f"stack the {a} block on the {b} block" for a, b in (("red", "green"), ("blue", "red")))
    marks = torch.zeros(3, 2, 2, 2, 2)
    across = {"red": 0.5, "green": 0.0, "blue": -0.5}
    for k, pair in enumerate((("red", "green"), ("blue", "red"))):
        for which, name in enumerate(pair):
            marks[:, k, 0, which, 1] = across[name]
    marks[1] = 0.3  # later everything is elsewhere
    windows = type("Windows", (), {"begins": DemonstrationWindows.begins})()
    windows.demo, windows.told = torch.tensor([0, 0, 1]), torch.tensor([[0, 1], [0, 1], [0, -1]])
    windows.landmarks, windows.sentences = marks, sentences
    words = DrawnWordings(Family.load("train"), 2)
    standing = words.standing(windows)
    assert [[PLACES[place] for place in row] for row in standing[0]] == [["right", "middle"], ["left", "right"]]
    assert torch.equal(standing[1], standing[0])
    assert not standing[2].any()  # where the blue one is, nothing says: two are no row
    ways = dict(words.variants(sentences[0], sentences))
    assert len(ways) == 1 + 3 * 2
    assert all(len(texts) == 2 for texts in ways.values())


def test_the_loss_of_understanding_is_least_where_some_doubt_is_left():
    sure = math.log((1 - DOUBT) / DOUBT)
    for understood, sign in ((True, 1), (False, -1)):
        losses = [float(understanding_loss(torch.tensor([sign * logit]), torch.tensor([understood])))
                  for logit in (-4.0, 0.0, sure, 2 * sure)]  # fmt: skip
        assert losses[0] > losses[1] > losses[3] > losses[2]


def test_what_is_understood_parts_what_can_be_done_from_what_cannot():
    possible, impossible = torch.tensor([3.0, 2.0, 1.0, -1.9]), torch.tensor([-2.0, -2.1, 0.0, -3.0])
    assert parting(possible, impossible) == pytest.approx(-1.95)  # three of four, none falsely; at 0.5 all, one falsely
    assert parting(possible, torch.tensor([-2.0, -2.1, -1.0, 0.0])) == pytest.approx(0.5)  # all, for one falsely
    assert parting(torch.tensor([1.0]), torch.tensor([-1.0])) == 0.0
