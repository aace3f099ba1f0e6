"""The image encoder's own loss, beside that of what reads its tokens."""

from __future__ import annotations

from torch import Tensor

from zipmo_ros.motion.pointer import Pointing, pointing_loss


def with_pointing(
    name: str, loss: Tensor, pointing: Pointing | None, places: Tensor, grid: int, weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """`loss` plus `weight` times that of pointing at `places` (see pointing_loss), and both to log, `loss` as `name`.

    pointing None, of an encoder that points at nothing: `loss` alone.
    """
    if pointing is None:
        return loss, {}
    pointed = pointing_loss(pointing, places, grid)
    return loss + weight * pointed, {name: loss.detach(), "pointing": pointed.detach()}
