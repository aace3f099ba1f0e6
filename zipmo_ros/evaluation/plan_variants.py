"""The planner without its savings: what `MotionPlanner.condition` computes once is computed at every step.

Composed from the planner's public parts, so the networks hold no switches. It exists to be measured and compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zipmo_ros.motion.flow import euler, schedule
from zipmo_ros.motion.layers import KeyValue
from zipmo_ros.motion.zipmo.config import PlannerConfig
from zipmo_ros.motion.zipmo.plan_pass import planned_velocity
from zipmo_ros.motion.zipmo.planner import Conditioning, MotionPlanner


class Saving(NamedTuple):
    name: str
    what: str
    applies: Callable[[PlannerConfig], bool]


def _one_token(config: PlannerConfig) -> bool:
    return config.image_mode == "joint" and config.text is not None and not config.step_token


SAVINGS = (
    Saving("context", "keys and values of the cross-attention, once a plan", lambda _: True),
    Saving("rope", "rotations of the positions, once a plan", lambda _: True),
    Saving("norms", "adaptive norms of all steps in one pass", lambda _: True),
    Saving("image", "projection of the image tokens, once a plan", lambda config: config.image_mode == "joint"),
    Saving("one token", "cross-attention to one token as the constant that it is", _one_token),
)


def applicable(config: PlannerConfig) -> list[Saving]:
    """The savings that this planner's architecture has room for."""
    return [saving for saving in SAVINGS if saving.applies(config)]


@torch.no_grad()
def plan(planner: MotionPlanner, images: Tensor, text: Tensor, noise: Tensor, steps: int) -> Tensor:
    """The implementation as it is: images [1, V, H, W, 3], text [1, D], noise [1, L, C] -> latent [1, L, C]."""
    return euler(planned_velocity(planner, planner.condition(images, text), steps), noise, steps)


@torch.no_grad()
def plan_without(
    planner: MotionPlanner, images: Tensor, text: Tensor, noise: Tensor, steps: int, without: frozenset[str]
) -> Tensor:
    """`plan`, with the savings named in `without` undone. Frames and sentence are encoded once all the same.

    Raises ValueError for a name that is no saving of this planner.
    """
    names = {saving.name for saving in applicable(planner.config)}
    if unknown := without - names:
        raise ValueError(f"this planner has no saving {', '.join(sorted(unknown))}; it has {', '.join(sorted(names))}")
    parts = _parts(planner, images, text, "one token" in without)
    once = {name: part() for name, part in parts.items() if name not in without}
    times = schedule(steps)
    gains: dict[float, Any] = {}

    def velocity(z: Tensor, t: float) -> Tensor:
        values = {name: once[name] if name in once else part() for name, part in parts.items()}
        conditioning = Conditioning(values["rope"], values["context"], values["image"], values["norms"])
        if "norms" in without:
            return planner.velocity(z, t, conditioning)
        if not gains:
            gains.update(zip(times, planner.scheduled_gains(times, conditioning), strict=True))
        return planner.velocity(z, t, conditioning, gains[t])

    return euler(velocity, noise, steps)


def _parts(planner: MotionPlanner, images: Tensor, text: Tensor, spread: bool) -> dict[str, Callable[[], Any]]:
    """What makes up a Conditioning, each as a call to be made once or at every step."""
    config, backbone = planner.config, planner.backbone
    image_tokens = planner.with_view(planner.encode_images(images, text))
    tokens, mask = planner.sentence_context(text)
    positions = tokens.new_zeros(*tokens.shape[:2], 3)
    joint = config.image_mode == "joint"
    latent_positions = torch.cat([planner.latent_pos, planner.image_pos]) if joint else planner.latent_pos
    if not joint:
        mask = None if mask is None else torch.cat([mask.new_ones(image_tokens.shape[:2]), mask], dim=1)
        tokens = torch.cat([image_tokens, tokens], dim=1)
        positions = torch.cat([planner.image_pos.expand(len(image_tokens), -1, -1), positions], dim=1)

    def context() -> list[KeyValue]:
        layers = backbone.context(tokens, positions, mask)
        # A token and its twin give what the token alone gives, but by way of all queries and the softmax.
        return [KeyValue(*(x.expand(-1, -1, 2, -1) for x in layer[:2])) for layer in layers] if spread else layers

    return {
        "context": context,
        "rope": lambda: backbone.rope(latent_positions),
        "image": lambda: planner.in_proj.cond_proj(image_tokens) if joint else None,
        "norms": lambda: planner.text_norm(planner.sentence(text)) if config.norm_by_text else None,
    }
