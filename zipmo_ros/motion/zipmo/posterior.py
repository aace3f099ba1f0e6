"""Gaussian posterior over latents."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Posterior(NamedTuple):
    """Mean and log-variance, [B, tokens, channels] each. Deterministic use takes the mean."""

    mean: Tensor
    logvar: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """mean + std * noise; no clamp on the log-variance, as in the reference."""
        return self.mean + (0.5 * self.logvar).exp() * noise

    def kl(self) -> Tensor:
        """KL divergence to N(0, 1): summed over channels, averaged over tokens and batch (as in the reference)."""
        return 0.5 * (self.mean.square() + self.logvar.exp() - 1 - self.logvar).sum(dim=-1).mean()
