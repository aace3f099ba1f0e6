"""The track autoencoder: symmetries, padding, statistics, and that it learns."""

import dataclasses

import pytest
import torch

from zipmo_ros.motion.losses import vae_loss
from zipmo_ros.motion.metrics import endpoint_error
from zipmo_ros.motion.zipmo.config import vae_nano
from zipmo_ros.motion.zipmo.vae import TrackVAE

from .conftest import VAES


@pytest.fixture
def batch(vae):
    generator = torch.Generator().manual_seed(3)
    steps = vae.config.clip_samples
    start = 1.6 * torch.rand(2, 6, 1, 2, generator=generator) - 0.8
    tracks = start + 0.02 * torch.randn(2, 6, steps, 2, generator=generator).cumsum(dim=2)
    return tracks, torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def test_permuting_tracks_keeps_latents_and_permuting_queries_permutes_the_answer(vae, batch):
    tracks, image = batch
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    latents = vae.encode(tracks, image).mean
    torch.testing.assert_close(vae.encode(tracks[:, order], image).mean, latents, rtol=0, atol=1e-5)
    queries = tracks[:, :, 0]
    decoded = vae.decode(latents, queries, image)
    assert decoded.shape == tracks.shape
    torch.testing.assert_close(vae.decode(latents, queries[:, order], image), decoded[:, order], rtol=0, atol=1e-5)
    assert (decoded[:, 0] - decoded[:, 1]).abs().max() > 1e-3


@torch.no_grad()
def test_padding_has_no_influence(vae, batch):
    tracks, image = batch
    alone = vae.encode(tracks[:, :4], image).mean
    valid = torch.tensor([[True] * 4 + [False] * 2] * 2)
    torch.testing.assert_close(vae.encode(tracks, image, valid=valid).mean, alone, rtol=0, atol=1e-5)
    wild = torch.cat([tracks[:, :4], 5 * torch.randn(2, 2, *tracks.shape[2:])], dim=1)
    torch.testing.assert_close(vae.encode(wild, image, valid=valid).mean, alone, rtol=0, atol=1e-5)
    assert (vae.encode(wild, image).mean - alone).abs().max() > 1e-3


@torch.no_grad()
def test_queries_see_each_other_only_when_joint(vae, batch):
    tracks, image = batch
    latents, queries = vae.encode(tracks, image).mean, tracks[:, :, 0]
    difference = (vae.decode(latents, queries, image)[:, :2] - vae.decode(latents, queries[:, :2], image)).abs().max()
    assert (difference > 1e-4) == (vae.config.queries == "joint")


@torch.no_grad()
def test_dense_decoding_is_decoding_of_a_grid(vae, batch):
    from zipmo_ros.motion.rope import grid_positions

    tracks, image = batch
    latents = vae.encode(tracks, image).mean[:1]
    dense = vae.decode_dense(latents, image[:1], grid=4, chunk=2)
    assert dense.shape == (1, 4, 4, vae.config.clip_samples, 2)
    corners = grid_positions(4)[[0, 2, 8, 10]][None]  # every other point, as one strided chunk
    torch.testing.assert_close(
        vae.decode(latents, corners, image[:1])[0], dense[0, ::2, ::2].reshape(4, -1, 2), rtol=0, atol=1e-5
    )


@torch.no_grad()
def test_any_number_of_time_samples(vae, batch):
    tracks, image = batch
    latents = vae.encode(tracks, image).mean
    native = vae.decode(latents, tracks[:, :, 0], image)
    longer = vae.decode(latents, tracks[:, :, 0], image, steps=4 * native.shape[2])
    assert longer.shape[2] == 4 * native.shape[2]
    if vae.config.samples_per_token > 1:  # resampled between the same end points
        torch.testing.assert_close(longer[:, :, [0, -1]], native[:, :, [0, -1]], rtol=0, atol=1e-6)


def test_wrong_tracks_are_named(vae, batch):
    tracks, image = batch
    with pytest.raises(ValueError, match="B, N, T, 2"):
        vae.encode(tracks[0], image)
    with pytest.raises(ValueError, match="start frame"):
        vae.encode(tracks)
    if vae.config.samples_per_token > 1:
        with pytest.raises(ValueError, match="16 samples"):
            vae.encode(tracks[:, :, :12], image)


def test_statistics_round_trip(vae):
    z = torch.randn(2, 4, 16)
    assert torch.allclose(vae.denormalise(vae.normalise(z)), z, atol=1e-5)
    vae.set_statistics(torch.arange(16.0), torch.full((16,), 2.0))
    torch.testing.assert_close(vae.normalise(z), (z - torch.arange(16.0)) / 2)
    vae.set_statistics(**vae.statistics())
    with pytest.raises(ValueError, match="1 or 16"):
        vae.set_statistics([0.0] * 3, [1.0] * 3)
    with pytest.raises(ValueError, match="positive"):
        vae.set_statistics([0.0], [0.0])


def test_an_untrained_nano_predicts_points_that_stay():
    vae = TrackVAE(VAES["nano"])
    queries = torch.rand(1, 5, 2)
    decoded = vae.decode(torch.randn(1, 4, 16), queries, torch.zeros(1, 32, 32, 3))
    assert torch.equal(decoded, queries[:, :, None].expand_as(decoded))


def test_nano_learns_to_reconstruct():
    """Points that drift with a velocity of their sample: the latent must carry it."""
    torch.manual_seed(0)
    vae = TrackVAE(dataclasses.replace(VAES["nano"], latent_grid=2))
    optimiser = torch.optim.AdamW(vae.parameters(), lr=1e-3)
    image = torch.zeros(16, 32, 32, 3)
    time = torch.linspace(0, 1, 16)[:, None]
    for _ in range(300):
        velocity, starts = 0.6 * torch.rand(16, 1, 1, 2) - 0.3, 1.6 * torch.rand(16, 24, 1, 2) - 0.8
        tracks = starts + velocity * time
        predicted, posterior = vae(tracks[:, :8], tracks[:, :, 0], image, torch.randn(16, 4, 16))
        loss, *_ = vae_loss(predicted, tracks, posterior, kl_weight=1e-5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    held_out = slice(8, None)
    still = endpoint_error(tracks[:, held_out, :1], tracks[:, held_out])[..., -1].mean()
    error = endpoint_error(predicted[:, held_out], tracks[:, held_out])[..., -1].mean()
    assert error < 0.4 * still, f"end-point error {error:.2f} px, no motion {still:.2f} px"


def test_nano_is_small():
    assert sum(p.numel() for p in TrackVAE(vae_nano()).parameters()) < 2e6
