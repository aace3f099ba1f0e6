"""The trained head behind numpy: a motion embedding and proprioception in, a chunk of actions out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from zipmo_policy.head import PolicyHead
from zipmo_ros.motion import checkpoint


class Policy:
    """Inverse dynamics of a bundle. Proprioception is standardised by the statistics in the checkpoint."""

    def __init__(self, head: PolicyHead) -> None:
        self.head = head.eval()
        config = head.config
        self.embedding_shape = (config.views, config.latent_grid, config.latent_grid, config.latent_channels)

    @classmethod
    def load(cls, bundle: str | Path, device: str = "cpu") -> Policy:
        """From <bundle>/policy. Raises CheckpointError (a ValueError) when it is missing or does not fit."""
        return cls(checkpoint.load(Path(bundle) / "policy", PolicyHead, device))

    @torch.no_grad()
    def act(self, z: np.ndarray, proprio: np.ndarray) -> np.ndarray:
        """Chunk for the 16 control steps from the observation on: float64 [16, 7] in [-1, 1] (OSC_POSE; gripper -1
        open, +1 close).

        z: normalised motion embedding [V, H, W, C]. proprio: [9], 7 joint angles (rad) and 2 finger positions (m).

        Raises ValueError for a wrong shape, and when an input or the output is not finite (naming which).
        """
        z, proprio = np.asarray(z, np.float32), np.asarray(proprio, np.float32)
        width = self.head.config.proprio_width
        if z.shape != self.embedding_shape:
            raise ValueError(f"the motion embedding has shape {z.shape}, this policy takes {self.embedding_shape}")
        if width and proprio.shape != (width,):
            raise ValueError(f"the proprioception has shape {proprio.shape}, this policy takes ({width},)")
        _check_finite("motion embedding", z)
        _check_finite("proprioception", proprio)
        device = self.head.latent_pos.device
        latents = torch.from_numpy(z.reshape(1, -1, z.shape[-1])).to(device)
        chunk = self.head(latents, torch.from_numpy(proprio)[None].to(device) if width else None)[0]
        actions = chunk.double().cpu().numpy()
        _check_finite("predicted action chunk", actions)
        return actions.clip(-1.0, 1.0)


def _check_finite(name: str, values: np.ndarray) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise ValueError(f"the {name} holds {bad} values that are not finite (of {values.size})")
