"""ARFM's networks: who sees what, and that its release's mistakes are not made."""

import dataclasses

import pytest
import torch
from einops import repeat

from zipmo_ros.motion.arfm.config import ArfmConfig, EditConfig, arfm_nano, arfm_paper
from zipmo_ros.motion.arfm.fusion import FusionCache
from zipmo_ros.motion.arfm.predictor import MotionPredictor
from zipmo_ros.motion.arfm.queries import QueryPredictor, draw_points, movement
from zipmo_ros.motion.arfm.sampling import following
from zipmo_ros.motion.arfm.track_features import TrackFeatureExtractor
from zipmo_ros.motion.config import TokenConfig, from_dict, to_dict
from zipmo_ros.motion.flow import interpolate
from zipmo_ros.motion.layers import KeyValue

from .arfm_models import TINY, context_of, inputs, tiny
from .conftest import awaken


@pytest.fixture(scope="module")
def model():
    return tiny()


def differs(a, b, tolerance=1e-6):
    """Which entries of the last axis but one, the steps, differ."""
    return (a - b).abs().amax(dim=(0, 1, 3)) > tolerance


@torch.no_grad()
def features(model, images, text, points, **context):
    (one,) = context_of(model, images, text, points.shape[3], **context)
    return model.features(one, points)


@torch.no_grad()
def test_track_features_see_motion():
    """Defect 1: the release's tokens hold neither shifts nor y."""
    torch.manual_seed(0)
    extractor = TrackFeatureExtractor(width=64, depth=1, views=2, steps=6).eval()
    tracks = torch.rand(1, 2, 4, 6, 2) - 0.5
    seen = extractor(tracks)
    assert seen.shape == (1, 64)
    for change in (
        (slice(None), slice(None), slice(None), slice(1, None)),  # every later position
        (0, 1, 2, 5),  # one
        (Ellipsis, 0),  # y alone, of all
    ):
        other = tracks.clone()
        other[change] += 0.1
        assert (extractor(other) - seen).abs().max() > 1e-4
    valid = torch.ones(1, 2, 4, dtype=torch.bool)
    valid[0, 1, 3] = False
    other = tracks.clone()
    other[0, 1, 3] = 9.0
    torch.testing.assert_close(extractor(other, valid), extractor(tracks, valid), atol=1e-6, rtol=0)
    assert (extractor(tracks.flip(1)) - seen).abs().max() > 1e-4, "views are told apart"


def test_a_step_sees_its_frame_and_says_whether_it_does(model):
    """Defect 2: time and points are not mistaken for each other."""
    images, text, points = inputs()
    base, one = features(model, images, text, points), points.clone()
    newer = images.clone()
    newer[1::2] = 255 - newer[1::2]  # the frame of step 2, of both samples
    assert differs(features(model, newer, text, points), base).tolist() == [False, False, True, True]
    unseen = features(model, images[::2].repeat_interleave(2, 0), text, points)
    early = features(model, images[::2], text, points, frame_steps=(0,))
    assert differs(unseen, early).tolist() == [False, True, True, True], "the same frame, but not of this step"
    one[:, 0, 3, 1] = -one[:, 0, 3, 1]
    moved = (features(model, images, text, one) - base).abs().amax(dim=(0, 3)) > 1e-6
    assert moved[:, 0].sum() == 0, "the future changes nothing"
    assert moved[:, 1:].all(), "and all points hear of it"


def test_every_point_of_a_step_gets_the_same_flag(model):
    (context,) = context_of(model, *inputs(1)[:2], 4, frame_steps=(0, 2))
    points = inputs(1)[2]
    seen = model.sites(context, points)
    other = model.sites(dataclasses.replace(context, seen=torch.tensor([[True, True, False, False]])), points)
    change = other - seen
    assert change[:, :, [0, 1, 3]].abs().max() == 0
    local = change[0, : 2 * TINY.points, 2]
    torch.testing.assert_close(local, local[:1].expand_as(local))
    assert local.abs().max() > 1e-3


def test_the_newest_frame_and_what_counts_as_seen():
    frame_of, seen = following((0, 2, 5), 8)
    assert frame_of.tolist() == [[0, 0, 1, 1, 1, 2, 2, 2]]
    assert seen.tolist() == [[True] * 6 + [False] * 2]
    frame_of, seen = following((1,), 3)
    assert (frame_of.tolist(), seen.tolist()) == ([[0, 0, 0]], [[True, True, False]])


@torch.no_grad()
def test_what_is_hidden_is_hidden_and_the_rest_is_read(model):
    """Defect 3: the sentence that is to be dropped is, and no other."""
    images, text, points = inputs()
    hidden, sample = torch.tensor([True, False]), torch.tensor([0, 0, 1, 1])
    frame_of, seen = (part.expand(2, -1) for part in following((0, 2), 4))
    frame_of = frame_of + torch.tensor([[0], [2]])

    def told(text):
        frames, _ = model.look(images, text[sample], hidden[sample])
        context = model.context(frames, frame_of, seen, text, hidden)
        return torch.cat([model.features(context, points).flatten(1), context.text], dim=1)

    change = (told(-text) - told(text)).abs().amax(dim=1)
    assert change[0] == 0
    assert change[1] > 1e-3


@torch.no_grad()
def test_points_that_are_not_there_have_no_influence(model):
    """Defect 6: a mask masks, in the fusion and in the head."""
    images, text, points = inputs()
    (context,) = context_of(model, images, text, 4)
    valid = torch.ones(2, 2 * TINY.points, dtype=torch.bool)
    valid[0, 3] = valid[1, 7:] = False
    other = points.clone()
    other.flatten(1, 2)[~valid] = 0.77
    ours, theirs = (model.features(context, p, valid)[valid] for p in (points, other))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    assert (model.features(context, other)[valid] - model.features(context, points)[valid]).abs().max() > 1e-4
    assert (ours - model.features(context, points)[valid]).abs().max() > 1e-4, "the others see that they are not there"

    z, h = torch.randn(2, 10, 2), torch.randn(2, 10, TINY.width)
    wild = torch.where(valid[..., None], z, 5.0)
    arguments = (torch.tensor([0.3, 0.9]), h, torch.zeros_like(z), context.text)
    velocity = model.velocity(z, *arguments, valid)
    torch.testing.assert_close(model.velocity(wild, *arguments, valid)[valid], velocity[valid], atol=1e-6, rtol=0)
    assert (model.velocity(wild, *arguments)[valid] - velocity[valid]).abs().max() > 1e-3
    nobody = model.velocity(z, *arguments, torch.zeros_like(valid))
    assert nobody.isfinite().all()


@torch.no_grad()
def test_a_sentence_read_once_is_as_if_repeated_at_every_site():
    """What the paper does: its tokens before the steps of every site."""
    torch.manual_seed(0)
    fusion = awaken(MotionPredictor(TINY)).fusion
    words, x = torch.randn(2, 3, 64), torch.randn(2, 7, 4, 64)
    counted = torch.tensor([[True, True, True], [True, False, False]])
    once, _ = fusion(x, fusion.read(words).at_sites(7))
    whole = torch.cat([repeat(words, "b m d -> b s m d", s=7), x], dim=2)
    nothing = FusionCache([KeyValue(*torch.empty(2, 2 * 7, 1, 0, 64)) for _ in range(TINY.depth // 2)], None)
    plain, _ = fusion(whole, nothing)
    torch.testing.assert_close(once, plain[:, :, 3:], atol=1e-5, rtol=1e-5)
    some, _ = fusion(x, fusion.read(words, counted).at_sites(7))
    other = torch.where(counted[..., None], words, 9.0)
    torch.testing.assert_close(fusion(x, fusion.read(other, counted).at_sites(7))[0], some, atol=1e-6, rtol=0)
    torch.testing.assert_close(some[0], once[0], atol=1e-6, rtol=0)
    assert (some[1] - once[1]).abs().max() > 1e-4


@torch.no_grad()
def test_tokens_are_read_however_long_the_others_are():
    """A sentence padded for a longer one, one that is hidden, and words one after the other."""
    text = dataclasses.replace(TINY.text, tokens=TokenConfig(width=64, depth=1))
    model = tiny(text=text, image=dataclasses.replace(TINY.image, text=text))
    images, _, points = inputs(1)
    rows = torch.randn(1, 6, 384, generator=torch.Generator().manual_seed(2))
    padded = torch.cat([rows, torch.zeros(1, 4, 384)], dim=1)

    def told(rows, **hidden):
        frames, _ = model.look(images, rows.expand(2, -1, -1), **{k: v.expand(2) for k, v in hidden.items()})
        frame_of, seen = following((0, 2), 4)
        context = model.context(frames, frame_of, seen, rows, **hidden)
        return torch.cat([model.features(context, points).flatten(1), context.text], dim=1)

    torch.testing.assert_close(told(padded), told(rows), atol=1e-5, rtol=1e-5)
    for other in (rows[:, [0, 2, 1, 3, 4, 5]], rows[:, :5], -rows):
        assert (told(other) - told(rows)).abs().max() > 1e-3
    hidden = torch.tensor([True])
    torch.testing.assert_close(told(-padded, hidden=hidden), told(rows, hidden=hidden), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_step_by_step_is_as_all_at_once(model):
    images, text, points = inputs()
    (context,) = context_of(model, images, text, 4)
    whole = model.features(context, points)
    cache, parts = context.words.at_sites(2 * TINY.points + 8), []
    for steps in (slice(0, 2), slice(2, 3), slice(3, 4)):
        sites = model.sites(context, points[:, :, :, steps], steps.start)
        part, cache = model.fuse(sites, cache, 2 * TINY.points)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=2), whole, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_order_of_points_means_nothing(model):
    images, text, points = inputs()
    order = torch.tensor([3, 0, 4, 1, 2])
    (context,) = context_of(model, images, text, 4)
    fused = model.features(context, points).unflatten(1, (2, 5))
    torch.testing.assert_close(
        model.features(context, points[:, :, order]).unflatten(1, (2, 5)), fused[:, :, order], atol=1e-5, rtol=1e-5
    )


def test_sizes():
    """The paper's size as its sheet counts it (millions): the release has a head of 4 layers without the last shift."""
    with torch.device("meta"):
        released = MotionPredictor(dataclasses.replace(arfm_paper(), head_depth=4, previous_shift=False))
        paper = MotionPredictor(arfm_paper())
        extractor = TrackFeatureExtractor()
        nano = MotionPredictor(arfm_nano())

    def count(*parts):
        sizes = (part.numel() if isinstance(part, torch.Tensor) else sum(p.numel() for p in part.parameters())
                 for part in parts)  # fmt: skip
        return round(sum(sizes) / 1e6, 2)

    assert count(released.fusion) == 84.99
    assert count(released.head) == 45.06
    assert count(released.local_proj) == 0.27
    assert count(released.global_proj) == 0.59
    assert count(released.word_proj, released.text_proj, released.no_words, released.no_text) == 0.81
    assert count(paper.head) > count(released.head) + 21
    assert round(count(extractor), 1) == 85.5
    assert (count(paper.encoders.clip), count(paper.encoders.text)) == (87.46, 63.17)
    assert not any(parameter.requires_grad for parameter in paper.encoders.parameters())
    assert 2 < count(nano) < 5
    with torch.device("meta"):
        images, ids = torch.empty(2, 1, 256, 256, 3), torch.empty(1, 32, dtype=torch.int64)
        frames, _ = paper.look(images, ids)
        assert [tuple(level.shape) for level in frames.maps] == [
            (2, 1, 128**2, 32), (2, 1, 64**2, 64), (2, 1, 32**2, 256)
        ]  # fmt: skip
        frame_of = torch.empty(1, 3, dtype=torch.int64)
        context = paper.context(frames, frame_of, frame_of.bool(), ids)
        assert paper.features(context, torch.empty(1, 1, 9, 3, 2)).shape == (1, 9, 3, 768)


def test_configurations():
    for config in (arfm_nano(), arfm_paper(), TINY):
        assert from_dict(ArfmConfig, to_dict(config)) == config
    for changes, words in (
        ({"context": 3}, "context must hold the 15 steps"),
        ({"objective": "guess"}, "unknown objective 'guess'"),
        ({"global_grid": 3}, "global_grid 3 does not divide"),
        ({"text": None}, "both given"),
        ({"views": 1}, "encoder of 1 views"),
    ):
        with pytest.raises(ValueError, match=words):
            dataclasses.replace(TINY, **changes)
    with pytest.raises(ValueError, match="rule must be"):
        EditConfig(rule="guess")
    with pytest.raises(ValueError, match="looks at 2 views"):
        tiny().look(torch.zeros(1, 1, 32, 32, 3, dtype=torch.uint8), torch.zeros(1, 384))


def test_movement_by_hand():
    """Of steps that are visible at both ends, one more than there are."""
    tracks = torch.zeros(2, 4, 2)
    tracks[0, :, 0] = torch.tensor([0.0, 0.1, 0.1, 0.3])
    tracks[1, :, 1] = torch.tensor([0.0, 0.2, 0.4, 0.6])
    visible = torch.tensor([[True, True, True, True], [True, True, False, True]])
    expected = torch.tensor([(1.0 + 0 + 4) / 4, 4.0 / 2])
    torch.testing.assert_close(movement(tracks, visible, scale=10.0), expected)


def test_moving_points_are_drawn_as_the_softmax_says():
    moved = torch.tensor([0.0, 2.0, 100.0, 4.0]).expand(20000, 4)
    uniform = torch.rand(moved.shape, generator=torch.Generator().manual_seed(0))
    first = draw_points(moved, uniform, 1, temperature=0.5)
    share = torch.bincount(first[:, 0], minlength=4) / len(first)
    torch.testing.assert_close(share, torch.tensor([0.0, 1.0, 10.0, 2.0]).softmax(0), atol=0.01, rtol=0)
    eligible = torch.tensor([True, True, False, False]).expand_as(moved)
    assert (draw_points(moved, uniform, 2, 0.5, eligible) < 2).all()
    three = draw_points(moved, uniform, 3, 0.5, eligible)
    assert (three[:, :2] < 2).all()
    assert (three[:, 2] == 2).float().mean() > 0.99
    with pytest.raises(ValueError, match="5 points are asked for"):
        draw_points(moved, uniform, 5, 0.5)


def test_expected_movement_is_learned():
    torch.manual_seed(0)
    predictor = QueryPredictor(32)
    features = torch.randn(256, 32)
    moved = 6 * (features[:, 0] > 0).float() + 50 * (features[:, 1] > 1)
    optimiser = torch.optim.Adam(predictor.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        predictor.loss(features, moved, 0.5).backward()
        optimiser.step()
    with torch.no_grad():
        expected = predictor(features)
    assert (expected - moved.clamp(max=20)).abs().mean() < 1.5, "beyond 20 it makes no difference to the draw"


@torch.no_grad()
def test_the_head_is_told_where_the_encoder_points():
    """And points where they are; without `places` neither matters."""
    images, text, points = inputs(frames=1, steps=1)
    for places in (True, False):
        model = tiny(places=places)
        context = context_of(model, images, text, 1, frame_steps=(0,))[0]
        pointed = context.frames.pointed
        assert pointed.shape == (2, 2 * 1 * 3)
        sure = pointed.unflatten(1, (2, 1, 3))[..., 0]
        assert ((sure > 0) & (sure <= 1)).all()
        elsewhere = context.frames._replace(pointed=pointed + 0.5)
        other = model.context(elsewhere, context.frame_of, context.seen, text)
        assert torch.equal(other.text, context.text) != places
        sites = model.sites(context, points)
        same_cell = points + 1e-4
        assert torch.equal(model.sites(context, same_cell), sites) != places


@torch.no_grad()
def test_a_preconditioned_head_says_what_the_noise_does_not():
    """Before it has learned anything, the velocity is the best linear one in the noisy shifts, if those are normal."""
    generator = torch.Generator().manual_seed(0)
    shift, noise = torch.randn(2, 4, 5000, 2, generator=generator)
    nothing = torch.zeros(4, 5000, TINY.width), torch.zeros(4, 5000, 2), torch.zeros(4, TINY.width)
    t = torch.tensor([0.1, 0.5, 0.8, 1.0])
    model = MotionPredictor(dataclasses.replace(TINY, preconditioned=True))
    z = interpolate(shift, noise, t)
    left = noise - shift - model.velocity(z, t, *nothing)
    assert (left * z).mean(dim=(1, 2)).abs().max() < 0.05, "nothing is left that the noisy shift tells"
    spread = (1 - t).square() + t.square()
    torch.testing.assert_close(left.square().mean(dim=(1, 2)) * spread, torch.ones(4), atol=0.05, rtol=0)
    plain = MotionPredictor(TINY)
    assert not plain.velocity(z, t, *nothing).any()


def test_places_need_an_encoder_that_points():
    with pytest.raises(ValueError, match="landmarks"):
        dataclasses.replace(TINY, image=dataclasses.replace(TINY.image, landmarks=0), places=True)
