"""Training the planner: flow matching to the latents of the true tracks, given images and sentence."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.flow import Velocity, euler, logit_normal_times
from zipmo_ros.motion.losses import flow_matching_loss
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.motion.zipmo.config import PlannerConfig, planner_base_libero, planner_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_ros.training.augmentation import AugmentConfig, augment
from zipmo_ros.training.latents import cached, draw_row, encode_tracks
from zipmo_ros.training.points import TrackErrors
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stage import Stage, common, model_config, options, sentences
from zipmo_ros.training.stages.encoder import keep_if_asked, load_encoder, start_reading_as, understanding
from zipmo_ros.training.stages.grounding import pixels_off, pointing_errors
from zipmo_ros.training.telling import TellingOptions, ToldFrames, tell
from zipmo_ros.training.understanding import Understood

VALIDATION_STEPS = (1, 4, 10)
TRACK_STEPS = 4


@dataclass(frozen=True)
class PlannerOptions:
    """See config/hydra/stage/planner.yaml."""

    batch_size: int
    draws: int
    augment: AugmentConfig | None
    time_mean: float
    time_std: float
    drop_text: float
    drop_frame: float
    pointing_weight: float
    telling: TellingOptions
    point_draws: int
    validation_windows: int

    def __post_init__(self) -> None:
        if not (0 <= self.drop_text < 1 and 0 <= self.drop_frame < 1):
            raise ValueError(f"drop_text and drop_frame are probabilities, got {self.drop_text} and {self.drop_frame}")


@dataclass(frozen=True)
class PlanBatch:
    """images [B, V, H, W, 3], and what they are told, each its own sentence first; latents [B, L, C], normalised;
    dropped text and frame [B] bool.
    """

    images: Tensor
    told: ToldFrames
    latents: Tensor
    drop_text: Tensor
    drop_frame: Tensor | None


def track_latents(vae_dir: Path | str, windows, cache: Path | str | None, draws: int) -> tuple[TrackVAE, Tensor]:
    """The trained autoencoder, and its latents of all windows [W, draws, L, C]; see `encode_tracks`.

    They are kept file by file, so that more demonstrations cost no more than themselves.
    """
    vae = checkpoint.load(vae_dir, TrackVAE)
    points = f"{draws}x{vae.config.points_in}-{vae.config.moving_weight:g}"
    model = checkpoint.content_hash(vae_dir)[:12]
    latents = [
        cached(
            cache,
            f"latents-{model}-{data[:12]}-{points}",
            lambda rows=rows: encode_tracks(vae, windows, rows, draws, seed=0),
        )
        for data, rows in windows.parts
    ]
    return vae, torch.cat(latents)


class PlannerStage(Stage):
    builds_on = ("vae", "encoder", "init")

    def __init__(
        self,
        windows,
        model: MotionPlanner,
        vae: TrackVAE,
        latents: Tensor,
        sentences: Sentences,
        options: PlannerOptions,
        understood: Understood | None = None,
        **common,
    ):
        super().__init__(windows, **common)
        self.options, self.latents, self.sentences, self.understood = options, latents, sentences, understood
        self.telling = options.telling if understood else None
        # The errors by view are of plans with TRACK_STEPS evaluations.
        of_views = ("mse", "another_mse", "still_mse", "floor_mse")
        tracks = (f"{view}_{name}" for view in windows.views for name in of_views)
        self.headline = ("latent_mse_nfe1", "latent_mse_nfe4", *tracks, f"{windows.views[0]}_thing_near")
        self.headline += ("refused", "refused_falsely") if understood else ()
        self.model, self.vae = model.to(self.device), vae.to(self.device)
        self.batches = self.make_batches(options.batch_size, self.collate)

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> PlannerStage:
        stage_options: PlannerOptions = options(PlannerOptions, request)
        model = initial_planner(request)
        vae, latents = track_latents(request.vae, windows, request.cache, stage_options.point_draws)
        if latents.shape[2:] != (model.config.latent_tokens, model.config.latent_channels):
            expected = [model.config.latent_tokens, model.config.latent_channels]
            raise ValueError(f"the planner makes latents {expected}, but {request.vae} has {list(latents.shape[2:])}")
        words = sentences(windows, model.config.text, request)
        if request.encoder or not request.init:
            set_sentence_statistics(model, words.vectors)
        keep_if_asked(model.image_encoder, request)
        understood = understanding(windows, model.image_encoder, words, stage_options.validation_windows, request)
        return cls(windows, model, vae, latents, words, stage_options, understood, **common(request))

    def collate(self, indices: Tensor, generator: torch.Generator) -> PlanBatch:
        images, shifts = augment(self.windows.images[indices], self.options.augment, generator)
        count, options = len(indices), self.options
        drop_text = torch.rand(count, generator=generator) < options.drop_text
        drop_frame = torch.rand(count, generator=generator) < options.drop_frame if options.drop_frame else None
        return PlanBatch(
            images=images.to(self.device),
            told=tell(self.windows, self.sentences, indices, shifts, self.telling, generator).to(self.device),
            latents=draw_row(self.latents, indices, generator).to(self.device),
            drop_text=drop_text.to(self.device),
            drop_frame=None if drop_frame is None else drop_frame.to(self.device),
        )

    def loss(self, model: nn.Module, batch: PlanBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        own = batch.told.first(len(batch.images))
        told = batch.told.hidden(batch.drop_text, model.sentence)
        tokens, pointing = model.image_encoder.look(batch.images, told.text)
        conditioning = model.condition(
            text=told.text[own], image_tokens=tokens[own], drop_text=batch.drop_text, drop_frame=batch.drop_frame
        )
        count = len(batch.latents) * self.options.draws
        noise = torch.randn(count, *batch.latents.shape[1:], generator=generator, device=generator.device)
        t = logit_normal_times(
            count, generator, generator.device, mean=self.options.time_mean, std=self.options.time_std
        )
        flow = flow_matching_loss(lambda z, t: model.velocity(z, t, conditioning).float(), batch.latents, noise, t)
        if pointing is None:
            return flow, {}
        encoding, scalars = told.loss(pointing, model.config.image.grid, self.options.telling.understanding_weight)
        return flow + self.options.pointing_weight * encoding, {"flow": flow.detach(), **scalars}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Latent error for several numbers of evaluations; track errors of the plans, of those when another sentence
        of the scene is told, of "nothing moves" and of the autoencoder; where the image encoder points, if it does;
        what it refuses, if it can.
        """
        generator, errors, distances = torch.Generator().manual_seed(self.seed), TrackErrors(), []
        squares = {steps: [] for steps in VALIDATION_STEPS}
        for chosen in self.validation_indices(self.options.validation_windows).split(64):
            target = self.latents[chosen, 0].float().to(self.device)
            noise = torch.randn(target.shape, generator=generator).to(self.device)
            velocity, pointing = self.told(model, chosen, self.windows.sentence[chosen])
            if pointing is not None:
                distances.append(pixels_off(pointing, self.windows.own_landmarks(chosen).to(self.device)))
            for steps in VALIDATION_STEPS:
                plan = euler(velocity, noise, steps)
                squares[steps].append((plan - target).square().mean(dim=(1, 2)))
                if steps == TRACK_STEPS:
                    self.add_track_errors(errors, chosen, plan, "")
            another, _ = self.told(model, chosen, self.windows.another_sentence(chosen))
            self.add_track_errors(errors, chosen, euler(another, noise, TRACK_STEPS), "another_")
            self.add_track_errors(errors, chosen, target, "floor_")
        latent = {f"latent_mse_nfe{steps}": float(torch.cat(values).mean()) for steps, values in squares.items()}
        twice = ("floor_still", "another_still")
        tracks = {name: value for name, value in errors.means().items() if not any(part in name for part in twice)}
        pointed = pointing_errors(torch.cat(distances), self.windows.views) if distances else {}
        refused = self.understood.figures(model.image_encoder) if self.understood else {}
        return {**latent, **tracks, **pointed, **refused}

    def told(self, model: nn.Module, chosen: Tensor, rows: Tensor) -> tuple[Velocity, Pointing | None]:
        """The velocities of windows' plans when the sentences `rows` [B] are told, and where the encoder points."""
        text = self.sentences.own(rows).to(self.device)
        tokens, pointing = model.image_encoder.look(self.windows.images[chosen].to(self.device), text)
        conditioning = model.condition(text=text, image_tokens=tokens)

        def velocity(z: Tensor, t: float) -> Tensor:
            return model.velocity(z, torch.full((len(z),), t, device=z.device), conditioning)

        return velocity, pointing

    def save(self, model: nn.Module, directory: Path, meta: dict) -> None:
        """With what counts as understood, as the image encoder is now."""
        if self.understood:
            self.understood.calibrate(model.image_encoder)
            model.config = dataclasses.replace(model.config, image=model.image_encoder.config)
        super().save(model, directory, meta)

    def add_track_errors(self, errors: TrackErrors, chosen: Tensor, plan: Tensor, prefix: str) -> None:
        """Over the points that were drawn uniformly in the image (the second half of those stored), view by view."""
        points, views = self.windows.anywhere, self.windows.views
        for number, (view, latents) in enumerate(zip(views, plan.chunk(len(views), dim=1), strict=True)):
            tracks = self.windows.tracks[chosen, number, points].float().to(self.device)
            images = self.windows.images[chosen, number].to(self.device)
            predicted = self.vae.decode(self.vae.denormalise(latents), tracks[:, :, 0], images)
            moving = self.windows.moving[chosen, number, points].to(self.device)
            errors.add(predicted, tracks, moving, prefix=f"{view}_{prefix}")


def initial_planner(request: TrainingRequest) -> MotionPlanner:
    """The weights of `init=DIR`, or a new planner; with the image encoder of `encoder=DIR` if that is given."""
    encoder = load_encoder(request.encoder) if request.encoder else None
    if request.init:
        model = checkpoint.load(request.init, MotionPlanner)
    else:
        presets = {"nano": planner_nano, "base": planner_base_libero}
        config: PlannerConfig = model_config(presets, request, "planner")
        model = MotionPlanner(dataclasses.replace(config, image=encoder.config) if encoder else config)
    if encoder:
        checkpoint.load_strictly(model.image_encoder, encoder.state_dict(), request.encoder)
        if not request.init:
            start_reading_as(model.sentence, encoder)
    return model
