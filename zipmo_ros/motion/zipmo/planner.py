"""Motion planner: the velocity of a flow over latents, given frames and a sentence or pokes (as in the reference).

Flow time runs from t = 1 (noise) to t = 0 (data); the network predicts noise - data. It knows nothing of samplers:
`condition` computes once what no step changes, `velocity` is one evaluation.
Symbols: B batch, V views, L = V * H * W latent tokens, S image tokens of all views, C latent channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.motion.fourier import MappingNetwork, PointEmbedding, TimeFeatures
from zipmo_ros.motion.image_encoder import make_image_encoder
from zipmo_ros.motion.layers import KeyValue, LayerGains, LayerRope, Transformer
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.motion.rope import grid_positions
from zipmo_ros.motion.sentence import SentenceInput
from zipmo_ros.motion.zipmo.config import PlannerConfig
from zipmo_ros.motion.zipmo.pokes import PokeContext, PokeEmbedding, poke_context


@dataclass(frozen=True)
class Conditioning:
    """All that stays the same over the steps of a plan.

    rope: rotations of every layer.
    context: keys and values of every layer's cross-attention.
    image: projected image tokens of the joint self-attention [B, S, D], or None.
    norm: the sentence's share of the adaptive norms [B, time_width], or None.
    """

    rope: list[LayerRope]
    context: list[KeyValue]
    image: Tensor | None = None
    norm: Tensor | None = None

    def __len__(self) -> int:
        return len(self.context[0].key)


class InProjection(nn.Module):
    """Latents, and image tokens where they share the self-attention, into the trunk's width."""

    def __init__(self, channels: int, width: int, image_width: int | None):
        super().__init__()
        self.proj = nn.Linear(channels, width, bias=False)
        if image_width is not None:
            self.cond_proj = nn.Linear(image_width, width, bias=False)


class OutProjection(nn.Module):
    def __init__(self, width: int, channels: int):
        super().__init__()
        self.proj = nn.Linear(width, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class MotionPlanner(nn.Module):
    kind = "planner"
    config_class = PlannerConfig

    def __init__(self, config: PlannerConfig):
        super().__init__()
        self.config = config
        width, context_width = config.width, config.context_width
        joint = config.image_mode == "joint"
        views = () if config.views == 1 else (config.views,)
        self.image_encoder = make_image_encoder(config.image)
        self.learnable_emb_dino = nn.Parameter(0.02 * torch.randn(*views, context_width))
        if config.views > 1:
            self.learnable_emb_grid_tokens = nn.Parameter(0.02 * torch.randn(config.views, width))
        if config.pokes or config.carries_poke_embedding:
            self.track_cond_emb = PokeEmbedding(context_width)
        if config.text:
            self.sentence = SentenceInput(config.text)
            if config.text.read_width != context_width:
                self.text_in = nn.Linear(config.text.read_width, context_width)
            self.text_encoder = Transformer(context_width, config.text_depth, rope="1d")
            self.ca_mask_token = nn.Parameter(0.02 * torch.randn(context_width))
        if config.step_token:
            self.start_t_mapping = PointEmbedding(1, context_width, 10 * math.pi)
        if config.norm_by_text:
            self.text_norm = nn.Linear(config.text.read_width, config.time_width)
        self.time_emb = TimeFeatures(config.time_width)
        self.time_in_proj = nn.Linear(config.time_width, config.time_width, bias=False)
        self.mapping = MappingNetwork(config.time_width, config.mapping_depth, config.mapping_hidden)
        self.in_proj = InProjection(config.latent_channels, width, context_width if joint else None)
        self.backbone = Transformer(
            width,
            config.depth,
            rope=config.self_rope,
            ff_ratio=config.ff_ratio,
            context_width=context_width,
            cross_rope=config.cross_rope,
            cond_width=config.time_width,
        )
        self.out_proj = OutProjection(width, config.latent_channels)
        latent, image = grid_positions(config.latent_grid, 0.0), grid_positions(config.image.grid, config.image_time)
        self.register_buffer("latent_pos", latent.repeat(config.views, 1), persistent=False)
        self.register_buffer("image_pos", image.repeat(config.views, 1), persistent=False)

    def condition(
        self,
        images: Tensor | None = None,
        text: Tensor | None = None,
        pokes: Tensor | None = None,
        step: Tensor | None = None,
        *,
        image_tokens: Tensor | None = None,
        drop_text: Tensor | None = None,
        drop_frame: Tensor | None = None,
    ) -> Conditioning:
        """Everything step-independent.

        images: [B, V, H, W, 3] (or [B, H, W, 3] for one view), uint8 or [-1, 1]; or `image_tokens` [B, S, Di] from
        `encode_images`. text: [B, Dt] or [B, 1, Dt], the sentence encoder's vector, unscaled; or rows of tokens
        [B, 1 + L, Dt], for a planner that reads those. pokes: [B, P, 5]. step: [B], the episode step, int64 as in the
        reference.
        drop_text, drop_frame [B] bool: what training hides. All text dropped, or no pokes, is the unconditional branch.
        """
        text = self._checked_text(text)
        seen_text = text if text is None or drop_text is None else self.sentence.hide(text, drop_text)
        if image_tokens is None:
            image_tokens = self.encode_images(images, seen_text)
        if drop_frame is not None:
            image_tokens = torch.where(drop_frame[:, None, None], self.ca_mask_token, image_tokens)
        image_tokens = self.with_view(image_tokens)
        mask = None
        if self.config.text:
            tokens, mask = self.sentence_context(text, step, drop_text)
            tokens = PokeContext(tokens, tokens.new_zeros(1, tokens.shape[1], 3))  # of all samples
        else:
            tokens = self.poke_context(pokes, len(image_tokens))
        norm = self.text_norm(self.sentence(seen_text)) if self.config.norm_by_text else None

        if self.config.image_mode == "joint":
            positions = torch.cat([self.latent_pos, self.image_pos])
            context = self.backbone.context(*tokens, mask)
            return Conditioning(self.backbone.rope(positions), context, self.in_proj.cond_proj(image_tokens), norm)
        image_positions = self.image_pos.expand(len(tokens.positions), -1, -1)
        if mask is not None:
            mask = torch.cat([mask.new_ones(image_tokens.shape[:2]), mask], dim=1)
        context = self.backbone.context(
            torch.cat([image_tokens, tokens.tokens], dim=1), torch.cat([image_positions, tokens.positions], dim=1), mask
        )
        return Conditioning(self.backbone.rope(self.latent_pos), context, None, norm)

    def encode_images(self, images: Tensor, text: Tensor | None = None) -> Tensor:
        """[B, V, H, W, 3] (or [B, H, W, 3]) -> image tokens [B, S, Di], views outer; text for a conv encoder."""
        return self.look(images, text)[0]

    def look(self, images: Tensor, text: Tensor | None = None) -> tuple[Tensor, Pointing | None]:
        """As `encode_images`, and where the image encoder points (None for one that does not)."""
        if images is None:
            raise ValueError("pass images [B, V, H, W, 3] or their image_tokens")
        images = images[:, None] if images.ndim == 4 else images
        if images.ndim != 5 or images.shape[1] != self.config.views:
            raise ValueError(
                f"this planner looks at {self.config.views} views [B, V, H, W, 3], got {tuple(images.shape)}"
            )
        return self.image_encoder.look(images, text)

    def with_view(self, image_tokens: Tensor) -> Tensor:
        """Image tokens plus the embedding that tells them, and the views, apart."""
        return image_tokens + self._per_view(self.learnable_emb_dino, image_tokens.shape[1])

    def poke_context(self, pokes: Tensor | None, batch: int) -> PokeContext:
        """pokes [B, P, 5] or None -> context tokens [B, slots, D] and positions [B, slots, 3]."""
        return poke_context(self.track_cond_emb, self.config.pokes, pokes, batch, self.config.context_width)

    def sentence_context(
        self, text: Tensor, step: Tensor | None = None, drop_text: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Context tokens of a sentence [B, S, D], and which of them are there [B, S] (None: all)."""
        if self.config.text.tokens is None:
            return self.text_context(text, step, drop_text), None
        reading = self.sentence.read(text if drop_text is None else self.sentence.hide(text, drop_text))
        x = self.text_in(reading.tokens) if hasattr(self, "text_in") else reading.tokens
        return x if drop_text is None else torch.where(drop_text[:, None, None], self.ca_mask_token, x), reading.mask

    def text_context(self, text: Tensor, step: Tensor | None = None, drop_text: Tensor | None = None) -> Tensor:
        """text [B, Dt] -> context tokens [B, 1 or 2, D]: the sentence and, in TraMoE planners, the episode step."""
        x = self.sentence(self._checked_text(text))
        x = (self.text_in(x) if hasattr(self, "text_in") else x)[:, None]
        x = self.text_encoder(x, self.text_encoder.rope(x.new_zeros(1, 1)))
        if drop_text is not None:
            x = torch.where(drop_text[:, None, None], self.ca_mask_token, x)
        if not self.config.step_token:
            return x
        if step is None:
            raise ValueError("this planner is conditioned by the episode step: pass step [B] (int64)")
        return torch.cat([x, self.start_t_mapping(step[:, None, None])], dim=1)

    def velocity(
        self, z: Tensor, t: Tensor | float, conditioning: Conditioning, gains: list[LayerGains] | None = None
    ) -> Tensor:
        """noise - data at z [B, L, C] (normalised), t [B] or a scalar -> [B, L, C].

        The batch of z may be a multiple of the conditioning's: several noises a window, window-major ("(b draws)").
        `gains`: the layers' norm factors where they were computed ahead (see `gains`).
        """
        x = self.in_proj.proj(z)
        if self.config.views > 1:
            x = x + self._per_view(self.learnable_emb_grid_tokens, z.shape[1])
        if conditioning.image is not None:
            x = torch.cat([x, _draws(conditioning.image, len(z))], dim=1)
        gains = self.gains(t, conditioning, len(z)) if gains is None else gains
        x = self.backbone(x, conditioning.rope, conditioning.context, gains)
        return self.out_proj(x[:, : z.shape[1]])

    forward = velocity

    def gains(self, t: Tensor | float, conditioning: Conditioning, batch: int | None = None) -> list[LayerGains]:
        """Factors of all adaptive norms at time t."""
        cond = self.time_condition(
            torch.as_tensor(t, dtype=torch.float32, device=self.time_emb.weight.device).reshape(-1)
        )
        if conditioning.norm is not None:
            cond = cond + _draws(conditioning.norm, len(conditioning) if batch is None else batch)
        return self.backbone.gains(cond)

    def time_condition(self, t: Tensor) -> Tensor:
        """t [B] in [0, 1] -> [B, time_width]."""
        return self.mapping(self.time_in_proj(self.time_emb(t)))

    def scheduled_gains(self, times: Sequence[float], conditioning: Conditioning) -> list[list[LayerGains]]:
        """`gains` of all times of a schedule, in one pass through the mapping and the norms."""
        batch = len(conditioning)
        t = torch.tensor(times, dtype=torch.float32, device=self.time_emb.weight.device)
        cond = repeat(self.time_condition(t), "s d -> (s b) d", b=batch)
        if conditioning.norm is not None:
            cond = cond + conditioning.norm.repeat(len(times), 1)
        layers = self.backbone.gains(cond)
        return [
            [LayerGains(*(g[i * batch : (i + 1) * batch] for g in layer)) for layer in layers]
            for i in range(len(times))
        ]

    def _per_view(self, embedding: Tensor, tokens: int) -> Tensor:
        """[D] or [V, D] -> broadcastable to [B, tokens, D]."""
        if embedding.ndim == 1:
            return embedding
        return repeat(embedding, "v d -> (v l) d", l=tokens // len(embedding))

    def _checked_text(self, text: Tensor | None) -> Tensor | None:
        if self.config.text is None:
            return None
        if text is None:
            encoder = self.config.text.encoder
            raise ValueError(f"this planner is conditioned by a sentence: pass its {encoder} embedding as text [B, D]")
        if self.config.text.tokens is None:
            text = rearrange(text, "b 1 d -> b d") if text.ndim == 3 and text.shape[1] == 1 else text
        if text.ndim != (2 if self.config.text.tokens is None else 3) or text.shape[-1] != self.config.text.width:
            form = "[B, {}]" if self.config.text.tokens is None else "rows of tokens [B, 1 + L, {}]"
            raise ValueError(f"text must be {form.format(self.config.text.width)}, got {tuple(text.shape)}")
        return text


def _draws(x: Tensor, batch: int) -> Tensor:
    return x if len(x) == batch else x.repeat_interleave(batch // len(x), dim=0)
