"""From frames, goal and noise to a plan's latents in one call of tensors: what an engine carries out."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from zipmo_ros.motion.flow import Velocity, euler, schedule
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.motion.zipmo.planner import Conditioning, MotionPlanner

_TOKENS = 32  # of a sentence, or a multiple of it: so that few lengths are compiled for


def planned_velocity(network: MotionPlanner, conditioning: Conditioning, steps: int, start: float = 1.0) -> Velocity:
    """The planner's velocity on a fixed schedule: adaptive norms of all steps are computed at once, ahead."""
    times = schedule(steps, start)
    gains = dict(zip(times, network.scheduled_gains(times, conditioning), strict=True))
    return lambda z, t: network.velocity(z, t, conditioning, gains[t])


class PlanPass(nn.Module):
    """`steps` of Euler from flow time `start` on."""

    def __init__(self, network: MotionPlanner, steps: int, start: float = 1.0):
        super().__init__()
        self.network, self.steps, self.start = network, steps, start

    def forward(self, images: Tensor, goal: Tensor, z: Tensor, step: Tensor | None = None) -> tuple[Tensor, ...]:
        """images [1, V, H, W, 3]; goal: text or pokes, and step, as MotionPlanner.condition takes them; z [K, L, C] ->
        latents [K, L, C], and the tensors of a Pointing, where the image encoder points.
        """
        text, pokes = (goal, None) if self.network.config.text else (None, goal)
        tokens, pointing = self.network.look(images, text)
        conditioning = self.network.condition(text=text, pokes=pokes, image_tokens=tokens, step=step)
        velocity = planned_velocity(self.network, conditioning, self.steps, self.start)
        z = euler(velocity, z, self.steps, self.start).float()
        parts = () if pointing is None else (pointing.logits, pointing.places, pointing.understood)
        return (z, *(part for part in parts if part is not None))


def pointing_of(parts: tuple[Tensor, ...]) -> Pointing | None:
    """What a PlanPass gave after the latents."""
    return Pointing(*parts) if parts else None


def padded(goal: Tensor) -> Tensor:
    """A sentence's rows of tokens with rows of zeros, which say nothing, up to a length that many share."""
    return F.pad(goal, (0, 0, 0, -goal.shape[1] % _TOKENS)) if goal.ndim == 3 else goal
