"""Golden cases of the policy: 20 control steps through planner, head and the reference's own ensembling."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zipmo_policy.head import HeadConfig, PolicyHead
from zipmo_ros.motion.flow import euler
from zipmo_ros.motion.losses import discounted_bc_loss
from zipmo_ros.motion.zipmo.golden import Cases, GoldenFolder, Report, compare
from zipmo_ros.motion.zipmo.interop import from_reference
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.runtime.ensembling import TemporalEnsemble


def verify_policy(directory: str | Path, seed: int | None = None) -> Report:
    """Errors of the policy's cases; an empty report if the folder holds none."""
    folder = GoldenFolder(Path(directory), seed)
    report = Report()
    for name, step_token in (("policy_atm", False), ("policy_tramoe", True)):
        if name in folder.available():
            report = report.merged(compare(name, folder, partial(policy_cases, step_token=step_token)))
    return report


def build_head(folder: GoldenFolder) -> PolicyHead:
    policy, libero = folder.config["policy"], folder.config["libero"]
    config = HeadConfig(
        width=policy["model_dim"],
        depth=policy["depth"],
        latent_channels=policy["track_emb_dim"],
        latent_grid=folder.config["vae"]["grid"][-1],
        views=libero["num_views"],
        horizon=policy["temp_horizon"],
    )
    parts, prefixes = {"policy": PolicyHead(config)}, {"policy": ""}
    from_reference(parts, prefixes, folder.weights("policy", parts, prefixes), "golden policy")
    return parts["policy"].eval()


def policy_cases(folder: GoldenFolder, i: dict[str, Tensor], step_token: bool) -> Cases:
    settings = folder.config["policy"]
    planner: MotionPlanner = folder.build("libero", folder.libero_config(step_token))["planner"]
    head = build_head(folder)
    proprio = torch.cat([i["joint"], i["gripper"]], dim=-1)
    batch = i["z"].shape[1]
    tokens = planner.encode_images(i["image_u8"])

    def plan(z: Tensor, step: Tensor, image_tokens: Tensor | None = tokens) -> Tensor:
        images = i["image_u8"] if image_tokens is None else None
        c = planner.condition(images, i["task_emb"], step=step, image_tokens=image_tokens)
        return euler(lambda x, t: planner.velocity(x, torch.full((batch,), t), c), z, settings["nfe"])

    def at_step(k: int) -> Tensor:
        return torch.full((batch,), k, dtype=torch.int64)

    plans = [plan(i["z"][k], at_step(k)) for k in range(len(i["z"]))]
    yield "track_pred0", plans[0]
    context, positions = head.context(plans[0], proprio[0])
    yield "cross_tokens0", context
    yield "cross_pos0", positions.expand(batch, -1, -1)
    chunks = torch.stack([head(z, hand) for z, hand in zip(plans, proprio, strict=True)])
    yield "chunks", chunks
    yield "actions", ensembled(chunks.numpy(), settings["temp_disc_fac"])
    predicted = head(plan(i["loss_z"], i["loss_start_t"]), proprio[0])
    yield "loss", discounted_bc_loss(predicted, i["actions_target"], settings["temp_disc_fac"])
    with torch.autocast("cpu", torch.bfloat16):
        rounded = plan(i["z"][0], at_step(0), image_tokens=None).float()
    yield "action0_autocast_bf16", head(rounded, proprio[0])[:, 0]


def ensembled(chunks: np.ndarray, decay: float) -> np.ndarray:
    """chunks [steps, B, 16, 7] -> executed actions [steps, B, 7], one chunk added at every step."""
    ensemble = TemporalEnsemble("official", decay)
    actions = []
    for step, chunk in enumerate(chunks):
        ensemble.add(step, chunk.swapaxes(0, 1))
        actions.append(ensemble.action(step))
    return np.stack(actions)
