"""Golden cases: do our models compute what the reference computes, given the same weights?

A golden folder holds `config.json` (tiny widths and the seed) and `*.io.npz` with inputs `in_*` and outputs `out_*`
of the reference. The weights are not stored: every tensor follows from (seed, model, the reference's key, shape).
Initial RoPE frequencies and position buffers, which the recipe starts from, are those of our own fresh models.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from zipmo_ros.motion.config import ImageEncoderConfig, TextConfig
from zipmo_ros.motion.flow import Velocity, euler, guided
from zipmo_ros.motion.losses import KL_WEIGHT, flow_matching_error, vae_loss
from zipmo_ros.motion.metrics import pck
from zipmo_ros.motion.zipmo.config import PlannerConfig, PokeConfig, VaeConfig
from zipmo_ros.motion.zipmo.interop import from_reference, read_weights, to_reference
from zipmo_ros.motion.zipmo.planner import Conditioning, MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

TOLERANCE = 2e-4
# Cases that the reference computed under bfloat16 autocast. Rounding is chaotic there: moving the input by 1e-5 moves
# these outputs by 1e-3, and float32 differs from bfloat16 by 3e-3 to 8e-3, depending on the seed. They are held to a
# bound of their own, which a wrong convention still breaks, and kept out of the maximum.
BF16_TOLERANCE = 2e-2
PREFIXES = {"vae": {"vae": ""}, "planner": {"planner": "", "vae": "vae."}, "libero": {"planner": "", "vae": "vae."}}

Cases = Iterator[tuple[str, np.ndarray | Tensor]]


def is_bf16(case: str) -> bool:
    return case.endswith("_bf16")


@dataclass
class Report:
    """Largest absolute error of every case. `max_abs_error` is over the float32 cases."""

    per_case: dict[str, float] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return len(self.per_case)

    @property
    def max_abs_error(self) -> float:
        return max((error for case, error in self.per_case.items() if not is_bf16(case)), default=math.inf)

    @property
    def bf16_max_abs_error(self) -> float:
        return max((error for case, error in self.per_case.items() if is_bf16(case)), default=0.0)

    def passed(self, tolerance: float = TOLERANCE) -> bool:
        return self.max_abs_error <= tolerance and self.bf16_max_abs_error <= BF16_TOLERANCE

    def merged(self, other: Report) -> Report:
        return Report({**self.per_case, **other.per_case})


def fourier_theta(key: str) -> float:
    if "trajs_in" in key:
        return 40 * math.pi
    return 10 * 3.14 if "track_cond_emb" in key else 10 * math.pi


def draw(seed: int, model: str, key: str, initial: np.ndarray) -> np.ndarray:
    """The golden weight of one reference key. `initial`: its shape, and the value where the recipe starts from it."""
    shape = initial.shape
    stream = np.random.RandomState(zlib.crc32(f"{seed}:{model}:{key}".encode()))
    normal = stream.standard_normal(shape).astype(np.float32)
    *_, parent, name = ["", *key.split(".")]
    is_vit_norm = ".model." in key and parent in ("norm", "norm1", "norm2")

    if name in ("query_pos", "reg_pos", "pos_cross"):
        return initial
    if name in ("yx_freqs", "t_freqs", "freqs"):
        return initial * (1 + np.float32(0.05) * normal)
    if name == "coeffs":
        return normal * np.float32(fourier_theta(key) / 1.96)
    if key.endswith("time_emb.weight"):
        return normal
    if name == "scale" and parent in ("self_attn", "cross_attn"):
        return np.float32(10) * np.exp(np.float32(0.1) * normal)
    if name == "gamma":
        return np.float32(0.5) + np.float32(0.1) * normal
    if name == "bias":
        return np.float32(0.1) * normal
    if name == "scale" or is_vit_norm:
        return 1 + np.float32(0.1) * normal
    if name in ("cls_token", "pos_embed", "register_tokens", "mask_token"):
        return np.float32(0.2) * normal
    if name == "weight" and len(shape) >= 2:
        gain = 0.5 if parent in ("out_proj", "down_proj", "linear") else 1.0
        return normal * np.float32(gain / math.sqrt(math.prod(shape[1:])))
    return np.float32(0.5) * normal


def redraw(seed: int, model: str, parts: Mapping[str, nn.Module], prefixes: Mapping[str, str]) -> dict[str, Tensor]:
    """Golden weights, under the reference's keys, of a model made of freshly built `parts`."""
    initial = to_reference(parts, prefixes)
    return {
        key: torch.from_numpy(np.ascontiguousarray(draw(seed, model, key, value.numpy())))
        for key, value in initial.items()
    }


@dataclass
class GoldenFolder:
    """A folder of golden cases. `seed` draws the weights; None: DIR/<model>.safetensors, else config.json's seed."""

    directory: Path
    seed: int | None = None

    def __post_init__(self):
        self.directory = Path(self.directory)
        if not (self.directory / "config.json").is_file():
            inside = sorted(path.parent.name for path in self.directory.glob("*/config.json"))
            hint = f"; did you mean {self.directory / inside[0]}?" if inside else ""
            raise FileNotFoundError(f"{self.directory} is no golden folder, it has no config.json{hint}")
        if not self.available():
            raise FileNotFoundError(f"{self.directory} holds no *.io.npz")

    @cached_property
    def config(self) -> dict:
        return json.loads((self.directory / "config.json").read_text())

    def available(self) -> list[str]:
        return sorted(path.name.removesuffix(".io.npz") for path in self.directory.glob("*.io.npz"))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.directory / f"{name}.io.npz") as stored:
            return dict(stored)

    def image_config(self) -> ImageEncoderConfig:
        dino = self.config["dino"]
        return ImageEncoderConfig(
            width=dino["embed_dim"],
            depth=dino["depth"],
            image_size=dino["model_size"],
            registers=dino["num_register_tokens"],
        )

    def vae_config(self) -> VaeConfig:
        vae, planner = self.config["vae"], self.config["planner"]
        return VaeConfig(
            width=vae["d_model"],
            encoder_depth=vae["enc_depth"],
            decoder_depth=vae["dec_depth"],
            latent_channels=vae["latent_dim"],
            latent_grid=vae["grid"][-1],
            latent_mean=planner["vae_shift"],
            latent_std=(planner["vae_scale"] / 0.5) ** 0.5,
            image=self.image_config(),
        )

    def planner_config(self, **fields) -> PlannerConfig:
        planner = self.config["planner"]
        return PlannerConfig(
            width=planner["width"],
            depth=planner["depth"],
            time_width=planner["d_cond_norm"],
            mapping_depth=planner["mapping_depth"],
            mapping_hidden=planner["mapping_ff"],
            latent_channels=self.config["vae"]["latent_dim"],
            latent_grid=self.config["vae"]["grid"][-1],
            image=self.image_config(),
            **fields,
        )

    def poke_config(self, slots: int, pad: bool) -> PlannerConfig:
        return self.planner_config(pokes=PokeConfig(slots, pad))

    def libero_config(self, step_token: bool) -> PlannerConfig:
        libero = self.config["libero"]
        return self.planner_config(
            views=libero["num_views"],
            text=TextConfig(width=libero["text_enc_dim"]),
            text_depth=libero["text_enc_depth"],
            step_token=step_token,
            image_time=-1.0,
            self_rope="3d_40",
            cross_rope=None,
            carries_poke_embedding=True,
        )

    def weights(self, model: str, parts: Mapping[str, nn.Module], prefixes: Mapping[str, str]) -> dict[str, Tensor]:
        stored = self.directory / f"{model}.safetensors"
        if self.seed is None and stored.is_file():
            return read_weights(stored)[0]
        return redraw(self.config["seed"] if self.seed is None else self.seed, model, parts, prefixes)

    def build(self, model: str, planner: PlannerConfig | None = None) -> dict[str, nn.Module]:
        """{"vae", "planner"} with the golden weights, in eval mode."""
        parts: dict[str, nn.Module] = {"vae": TrackVAE(self.vae_config())}
        if planner is not None:
            parts["planner"] = MotionPlanner(planner)
        weights = self.weights(model, parts, PREFIXES[model])
        if planner is not None and not planner.step_token:  # one set of weights serves both text planners
            weights = {key: value for key, value in weights.items() if not key.startswith("start_t_mapping.")}
        from_reference(parts, PREFIXES[model], weights, f"golden {model}")
        return {name: part.eval() for name, part in parts.items()}


def verify_golden(directory: str | Path, seed: int | None = None) -> Report:
    """Errors of all cases of the autoencoder and the planners. Raises FileNotFoundError if the folder is none.

    The policy's cases are added by `zipmo interop verify`, which may know the policy head.
    """
    folder = GoldenFolder(Path(directory), seed)
    report = Report()
    for name, cases in (("vae", vae_cases), ("planner", planner_cases), ("libero", libero_cases)):
        if name in folder.available():
            report = report.merged(compare(name, folder, cases))
    return report


def compare(name: str, folder: GoldenFolder, cases) -> Report:
    """Run `cases(folder, arrays)` and hold every output against its stored one."""
    arrays = folder.arrays(name)
    inputs = {
        key.removeprefix("in_"): torch.from_numpy(value) for key, value in arrays.items() if key.startswith("in_")
    }
    report = Report()
    with torch.no_grad():
        for case, value in cases(folder, inputs):
            expected = arrays[f"out_{case}"]
            value = np.asarray(value)
            if value.shape != expected.shape:
                raise ValueError(f"golden case {name}/{case}: shape {value.shape}, stored {expected.shape}")
            error = np.abs(value.astype(np.float64) - expected).max()
            report.per_case[f"{name}/{case}"] = float(error) if np.isfinite(error) else math.inf
    unverified = {key.removeprefix("out_") for key in arrays if key.startswith("out_")} - {
        case.split("/", 1)[1] for case in report.per_case
    }
    if unverified:
        raise ValueError(f"golden file {name} holds cases that nothing verifies: {', '.join(sorted(unverified))}")
    return report


def vae_cases(folder: GoldenFolder, i: dict[str, Tensor]) -> Cases:
    vae: TrackVAE = folder.build("vae")["vae"]
    image = i["image_u8"]
    tokens = vae.image_tokens(image)
    yield "dino", tokens
    yield "dino_big", vae.image_tokens(i["image_big_u8"])
    yield "trajs_in", vae.encoder.trajs_in(i["tracks"])
    posterior = vae.encode(i["tracks"], image)
    yield "mean", posterior.mean
    yield "logvar", posterior.logvar
    yield "latent_pos", vae.encoder.query_pos.expand(len(image), -1, -1)
    yield "decode16", vae.decode(i["latents"], i["query"], image, steps=16)
    yield "decode12", vae.decode(i["latents"], i["query"][:, :3], image, steps=12)
    yield "decode_dense_g16_c8_t4", vae.decode_dense(i["latents"][:1], image[:1], grid=16, chunk=8, steps=4)
    predicted, posterior = vae(i["tracks"], i["tracks_dec"][:, :, 0], image, i["reparam_eps"])
    _, reconstruction, kl = vae_loss(predicted, i["tracks_dec"], posterior)
    yield "rec_loss", reconstruction
    yield "kl_loss", KL_WEIGHT * kl
    # Its inputs are not stored; its outputs are those of points that are off by more than one and less than two pixels
    # of 256.
    yield "pck", np.array(pck(i["tracks"], i["tracks"] + 0.01))


def _field(planner: MotionPlanner, conditioning: Conditioning) -> Velocity:
    return lambda z, t: planner.velocity(z, t, conditioning)


def planner_cases(folder: GoldenFolder, i: dict[str, Tensor]) -> Cases:
    image, z, t = i["image_u8"], i["z"], i["t"]
    parts = folder.build("planner", folder.poke_config(16, pad=True))
    planner, vae = parts["planner"], parts["vae"]
    yield "extra_tokens", planner.encode_images(image) + planner.learnable_emb_dino
    yield "extra_pos", planner.image_pos.expand(len(z), -1, -1)
    context = planner.poke_context(i["track_conds"], len(z))
    yield "x_cross", context.tokens
    yield "pos_cross", context.positions
    yield "x_cross_nopoke", planner.poke_context(None, len(z)).tokens
    yield "cond_norm", planner.time_condition(t)
    poked, free = planner.condition(image, pokes=i["track_conds"]), planner.condition(image)
    yield "velocity", planner.velocity(z, t, poked)
    yield "velocity_uncond", planner.velocity(z, t, free)
    sample = euler(_field(planner, poked), z, 4)
    yield "sample4", sample
    yield "sample4_cfg2", euler(guided(_field(planner, poked), _field(planner, free), 2.0), z, 4)
    yield "tracks4", vae.decode(vae.denormalise(sample), i["query"], image, steps=16)
    yield "norm", vae.normalise(z)
    yield "denorm", vae.denormalise(z)

    dense = folder.build("planner", folder.poke_config(i["track_conds6"].shape[1], pad=False))["planner"]
    field = _field(dense, dense.condition(image, pokes=i["track_conds6"]))
    yield "velocity_dense6", field(z, t)
    yield "rf_loss_dense6", flow_matching_error(field, z, i["rf_noise"], i["rf_logit_t"].sigmoid())


def libero_cases(folder: GoldenFolder, i: dict[str, Tensor]) -> Cases:
    images, text, step, z, t = i["image_u8"], i["txt"], i["start_t"], i["z"], i["t"]
    tramoe = folder.build("libero", folder.libero_config(step_token=True))["planner"]
    parts = folder.build("libero", folder.libero_config(step_token=False))
    atm, vae = parts["planner"], parts["vae"]
    yield "text", atm.text_context(text)
    yield "x_cross_t_int", tramoe.text_context(text, step)
    yield "x_cross_t_float", tramoe.text_context(text, step.float())
    tokens = atm.encode_images(images)
    yield "extra_tokens", atm.with_view(tokens)
    yield "extra_pos", atm.image_pos.expand(len(z), -1, -1)

    everyone = torch.ones(len(z), dtype=torch.bool)
    for name, planner in (("atm", atm), ("tramoe", tramoe)):
        told = _field(planner, planner.condition(images, text, step=step))
        untold = _field(planner, planner.condition(images, text, step=step, drop_text=everyone))
        yield f"velocity_{name}" + ("_int" if name == "tramoe" else ""), told(z, t)
        for scale in (1.0, 1.5):
            sample = euler(guided(told, untold, scale), z, 3)
            yield f"sample3_{name}_cfg{scale}", sample
            if name == "atm" and scale == 1.0:
                yield "tracks3_atm", _decode_views(vae, sample, i["query"], images)
    told = _field(tramoe, tramoe.condition(images, text, step=step))
    yield "velocity_tramoe_float", _field(tramoe, tramoe.condition(images, text, step=step.float()))(z, t)
    yield "rf_loss_tramoe", flow_matching_error(told, z, i["rf_noise"], i["rf_logit_t"].sigmoid())


def _decode_views(vae: TrackVAE, z: Tensor, queries: Tensor, images: Tensor) -> Tensor:
    """z [B, V * HW, C] normalised, queries [B, V, Q, 2], images [B, V, H, W, 3] -> tracks [B, V, Q, 8, 2]."""
    latents = vae.denormalise(z).unflatten(1, (images.shape[1], -1)).flatten(0, 1)
    tracks = vae.decode(latents, queries.flatten(0, 1), images.flatten(0, 1), steps=8)
    return tracks.unflatten(0, images.shape[:2])
