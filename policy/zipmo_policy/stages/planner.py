"""Training the planner: flow matching to the latents of the true tracks, given images and sentence."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zipmo_policy.augmentation import AugmentConfig, augment
from zipmo_policy.behaviour_cloning import BehaviourCloning
from zipmo_policy.dataset import VIEWS
from zipmo_policy.latents import cached, draw_row, encode_images, encode_tracks
from zipmo_policy.points import TrackErrors
from zipmo_policy.stages.stage import Stage, common, model_config, options
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.config import PlannerConfig, planner_base_libero, planner_nano
from zipmo_ros.motion.flow import euler, logit_normal_times
from zipmo_ros.motion.losses import flow_matching_loss
from zipmo_ros.motion.planner import Conditioning, MotionPlanner
from zipmo_ros.motion.text import embed_sentences
from zipmo_ros.motion.vae import TrackVAE

VALIDATION_STEPS = (1, 4, 10)
TRACK_STEPS = 4
# The per-view errors are of plans with TRACK_STEPS evaluations; these are the ones on the screen.
HEADLINE = (
    "latent_mse_nfe1",
    "latent_mse_nfe4",
    *(f"{view}_{name}" for view in VIEWS for name in ("mse", "still_mse", "floor_mse")),
)


@dataclass(frozen=True)
class PlannerOptions:
    """See config/hydra/stage/planner.yaml."""

    batch_size: int = 24
    draws: int = 4
    encoder: str = "frozen"
    image_copies: int = 3
    augment: AugmentConfig | None = field(default_factory=AugmentConfig)
    time_mean: float = 1.0
    time_std: float = 1.2
    drop_text: float = 0.1
    drop_frame: float = 0.0
    point_draws: int = 2
    moving_weight: float = 7.0
    validation_windows: int = 256

    def __post_init__(self) -> None:
        if self.encoder not in ("frozen", "unlocked"):
            raise ValueError(f"stage.encoder must be frozen or unlocked, got '{self.encoder}'")
        if not (0 <= self.drop_text < 1 and 0 <= self.drop_frame < 1):
            raise ValueError(f"drop_text and drop_frame are probabilities, got {self.drop_text} and {self.drop_frame}")


@dataclass(frozen=True)
class PlanBatch:
    """Either images or their tokens [B, S, D]; text [B, D]; latents [B, L, C], normalised; dropped text and frame
    [B] bool.
    """

    images: Tensor | None
    tokens: Tensor | None
    text: Tensor
    latents: Tensor
    drop_text: Tensor
    drop_frame: Tensor | None


def track_latents(
    vae_dir: Path | str, windows, cache: Path | str | None, draws: int, moving_weight: float
) -> tuple[TrackVAE, Tensor]:
    """The trained autoencoder, and its latents of all windows [W, draws, L, C]; see `encode_tracks`."""
    vae = checkpoint.load(vae_dir, TrackVAE)
    points = checkpoint.read_description(vae_dir)["meta"].get("points_in", 40)
    name = (
        f"latents-{checkpoint.content_hash(vae_dir)[:12]}-{windows.data_hash[:12]}-{draws}x{points}-{moving_weight:g}"
    )
    return vae, cached(cache, name, lambda: encode_tracks(vae, windows, points, draws, moving_weight, seed=0))


class PlannerStage(Stage):
    headline = HEADLINE

    def __init__(
        self,
        windows,
        model: MotionPlanner,
        vae: TrackVAE,
        latents: Tensor,
        options: PlannerOptions,
        bf16: bool = False,
        **common,
    ):
        super().__init__(windows, **common)
        self.options, self.latents = options, latents
        self.model, self.vae = model.to(self.device), vae.to(self.device)
        self.frozen = options.encoder == "frozen"
        self.text = embed_sentences(list(windows.sentences), model.config.text.encoder)
        if self.frozen:
            model.image_encoder.requires_grad_(False)
            copies = max(1, options.image_copies)
            self.tokens = encode_images(model.eval(), windows, self.text, copies, options.augment, bf16, self.seed)
        self.batches = self.make_batches(options.batch_size, self.collate)
        self.sources: dict[str, str] = {}

    @classmethod
    def create(cls, windows, settings: dict[str, Any]) -> PlannerStage:
        stage_options: PlannerOptions = options(PlannerOptions, settings)
        model = initial_planner(settings)
        vae, latents = track_latents(
            settings["vae"], windows, settings["cache"], stage_options.point_draws, stage_options.moving_weight
        )
        if latents.shape[2:] != (model.config.latent_tokens, model.config.latent_channels):
            expected = [model.config.latent_tokens, model.config.latent_channels]
            raise ValueError(
                f"the planner makes latents {expected}, but {settings['vae']} has {list(latents.shape[2:])}"
            )
        stage = cls(windows, model, vae, latents, stage_options, settings["train"]["bf16"], **common(settings))
        stage.sources = sources(settings, "vae", "bc", "init")
        return stage

    def collate(self, indices: Tensor, generator: torch.Generator) -> PlanBatch:
        images = tokens = None
        if self.frozen:
            tokens = draw_row(self.tokens, indices, generator).to(self.device)
        else:
            images = augment(self.windows.images[indices], self.options.augment, generator)[0].to(self.device)
        count, options = len(indices), self.options
        drop_text = torch.rand(count, generator=generator) < options.drop_text
        drop_frame = torch.rand(count, generator=generator) < options.drop_frame if options.drop_frame else None
        return PlanBatch(
            images=images,
            tokens=tokens,
            text=self.text[self.windows.sentence[indices]].to(self.device),
            latents=draw_row(self.latents, indices, generator).to(self.device),
            drop_text=drop_text.to(self.device),
            drop_frame=None if drop_frame is None else drop_frame.to(self.device),
        )

    def loss(self, model: nn.Module, batch: PlanBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        conditioning = model.condition(
            batch.images, batch.text, image_tokens=batch.tokens, drop_text=batch.drop_text, drop_frame=batch.drop_frame
        )
        count = len(batch.latents) * self.options.draws
        noise = torch.randn(count, *batch.latents.shape[1:], generator=generator, device=generator.device)
        t = logit_normal_times(
            count, generator, generator.device, mean=self.options.time_mean, std=self.options.time_std
        )
        return flow_matching_loss(lambda z, t: model.velocity(z, t, conditioning).float(), batch.latents, noise, t), {}

    def condition(self, model: nn.Module, indices: Tensor) -> Conditioning:
        """On plain images."""
        text = self.text[self.windows.sentence[indices]].to(self.device)
        if self.frozen:
            return model.condition(text=text, image_tokens=self.tokens[indices, 0].float().to(self.device))
        return model.condition(self.windows.images[indices].to(self.device), text)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Latent error for several numbers of evaluations; track errors of the plans, of "nothing moves" and of the
        autoencoder.
        """
        generator, errors = torch.Generator().manual_seed(self.seed), TrackErrors()
        squares = {steps: [] for steps in VALIDATION_STEPS}
        for chosen in self.validation_indices(self.options.validation_windows).split(64):
            target = self.latents[chosen, 0].float().to(self.device)
            noise = torch.randn(target.shape, generator=generator).to(self.device)
            conditioning = self.condition(model, chosen)

            def velocity(z: Tensor, t: float, conditioning: Conditioning = conditioning) -> Tensor:
                return model.velocity(z, torch.full((len(z),), t, device=z.device), conditioning)

            for steps in VALIDATION_STEPS:
                plan = euler(velocity, noise, steps)
                squares[steps].append((plan - target).square().mean(dim=(1, 2)))
                if steps == TRACK_STEPS:
                    self.add_track_errors(errors, chosen, plan, "")
            self.add_track_errors(errors, chosen, target, "floor_")
        latent = {f"latent_mse_nfe{steps}": float(torch.cat(values).mean()) for steps, values in squares.items()}
        return {**latent, **{name: value for name, value in errors.means().items() if "floor_still" not in name}}

    def add_track_errors(self, errors: TrackErrors, chosen: Tensor, plan: Tensor, prefix: str) -> None:
        """Over the points that were drawn uniformly in the image (the second half of those stored), view by view."""
        points = slice(self.windows.tracks.shape[2] // 2, None)
        for number, (view, latents) in enumerate(zip(VIEWS, plan.chunk(len(VIEWS), dim=1), strict=True)):
            tracks = self.windows.tracks[chosen, number, points].float().to(self.device)
            images = self.windows.images[chosen, number].to(self.device)
            predicted = self.vae.decode(self.vae.denormalise(latents), tracks[:, :, 0], images)
            moving = self.windows.moving[chosen, number, points].to(self.device)
            errors.add(predicted, tracks, moving, prefix=f"{view}_{prefix}")

    def save(self, model: nn.Module, directory: Path, meta: dict) -> None:
        checkpoint.save(directory, model, {**meta, "sources": self.sources})


def sources(settings: dict[str, Any], *names: str) -> dict[str, str]:
    """Content hashes of the checkpoints that a stage built on."""
    return {name: checkpoint.content_hash(settings[name]) for name in names if settings[name]}


def initial_planner(settings: dict[str, Any]) -> MotionPlanner:
    """The weights of `init=DIR`; or a new planner, with the image encoder of `bc=DIR` if that is given."""
    if settings["init"]:
        return checkpoint.load(settings["init"], MotionPlanner)
    preset = {"nano": planner_nano, "base": planner_base_libero}[settings["model"]["preset"]]()
    config: PlannerConfig = model_config(preset, settings["model"]["planner"])
    if not settings["bc"]:
        if settings["stage"]["encoder"] == "frozen" and config.image.kind == "conv":
            raise ValueError(
                "stage.encoder=frozen needs a trained image encoder: bc=DIR or init=DIR; or stage.encoder=unlocked"
            )
        return MotionPlanner(config)
    cloning = checkpoint.load(settings["bc"], BehaviourCloning)
    model = MotionPlanner(dataclasses.replace(config, image=cloning.config.image))
    model.image_encoder.load_state_dict(cloning.image_encoder.state_dict())
    return model
